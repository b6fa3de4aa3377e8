// monotonic.h: CLOCK_MONOTONIC in ms, the clock of every time in the shared segment.
#pragma once

#include <cstdint>
#include <ctime>

namespace millrace::control {

inline uint64_t monotonic_ms() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1000 + static_cast<uint64_t>(now.tv_nsec) / 1'000'000;
}

}  // namespace millrace::control
