// json_answer.h: JSON from outside: bounded in depth, never thrown about.
// Thread: any; pure.      Tests: tests/unit/control/backend_text_test.cpp
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

namespace millrace::control {

// nullopt: no JSON, not all of it, or deeper than kJsonDepthMax; then `problem` says so.
std::optional<nlohmann::json> parse_json_answer(std::string_view text, std::string& problem);

// Of a string or a whole number; empty for everything else.
std::string scalar_text(const nlohmann::json& value);

}  // namespace millrace::control
