// tcp_ends.h: with which sequence numbers and timestamps the two ends of each connection speak, and how the balancer
// translates them: learnt from the two segments in which it chose numbers of its own, its SYN-ACK to the client and its
// SYN to the backend. Both ends are as Linux is: window scale 7, SACK, timestamps if wanted.
// Holds:  shares no code with the dataplane. Until something was learnt, nothing is translated, as in fullnat.
// Thread: one.      Memory: 16 B a connection.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "perf/micro/flow_plan.h"
#include "perf/micro/frame.h"

namespace millrace::perf {

// What the ends of a connection have said after its handshake.
struct Said {
  uint32_t client_bytes = 0;
  uint32_t backend_bytes = 0;
  uint32_t client_ms = 0;  // on their clocks
  uint32_t backend_ms = 0;
};

class TcpEnds {
 public:
  TcpEnds(Family family, bool timestamps, uint32_t connections);

  // The handshakes, as the ends speak.
  TcpFields client_syn(uint32_t connection) const;
  TcpFields client_ack(uint32_t connection) const;
  TcpFields backend_syn_ack(uint32_t connection) const;
  // As the balancer has to speak. What it may choose is as it was learnt.
  TcpFields own_syn_ack(uint32_t connection) const;
  TcpFields own_syn(uint32_t connection, unsigned backend) const;
  TcpFields own_ack_to_backend(uint32_t connection) const;
  TcpFields own_ack_to_client(uint32_t connection) const;
  void learn_syn_ack(uint32_t connection, const TcpFields& own);
  void learn_syn(uint32_t connection, const TcpFields& own);
  // The backend has answered a SYN: from then on the balancer knows that it has timestamps.
  void heard(unsigned backend);

  // Later segments, from what was said before them.
  TcpFields from_client(uint32_t connection, const Said& said) const;
  TcpFields from_backend(uint32_t connection, const Said& said) const;
  // A later segment, as the other end has to see it.
  TcpFields translated(uint32_t connection, bool from_client, const TcpFields& sent) const;

  // Where the client's bytes begin, as it counts them itself.
  uint32_t client_begin(uint32_t connection) const;
  uint32_t backend_begin(uint32_t connection) const;

 private:
  // From what the sender counts to what the receiver sees, modulo 2^32.
  struct Shift {
    uint32_t forward_seq = 0;
    uint32_t reverse_seq = 0;
    uint32_t forward_ms = 0;
    uint32_t reverse_ms = 0;
  };
  TcpFields timed(TcpFields tcp, uint32_t ts_value, uint32_t ts_echo) const;
  TcpFields syn_fields() const;
  TcpFields seen_by_backend(uint32_t connection, TcpFields sent) const;
  TcpFields seen_by_client(uint32_t connection, TcpFields sent) const;

  Family family_;
  bool timestamps_;
  std::vector<Shift> shifts_;
  std::array<bool, kBackendCount> heard_{};
};

}  // namespace millrace::perf
