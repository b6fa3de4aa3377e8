#include "dataplane/conn/slab.h"

#include <cassert>
#include <cstddef>
#include <cstring>

namespace millrace {

static_assert(offsetof(ConnEntry, generation) == 0, "claim() clears what follows the generation");

Slab::Slab(ConnEntry* entries, ConnIndex first, uint32_t count)
    : entries_(entries), first_(first), count_(count), lines_(first, count) {
  for (uint32_t i = 0; i < count; ++i) {
    ConnEntry& entry = entries_[raw(first) + i];
    entry.state = ConnState::free;
    // A dataplane that was killed while it opened this entry left the generation odd.
    const uint32_t generation = entry.generation.load(std::memory_order_relaxed);
    entry.generation.store(generation + (generation & 1), std::memory_order_release);
  }
}

// A burst of new connections claims one after the other.
void Slab::prefetch_next() const {
  const ConnIndex next = lines_.oldest(SlabLine::free);
  if (next == kNoConn) return;
  lines_.prefetch(next);
  const auto* lines = reinterpret_cast<const char*>(&(*this)[next]);
  for (size_t offset = 0; offset < sizeof(ConnEntry); offset += 64) __builtin_prefetch(lines + offset, 1);
}

ConnIndex Slab::claim() {
  const ConnIndex index = lines_.oldest(SlabLine::free);
  if (index == kNoConn) return kNoConn;
  lines_.put(index, SlabLine::none);
  ++used_;
  prefetch_next();

  ConnEntry& entry = (*this)[index];
  const uint32_t generation = entry.generation.load(std::memory_order_relaxed);
  assert((generation & 1) == 0 && entry.state == ConnState::free);
  entry.generation.store(generation + 1, std::memory_order_relaxed);
  // No write below may be seen before the odd generation. Pairs with the acquire fence of read_conn.
  std::atomic_thread_fence(std::memory_order_release);
  std::memset(reinterpret_cast<char*>(&entry) + sizeof entry.generation, 0, sizeof entry - sizeof entry.generation);
  return index;
}

void Slab::publish(ConnIndex index) {
  ConnEntry& entry = (*this)[index];
  const uint32_t generation = entry.generation.load(std::memory_order_relaxed);
  assert((generation & 1) == 1);
  // Pairs with the acquire load of read_conn: who sees the even generation sees the whole entry.
  entry.generation.store(generation + 1, std::memory_order_release);
}

void Slab::release(ConnIndex index) {
  assert(used_ > 0 && raw(index) - raw(first_) < count_);
  ConnEntry& entry = (*this)[index];
  // One byte: a reader copies either the connection as it was or an entry that says free.
  entry.state = ConnState::free;
  if (entry.generation.load(std::memory_order_relaxed) & 1) publish(index);  // claimed, but never published
  lines_.put(index, SlabLine::free);
  --used_;
}

}  // namespace millrace
