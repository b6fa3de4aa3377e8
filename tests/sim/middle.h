// middle.h: the real workers between the two wires, on the unit tests' bed, in virtual time.
// Time:   the workers' clocks stand still but for set_time(). They begin a minute before the 32-bit millisecond clock
//         wraps, in every run at the same place of the timer wheel, so that a run can be repeated.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "millrace/messages.h"
#include "tests/sim/place.h"
#include "tests/sim/segment.h"
#include "tests/unit/stages/testbed.h"

namespace millrace::sim {

inline constexpr uint32_t kClientMax = 900'000;  // different tuples

struct MiddleSettings {
  Mode mode = Mode::fullnat;
  unsigned workers = 1;
  unsigned backends = 1;
  uint32_t entries = 8192;
  // Of connections that the middle makes itself.
  SynProxy syn_proxy = SynProxy::off;
  uint32_t syn_rate = 100;  // automatic
  ProxyProtocol proxy_protocol = ProxyProtocol::none;
  uint32_t connect_timeout_ms = 4000;
  uint64_t seed = 0;
};

struct MiddleFrame {
  PortIndex port;
  Bytes frame;
};

Endpoint vip_endpoint(Family family);
Endpoint client_endpoint(uint32_t number, Family family);
// Of a client's endpoint, whatever its family; nullopt: no client has it.
std::optional<uint32_t> client_number(const Endpoint& endpoint);

class Middle {
 public:
  explicit Middle(const MiddleSettings& settings);

  // Milliseconds since the start; never back, and no more than the workers' timers may be asleep.
  void set_time(VirtualMs now_ms);
  void put(PortIndex port, const Bytes& frame);
  // The workers' turns; what came out since the last call.
  std::vector<MiddleFrame> turn();

  // Whose connection a server's SYN belongs to: the table knows.
  std::optional<Endpoint> client_behind(const Endpoint& source, const Endpoint& backend) const;
  bool is_backend(const Endpoint& endpoint) const;
  uint64_t entries_in_use();
  // What the bed found wrong by itself: the counter equation, lost packet buffers. Not to be called often.
  static int faults();
  // Drops by reason, but those that have none.
  std::vector<std::pair<DropReason, uint64_t>> drops();
  std::string counters();

  // Defects on purpose.
  void leak_entry() { bed_.worker().slab.claim(); }
  void miscount() { bed_.worker().counters.rx_packets.add(1); }
  rte_mempool* buffers() { return bed_.state().mbuf_pool; }

 private:
  void anchor(uint64_t clock_ms);
  void flush();

  const MiddleSettings settings_;
  Testbed bed_;
  uint64_t start_ms_ = 0;
  unsigned waiting_ = 0;  // frames in the rings
  std::vector<MiddleFrame> out_;
};

}  // namespace millrace::sim
