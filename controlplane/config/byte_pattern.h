// byte_pattern.h: a regular expression over bytes, in the syntax of RE2, which is gobetween's (Go's).
// Thread: any. A pattern is immutable; copies share it.
// Bound:  kPatternTextBytesMax and kPatternMemoryBytesMax a pattern; time is linear in the bytes that are searched.
// Fails:  compile() says what is wrong.
// Tests:  tests/unit/config/byte_pattern_test.cpp
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace re2 {
class RE2;
}

namespace millrace::config {

inline constexpr size_t kPatternTextBytesMax = 4096;
inline constexpr size_t kPatternMemoryBytesMax = 2 << 20;

class BytePattern {
 public:
  struct Compiled;
  static Compiled compile(std::string_view text);

  BytePattern() = default;  // none
  explicit operator bool() const { return regexp_ != nullptr; }
  const std::string& text() const { return text_; }
  // Any part of `bytes`; '.' is every byte but a line feed, \xNN one byte. False for none.
  bool matches(std::string_view bytes) const;
  // Whether it has a group (?P<name>...).
  bool has_group(const std::string& name) const;
  // The named groups that took part in the first match; nullopt: there is none.
  std::optional<std::map<std::string, std::string>> find_groups(std::string_view bytes) const;
  bool operator==(const BytePattern& other) const { return text_ == other.text_; }

 private:
  std::string text_;
  std::shared_ptr<const re2::RE2> regexp_;
};

struct BytePattern::Compiled {
  BytePattern pattern;
  std::string problem;  // set when there is none: "missing closing ]: [a"
};

}  // namespace millrace::config
