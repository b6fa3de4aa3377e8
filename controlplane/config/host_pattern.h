// host_pattern.h: what the server name of a ClientHello is compared with: a name, or a regular expression (PCRE2).
// Both processes compile it, so that millctl check refuses what the dataplane would refuse.
// Route:  read_static_list | CommandReader > HostPattern::compile; HostTable::find > HostPattern::matches
// Thread: any. A pattern is immutable; whoever matches brings a HostMatcher of its own. No lock.
// Memory: compile() allocates; matches() never does.
// Bound:  kPatternCodeBytesMax a pattern; kMatchStepsMax from each place of the name. A pattern that gets no further
//         does not match.
// Fails:  compile() says what is wrong, and where.
// Tests:  tests/unit/config/host_pattern_test.cpp
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "millrace/limits.h"
#include "millrace/messages.h"

namespace millrace {

// A domain name has at most 253 characters (RFC 1035 section 2.3.4): longer ones match nothing.
inline constexpr size_t kHostNameBytesMax = 253;
// Of PCRE2's code, before it becomes machine code of up to fifteen times the size. What people write needs a few hundred
// bytes; repetitions of repetitions need any number.
inline constexpr size_t kPatternCodeBytesMax = 8192;
// An honest pattern needs some ten a character; (a+)+$ would need 2^n of them. The worst patterns found end within 50 us,
// where they must be interpreted (no JIT) within 20 ms.
inline constexpr uint32_t kMatchStepsMax = 10'000;

// What one thread matches with.
class HostMatcher {
 public:
  HostMatcher();
  ~HostMatcher();
  HostMatcher(const HostMatcher&) = delete;
  HostMatcher& operator=(const HostMatcher&) = delete;

 private:
  friend class HostPattern;
  struct Memory;
  std::unique_ptr<Memory> memory_;
};

class HostPattern {
 public:
  struct Compiled {
    std::shared_ptr<const HostPattern> pattern;  // null: see problem
    std::string problem;                         // "missing closing parenthesis"
    size_t offset = 0;                           // characters before it
  };
  // `matching` is not none. exact: a name in lower case. regexp: caseless, may match any part of the name.
  static Compiled compile(HostMatching matching, std::string_view text);

  ~HostPattern();
  HostPattern(const HostPattern&) = delete;
  HostPattern& operator=(const HostPattern&) = delete;

  const std::string& text() const { return text_; }
  bool matches(std::string_view host, HostMatcher& matcher) const;

 private:
  explicit HostPattern(std::string_view text) : text_(text) {}

  std::string text_;
  void* code_ = nullptr;  // pcre2_code; null: exact
};

}  // namespace millrace
