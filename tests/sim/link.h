// link.h: one direction of one hop: loses, doubles, delays.
#pragma once

#include <array>

#include "tests/sim/random.h"
#include "tests/sim/script.h"
#include "tests/sim/tally.h"

namespace millrace::sim {

class Link {
 public:
  // Arrivals of one segment: none when it is lost, two when it is doubled.
  struct Fate {
    unsigned count = 0;
    std::array<VirtualMs, 2> at_ms{};
  };

  Link(const LinkScript& script, Random random, VirtualMs start_ms)
      : script_(script), random_(random), start_ms_(start_ms) {}

  Fate carry(VirtualMs now_ms, Tally& tally) {
    Fate fate;
    // Every draw is made each time, so that one segment's fate moves no other's.
    const bool lost = random_.chance(script_.loss), doubled = random_.chance(script_.duplicate);
    const VirtualMs late_ms = draw_lateness(), again_late_ms = draw_lateness();
    if (lost || is_out(now_ms)) {
      ++tally.lost;
      return fate;
    }
    if (late_ms != 0) ++tally.reordered;
    if (doubled) ++tally.duplicated;
    fate.at_ms[fate.count++] = now_ms + script_.delay_ms + late_ms;
    if (doubled) fate.at_ms[fate.count++] = now_ms + script_.delay_ms + again_late_ms;
    return fate;
  }

 private:
  bool is_out(VirtualMs now_ms) const {
    const VirtualMs age_ms = now_ms - start_ms_;
    return age_ms >= script_.outage_ms && age_ms - script_.outage_ms < script_.outage_length_ms;
  }
  VirtualMs draw_lateness() {
    const bool late = random_.chance(script_.reorder);
    const uint64_t by_ms = random_.between(1, script_.jitter_ms);
    return late ? by_ms : 0;
  }

  const LinkScript& script_;
  Random random_;
  VirtualMs start_ms_;
};

}  // namespace millrace::sim
