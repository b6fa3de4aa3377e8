// frame_reader.h: reads what came back, and judges it.
// Thread: any; immutable.
// Tests:  tests/unit/traffic/frame_test.cpp
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "perf/traffic/flow_space.h"
#include "perf/traffic/frame_layout.h"
#include "perf/traffic/frame_writer.h"

namespace millrace::traffic {

// What can be wrong with a frame, by its name in results. X(name).
#define MR_TRAFFIC_FAULTS(X) \
  X(wrong_mac)               \
  X(malformed)               \
  X(wrong_source)            \
  X(wrong_destination)       \
  X(unknown_flow)            \
  X(wrong_snat)              \
  X(bad_ip_checksum)         \
  X(bad_l4_checksum)

enum class Fault : uint8_t {
#define X(name) name,
  MR_TRAFFIC_FAULTS(X)
#undef X
      none,
  foreign,  // not of ours: ARP, neighbour discovery, another protocol
};
inline constexpr unsigned kFaultCount = static_cast<unsigned>(Fault::none);
inline constexpr std::array<std::string_view, kFaultCount> kFaultNames = {
#define X(name) #name,
    MR_TRAFFIC_FAULTS(X)
#undef X
};

struct Arrival {
  Message message;
  Ends ends;
  bool to_backend = false;
  unsigned backend = 0;  // when to_backend
};

class FrameReader {
 public:
  // The backends follow each other by the last byte of their address.
  FrameReader(Family family, Proto proto, const FlowSpace& clients, const Endpoint& vip, const Endpoint& first_backend,
              unsigned backend_count)
      : family_(family),
        proto_(proto),
        clients_(clients),
        vip_(vip),
        first_backend_(first_backend),
        backend_count_(backend_count) {}

  // Addresses and message; no checksums. `mac` is who we are.
  Fault read(const uint8_t* frame, unsigned bytes, const MacAddr& mac, Arrival& arrival) const;
  // Of a frame that read() took. The whole payload is read.
  Fault check_sums(const uint8_t* frame) const;

 private:
  Fault read_ends(const uint8_t* frame, unsigned bytes, Ends& ends) const;
  void read_message(const uint8_t* frame, Message& message) const;

  Family family_;
  Proto proto_;
  FlowSpace clients_;
  Endpoint vip_;
  Endpoint first_backend_;
  unsigned backend_count_;
};

// The endpoint of backend `index`.
Endpoint backend_endpoint(const Endpoint& first, unsigned index);

}  // namespace millrace::traffic
