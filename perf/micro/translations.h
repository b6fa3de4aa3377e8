// translations.h: what the balancer made of each connection, learnt from its first packet on the backend's side; and
// with that what must come out for any later packet.
// Holds:  a backend of ours, a source as the mode wants it, and no two connections alike to a backend.
// Thread: one.      Memory: 4 B a connection; in fullnat 33 MiB more, used as far as ports are.
#pragma once

#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "millrace/ids.h"
#include "perf/micro/flow_plan.h"

namespace millrace::perf {

// A benchmark of a wrong result is none: ends it.
[[noreturn]] void wrong(const std::string& what);
std::string text_of(const Tuple& tuple);

struct Forwarded {
  uint32_t connection = 0;
  Tuple tuple;
  MacAddr dst_mac;
};

class Translations {
 public:
  Translations(const FlowPlan& plan, Mode mode, uint32_t connections);

  // Each throws when it is not as it should be.
  void learn(const Tuple& from_client, const Tuple& towards_backend);
  void forget(uint32_t connection);
  Forwarded expected(const Tuple& received) const;

  // Throws when the client is none of ours.
  uint32_t connection_of(const Tuple& from_client) const;

  // Of a connection that is known.
  Tuple towards_backend(uint32_t connection) const;
  Tuple from_backend(uint32_t connection) const;

 private:
  static constexpr uint32_t kNone = UINT32_MAX;
  struct FreeMemory {
    void operator()(uint32_t* memory) const { std::free(memory); }
  };
  // Which of the places at the backends: backend, SNAT address and port.
  static uint32_t place(unsigned backend, unsigned snat, Be16 port) {
    return (backend * kSnatAddressCount + snat) << 16 | port.host();
  }
  uint32_t place_of(const Tuple& towards_backend) const;

  FlowPlan plan_;
  Mode mode_;
  std::vector<uint32_t> place_;                     // by connection; nat: of the backend alone
  std::unique_ptr<uint32_t[], FreeMemory> holder_;  // by place: connection + 1
};

}  // namespace millrace::perf
