// emulated_nic.h: a NIC with several queues, played before the one queue of another device, for tests of steering.
// To its port it is a DPDK device (net_null keeps the RSS key and table that the port sets, but uses neither): here
// real Toeplitz hashing by them, with DPDK's own rte_softrss, chooses the queue of each packet that comes in.
// Packets without TCP or UDP ports, and fragments, have hash 0, as on many NICs.
// Thread: any worker. Whichever polls first reads the device behind for all of them; nobody waits. Sending takes a
//         spin lock: this is for tests.
// Bound:  4,095 packets a queue; while one is nearly full nothing more is read, so that nothing is lost here.
// Tests:  tests/unit/ports/emulated_nic_test.cpp, tests/smoke/test_steering.py
#pragma once

#include <rte_spinlock.h>

#include <array>
#include <cstdint>
#include <vector>

#include "controlplane/config/config.h"
#include "dataplane/conn/owner.h"

struct rte_mbuf;
struct rte_ring;

namespace millrace {

class EmulatedNic {
 public:
  // Between workers and `front_port`, which they poll; `inner_port` is the device behind. Throws std::runtime_error.
  EmulatedNic(config::NicEmulation emulation, uint16_t front_port, uint16_t inner_port, uint16_t queue_count);
  ~EmulatedNic();
  EmulatedNic(const EmulatedNic&) = delete;
  EmulatedNic& operator=(const EmulatedNic&) = delete;

  uint16_t inner_port() const { return inner_port_; }
  // Both ports are started and have their settings: from now on packets come and go.
  void begin();

 private:
  struct Queue {
    EmulatedNic* nic = nullptr;
    rte_ring* ring = nullptr;
  };

  static uint16_t receive(void* queue, rte_mbuf** mbufs, uint16_t wanted);
  static uint16_t send(void* queue, rte_mbuf** mbufs, uint16_t count);
  void deal_burst();
  uint16_t queue_of(const rte_mbuf& mbuf) const;

  config::NicEmulation emulation_;
  uint16_t front_port_;
  uint16_t inner_port_;
  alignas(uint32_t) std::array<uint8_t, kRssKeyBytes> key_{};  // rte_softrss reads words
  std::array<uint16_t, kRetaSize> table_{};
  std::vector<Queue> queues_;
  std::vector<void*> queue_data_;  // stands where ethdev keeps its queue pointers
  rte_spinlock_t receive_lock_ = RTE_SPINLOCK_INITIALIZER;
  rte_spinlock_t send_lock_ = RTE_SPINLOCK_INITIALIZER;
};

}  // namespace millrace
