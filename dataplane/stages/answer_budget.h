// answer_budget.h: how many answers of one kind a worker may still give, so that nobody can make it say more than its
// share.
// Thread: owning worker.      Tests: tests/unit/stages/slow_path_test.cpp
#pragma once

#include <cstdint>

#include "dataplane/pick/token_bucket.h"

namespace millrace {

// 10,000 answers a second a worker: more than any monitoring pings, less than 1% of a core.
class AnswerBudget {
 public:
  static constexpr uint32_t kBurstMs = 100;
  static constexpr uint32_t kBurst = 1000;

  // False: it is spent for now.
  bool take(uint64_t now_ms) {
    return bucket_.take(now_ms * kNsPerMs, kBurstMs * kNsPerMs / kBurst, kBurstMs * kNsPerMs);
  }

 private:
  TokenBucket bucket_;
};

}  // namespace millrace
