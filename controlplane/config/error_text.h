// error_text.h: collects the mistakes of one file and words them.
// Route:  parse_config > read_*_table > ErrorList::add > format_error
// Holds:  take() returns them in file order; text that came out of the file is escaped and cut before it is shown.
// Tests:  tests/unit/config/error_text_test.cpp
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "controlplane/config/config.h"

namespace millrace::config {

// Line and column count from 1; line 0 stands for the whole file.
struct Position {
  uint32_t line = 0;
  uint32_t column = 0;
  auto operator<=>(const Position&) const = default;
};

// Where something stands in the file, and its key path: "servers.web.bind[1]".
struct Origin {
  Position at;
  std::string key;
};

class ErrorList {
 public:
  explicit ErrorList(std::string file) : file_(std::move(file)) {}
  // Of values by key path, where the text was no TOML. Kept, not copied.
  void know_positions(const std::map<std::string, Position>& positions) { positions_ = &positions; }
  // Of the value, or of the innermost that is there and holds it; line 0 when nothing is known.
  Position position_of(std::string_view path) const;
  void add(const Origin& origin, std::string problem, std::string remedy);
  bool empty() const { return errors_.empty(); }
  // The errors, sorted by position; the list is empty afterwards.
  std::vector<ConfigError> take();

 private:
  std::string file_;
  const std::map<std::string, Position>* positions_ = nullptr;
  std::vector<ConfigError> errors_;
};

// `text` with control characters and non-ASCII bytes as \xNN: what a file holds must not steer a terminal.
std::string escape(std::string_view text);
// The same in double quotes, at most 60 characters of it.
std::string quote(std::string_view text);

inline std::string_view family_name(Family family) { return family == Family::ipv4 ? "IPv4" : "IPv6"; }

// "a, b or c".
std::string list_words(const std::vector<std::string_view>& words);

// The word of `known` that `word` most likely meant; empty when none is near.
std::string_view nearest_word(std::string_view word, const std::vector<std::string_view>& known);

// "a.b" or, where `key` is no bare TOML key, "a.\"b c\"".
std::string join_key(std::string_view path, std::string_view key);

}  // namespace millrace::config
