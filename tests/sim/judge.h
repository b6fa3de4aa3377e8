// judge.h: keeps what went against the rules: the first ones in words, the others as a number.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "tests/sim/place.h"
#include "tests/sim/tally.h"

namespace millrace::sim {

inline constexpr uint32_t kNoConnection = UINT32_MAX;  // of the run as a whole

struct Violation {
  uint32_t connection = kNoConnection;
  uint32_t life = 0;
  VirtualMs at_ms = 0;
  std::string text;
};

// What the middle may do although it is not right, by the caller's leave.
struct Leniency {
  bool missing_timestamps = false;  // segments without the timestamps that were agreed on
  bool unagreed_options = false;    // timestamps or SACK blocks to an end that did not agree on them
  bool large_segments = false;      // payload beyond the MSS that the server told
};

class Judge {
 public:
  explicit Judge(const Leniency& leniency) : lenient(leniency) {}

  void add(Violation violation) {
    ++count_;
    if (kept_.size() < kKeptMax) kept_.push_back(std::move(violation));
  }
  uint64_t count() const { return count_; }
  const std::vector<Violation>& kept() const { return kept_; }

  const Leniency lenient;
  Tally tally;
  VirtualMs now_ms = 0;

 private:
  static constexpr size_t kKeptMax = 200;
  uint64_t count_ = 0;
  std::vector<Violation> kept_;
};

// An end's way to the judge.
struct Witness {
  Judge* judge;
  uint32_t connection;
  uint32_t life;
  std::string who;
  const bool* is_muted;  // what follows may be nobody's fault

  void report(const std::string& text) const {
    if (!*is_muted)
      judge->add({.connection = connection, .life = life, .at_ms = judge->now_ms, .text = who + ": " + text});
  }
  Tally& tally() const { return judge->tally; }
};

}  // namespace millrace::sim
