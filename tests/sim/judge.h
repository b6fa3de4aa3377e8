// judge.h: keeps what went against the rules: the first of each kind in words, the others as a number.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
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
    if (++kinds_[kind_of(violation)] <= kKeptPerKind) kept_.push_back(std::move(violation));
  }
  uint64_t count() const { return count_; }
  // At most kKeptPerKind of a kind.
  const std::vector<Violation>& kept() const { return kept_; }
  // How many of each kind: their text without its numbers.
  const std::map<std::string, uint64_t>& kinds() const { return kinds_; }

  const Leniency lenient;
  Tally tally;
  VirtualMs now_ms = 0;

 private:
  static constexpr uint64_t kKeptPerKind = 2;
  static constexpr size_t kKindBytes = 90;
  static std::string kind_of(const Violation& violation) {
    std::string kind;
    for (const char c : violation.text) {
      const bool digit = c >= '0' && c <= '9';
      if (kind.size() < kKindBytes && !(digit && kind.ends_with('#'))) kind += digit ? '#' : c;
    }
    return violation.life == 0 ? kind : kind + " (of a port used before)";
  }

  uint64_t count_ = 0;
  std::map<std::string, uint64_t> kinds_;
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
