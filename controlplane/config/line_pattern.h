// line_pattern.h: plaintext_regex_pattern: the parts of a backend in a line, by the names of an expression's groups.
// Route:  read_plaintext > check; PlaintextSource > LinePattern::match
// Thread: one at a time.
// Bound:  kPatternStepsMax steps of PCRE2 a line; one that needs more does not match.
// Tests:  tests/unit/control/backend_text_test.cpp
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace millrace::config {

class LinePattern {
 public:
  // What is wrong with `text`; empty: nothing. It needs groups host and port.
  static std::string check(const std::string& text);
  // `text` is right.
  explicit LinePattern(const std::string& text);
  ~LinePattern();
  LinePattern(const LinePattern&) = delete;
  LinePattern& operator=(const LinePattern&) = delete;

  // The named groups that took part; nullopt: the line does not match.
  std::optional<std::map<std::string, std::string>> match(std::string_view line) const;

 private:
  struct Code;
  std::unique_ptr<Code> code_;
};

}  // namespace millrace::config
