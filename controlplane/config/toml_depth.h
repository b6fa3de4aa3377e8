// toml_depth.h: finds text that would nest tables deeper than toml++ 3.3 can free again. It bounds the nesting of
// values, not the length of dotted keys, and frees a tree recursively: 32,000 levels overflow an 8 MiB stack.
// Route:  parse_config > find_deep_line, before the parser sees the text
// Bound:  with kKeyDotsMax a tree has at most (256 nested values + 2) x 17 levels.
// Tests:  tests/unit/config/toml_depth_test.cpp
#pragma once

#include <optional>
#include <string_view>

#include "controlplane/config/error_text.h"

namespace millrace::config {

// Dots of keys on one line; ours need three.
inline constexpr unsigned kKeyDotsMax = 16;

// The first dot over kKeyDotsMax that stands outside strings and comments on its line; nullopt: none.
std::optional<Position> find_deep_line(std::string_view text);

}  // namespace millrace::config
