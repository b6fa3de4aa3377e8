// env_text.h: ${NAME} in a configuration's text stands for what the environment says, in TOML and JSON alike. Lines and what
// follows on them move, lines themselves do not. "$${" is a plain "${".
// Route:  parse_config > replace_variables, before a parser sees the text
// Fails:  a variable that is not set, or whose value would end the string that it stands in: with place and name.
// Tests:  tests/unit/config/env_text_test.cpp
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "controlplane/config/error_text.h"

namespace millrace::config {

// nullptr: not set.
using Environment = std::function<const char*(const std::string& name)>;

// Comments are left alone. What cannot be replaced is reported and stays as it is.
std::string replace_variables(std::string_view text, const Environment& environment, ErrorList& errors);

}  // namespace millrace::config
