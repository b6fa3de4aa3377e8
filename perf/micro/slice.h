// slice.h: measures in slices of about a millisecond, so that what is compared can take turns.
#pragma once

#include <ctime>

namespace millrace::perf {

// CPU time of this thread: what other processes take in between does not count.
inline double cpu_seconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

template <typename Work>
double seconds_of(Work&& work) {
  const double begin = cpu_seconds();
  work();
  return cpu_seconds() - begin;
}

}  // namespace millrace::perf
