// json_text.h: a configuration in JSON as the tree that TOML makes, so that the same readers check both.
// gobetween writes null for what is not set: such keys are left out.
// Route:  parse_config > parse_json > read_*_table
// Bound:  values nest kJsonDepthMax deep at most.
// Fails:  with the place and one sentence; never throws for what the text contains.
// Tests:  tests/unit/config/json_text_test.cpp
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "controlplane/config/error_text.h"

#include <toml++/toml.h>

namespace millrace::config {

inline constexpr unsigned kJsonDepthMax = 32;  // ours need five

struct JsonText {
  std::optional<toml::table> root;
  std::map<std::string, Position> positions;  // by key path, of every value
  Position failed_at;                         // when there is no root
  std::string problem;
};

JsonText parse_json(std::string_view text);

// The first character that is no white space is a brace: no TOML begins so.
bool looks_like_json(std::string_view text);

}  // namespace millrace::config
