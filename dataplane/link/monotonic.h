// monotonic.h: the clock of heartbeats and events: CLOCK_MONOTONIC in ms, the same in every process of the host.
#pragma once

#include <time.h>

#include <cstdint>

namespace millrace {

inline uint64_t monotonic_ms() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1000 + static_cast<uint64_t>(now.tv_nsec) / 1'000'000;
}

}  // namespace millrace
