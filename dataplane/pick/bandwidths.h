// bandwidths.h: what each backend of a leastbandwidth service carries, both directions, as an average that forgets
// (dataplane/link/bandwidth_meter.h).
// Writer: main lcore, ten times a second. Readers: workers, relaxed.
// Memory: 512 KiB, made at start.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include "millrace/ids.h"
#include "millrace/limits.h"

namespace millrace {

class Bandwidths {
 public:
  Bandwidths() : bits_per_s_(new std::atomic<uint64_t>[kBackendMax]()) {}
  uint64_t bits_per_s(BackendSlot slot) const { return bits_per_s_[raw(slot)].load(std::memory_order_relaxed); }
  void set(BackendSlot slot, uint64_t bits_per_s) {
    bits_per_s_[raw(slot)].store(bits_per_s, std::memory_order_relaxed);
  }

 private:
  std::unique_ptr<std::atomic<uint64_t>[]> bits_per_s_;
};

}  // namespace millrace
