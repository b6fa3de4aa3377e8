// shared_ring.h: a single-producer, single-consumer ring of fixed-size messages in the shared segment.
// It is the one contract header that sees DPDK: the memory is an rte_ring (SP/SC, element API, exact size), laid by
//   rte_ring_init, so that its debug tools and functions work on it. Joining, sending and receiving call nothing of
//   DPDK's libraries: a process without EAL needs the headers alone. Only create() links librte_ring.
// Trust:  the other process may write anything, at any time, also between a check and a use. Therefore positions and
//   geometry that address memory are private copies, rte_ring's own enqueue and dequeue (which re-read size and mask
//   from the ring) are not used, and the header is compared with what it must be before every use.
// Thread: one producer and one consumer thread, in any process; a SharedRing object serves one of them.
// Fails:  a full ring refuses to send, an empty one to receive; a corrupt one does neither, and sound() is false.
// Tests:  tests/unit/link/shared_ring_test.cpp
#pragma once

#include <rte_ring.h>

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <type_traits>

namespace millrace {

// Places that rte_ring needs so that `slots` are usable: a power of two above `slots` (RING_F_EXACT_SZ).
constexpr uint32_t shared_ring_places(uint32_t slots) { return std::bit_ceil(slots + 1); }

// Bytes that a ring of `slots` elements takes in its section. 0: such a ring cannot be.
constexpr size_t shared_ring_bytes(uint32_t element_bytes, uint32_t slots) {
  if (slots == 0 || slots >= RTE_RING_SZ_MASK / 2 || element_bytes == 0 || element_bytes % 4 != 0) return 0;
  const size_t bytes = sizeof(rte_ring) + size_t{shared_ring_places(slots)} * element_bytes;
  return (bytes + RTE_CACHE_LINE_SIZE - 1) / RTE_CACHE_LINE_SIZE * RTE_CACHE_LINE_SIZE;
}

template <class T>
class SharedRing {
  static_assert(std::is_trivially_copyable_v<T> && sizeof(T) % 4 == 0, "rte_ring elements are words");

 public:
  // Lays an empty ring into `memory` (cache-line aligned, at least shared_ring_bytes). nullopt: it does not fit.
  static std::optional<SharedRing> create(void* memory, size_t bytes, uint32_t slots) {
    if (!fits(memory, bytes, slots)) return std::nullopt;
    auto* ring = static_cast<rte_ring*>(memory);
    if (rte_ring_init(ring, "millrace", slots, kFlags) != 0) return std::nullopt;
    return SharedRing(ring, slots);
  }

  // Takes up a ring where its last producer or consumer left it. nullopt: none of this geometry lies there.
  static std::optional<SharedRing> join(void* memory, size_t bytes, uint32_t slots) {
    if (!fits(memory, bytes, slots)) return std::nullopt;
    SharedRing joined(static_cast<rte_ring*>(memory), slots);
    if (!joined.sound()) return std::nullopt;
    return joined;
  }

  // Producer. False: the ring is full, or corrupt (see sound()).
  bool try_send(const T& message) {
    // Pairs with the release in try_receive: the consumer has finished with the places it gave back.
    const uint32_t receiver = __atomic_load_n(&ring_->cons.tail, __ATOMIC_ACQUIRE);
    if (!geometry_sound() || sent_ - receiver >= slots_) return false;
    std::memcpy(place(sent_), &message, sizeof message);
    ++sent_;
    __atomic_store_n(&ring_->prod.head, sent_, __ATOMIC_RELAXED);
    // Pairs with the acquire in try_receive: the message is whole before it counts.
    __atomic_store_n(&ring_->prod.tail, sent_, __ATOMIC_RELEASE);
    return true;
  }

  // Consumer. False: the ring is empty, or corrupt (see sound()).
  bool try_receive(T& message) {
    // Pairs with the release in try_send.
    const uint32_t sender = __atomic_load_n(&ring_->prod.tail, __ATOMIC_ACQUIRE);
    if (sender == received_ || !geometry_sound() || sender - received_ > slots_) return false;
    std::memcpy(static_cast<void*>(&message), place(received_), sizeof message);
    ++received_;
    __atomic_store_n(&ring_->cons.head, received_, __ATOMIC_RELAXED);
    // Pairs with the acquire in try_send: the copy is done before the place is given back.
    __atomic_store_n(&ring_->cons.tail, received_, __ATOMIC_RELEASE);
    return true;
  }

  // False once the header is not what it must be: a wrong geometry, or more messages in use than there are slots.
  bool sound() const {
    const uint32_t sender = __atomic_load_n(&ring_->prod.tail, __ATOMIC_ACQUIRE);
    const uint32_t receiver = __atomic_load_n(&ring_->cons.tail, __ATOMIC_ACQUIRE);
    return geometry_sound() && sender - receiver <= slots_;
  }

 private:
  static constexpr int kFlags = RING_F_SP_ENQ | RING_F_SC_DEQ | RING_F_EXACT_SZ;

  SharedRing(rte_ring* ring, uint32_t slots)
      : ring_(ring),
        slots_(slots),
        sent_(__atomic_load_n(&ring->prod.tail, __ATOMIC_ACQUIRE)),
        received_(__atomic_load_n(&ring->cons.tail, __ATOMIC_ACQUIRE)) {}

  static bool fits(const void* memory, size_t bytes, uint32_t slots) {
    const size_t needed = shared_ring_bytes(sizeof(T), slots);
    return memory != nullptr && needed != 0 && bytes >= needed &&
           reinterpret_cast<uintptr_t>(memory) % RTE_CACHE_LINE_SIZE == 0;
  }
  bool geometry_sound() const {
    const uint32_t places = shared_ring_places(slots_);
    return ring_->flags == kFlags && ring_->size == places && ring_->mask == places - 1 && ring_->capacity == slots_ &&
           ring_->prod.sync_type == RTE_RING_SYNC_ST && ring_->cons.sync_type == RTE_RING_SYNC_ST;
  }
  // As rte_ring's element functions place it: elements follow the header, a position counts places modulo the size.
  std::byte* place(uint32_t position) const {
    const size_t index = position & (shared_ring_places(slots_) - 1);
    return reinterpret_cast<std::byte*>(ring_ + 1) + index * sizeof(T);
  }

  rte_ring* ring_;
  uint32_t slots_;
  uint32_t sent_;      // messages ever sent: the producer's position, private so that the peer cannot move it
  uint32_t received_;  // likewise the consumer's
};

}  // namespace millrace
