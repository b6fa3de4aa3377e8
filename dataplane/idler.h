// idler.h: what a worker does between two turns.
// busy: nothing but a pause.
// adaptive: it gives the CPU to others. A worker all of whose queues have a socket waits in the kernel until a packet
// comes or a millisecond, the period of its house-keeping, is over; at once, for where a CPU is shared, spinning keeps
// it from the very process that would send the next packet. One with other sources (hand-over rings, TAPs, memif)
// spins, which bridges the gaps inside a packet train, then yields, then sleeps shortly.
// Route:  worker_run > Idler::after_turn
// Thread: owning worker only. QSBR does not wait for one that waits.
// Tests:  tests/unit/stages/idler_test.cpp
#pragma once

#include <poll.h>

#include <cstdint>
#include <vector>

namespace millrace {

struct Worker;
enum class IdlePolicy : uint8_t;

class Idler {
 public:
  explicit Idler(const Worker& worker);

  // `taken`: packets of the turn before.
  void after_turn(unsigned taken);

  bool waits_for_packets() const { return !sockets_.empty(); }

 private:
  IdlePolicy policy() const;
  void wait();

  const Worker& worker_;
  std::vector<pollfd> sockets_;  // one a source; empty: not every source has one
  unsigned empty_turns_ = 0;
};

}  // namespace millrace
