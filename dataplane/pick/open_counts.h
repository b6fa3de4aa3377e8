// open_counts.h: how many connections of a backend and of a service are open, over all workers: what leastconn and p2c
// compare and what max_connections bounds. One that is over (both sides closed it, or one reset it) has left, although
// its entry stays a while; the gauges `active` of the segment count entries.
// Writer: of a row, its worker. Readers: any worker, relaxed: a count of another worker may be some 100 ns old.
// Memory: 320 KiB a worker.
// Bound:  two workers may both take the last place: a limit is exceeded by at most one connection for every other worker
//         in practice, and by what all of them open in one burst (kBurstMax each) at the very worst.
// Tests:  tests/unit/stages/limits_test.cpp
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "millrace/ids.h"
#include "millrace/limits.h"

namespace millrace {

class OpenCounts {
 public:
  using Cell = std::atomic<uint32_t>;
  struct Row {
    std::array<Cell, kBackendMax> backends{};
    std::array<Cell, kServiceMax> services{};

    Cell& of(BackendSlot slot) { return backends[raw(slot)]; }
    Cell& of(ServiceSlot slot) { return services[raw(slot)]; }
    // Its worker alone: load and store, no locked instruction.
    template <typename Slot>
    void add(Slot slot) {
      of(slot).store(of(slot).load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    }
    template <typename Slot>
    void sub(Slot slot) {
      of(slot).store(of(slot).load(std::memory_order_relaxed) - 1, std::memory_order_relaxed);
    }
  };

  // Main lcore, before any worker runs; in the order of the workers.
  Row& add_row() { return *rows_.emplace_back(std::make_unique<Row>()); }

  uint32_t of(BackendSlot slot) const {
    uint32_t sum = 0;
    for (const auto& row : rows_) sum += row->backends[raw(slot)].load(std::memory_order_relaxed);
    return sum;
  }
  uint32_t of(ServiceSlot slot) const {
    uint32_t sum = 0;
    for (const auto& row : rows_) sum += row->services[raw(slot)].load(std::memory_order_relaxed);
    return sum;
  }

 private:
  std::vector<std::unique_ptr<Row>> rows_;
};

}  // namespace millrace
