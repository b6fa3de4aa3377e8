// warming.h: slow start: which backends came back a while ago and have less than their whole share yet. Workers read
// since when (EligibleBackends) and reckon the share themselves, so that no table is built anew while it grows.
// Thread: main lcore.      Tests: tests/unit/link/warming_test.cpp
#pragma once

#include <cstdint>
#include <unordered_map>

#include "dataplane/pick/eligible_backends.h"
#include "millrace/ids.h"

namespace millrace {

class Warming {
 public:
  explicit Warming(EligibleBackends& eligible) : eligible_(eligible) {}

  // slow_start_ms 0: it has its whole share at once.
  void begin(BackendSlot slot, uint64_t now_ms, uint32_t slow_start_ms);
  void end(BackendSlot slot);
  // Ends those whose time is over: a 32-bit clock that comes round must not make them warm up again.
  void advance(uint64_t now_ms);

 private:
  EligibleBackends& eligible_;
  std::unordered_map<uint16_t, uint64_t> until_ms_;  // by BackendSlot
};

}  // namespace millrace
