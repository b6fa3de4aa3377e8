// answer_budget.h: how many answers of one kind a worker may still give, so that nobody can make it say more than its
// share.
// Thread: owning worker.      Tests: tests/unit/stages/slow_path_test.cpp
#pragma once

#include <cstdint>

namespace millrace {

// 10,000 answers a second a worker: more than any monitoring pings, less than 1% of a core.
class AnswerBudget {
 public:
  static constexpr uint32_t kWindowMs = 100;
  static constexpr uint32_t kPerWindow = 1000;

  // False: it is spent until the next window.
  bool take(uint64_t now_ms) {
    if (now_ms - window_ms_ >= kWindowMs) {
      window_ms_ = now_ms;
      given_ = 0;
    }
    if (given_ == kPerWindow) return false;
    ++given_;
    return true;
  }

 private:
  uint64_t window_ms_ = 0;
  uint32_t given_ = 0;
};

}  // namespace millrace
