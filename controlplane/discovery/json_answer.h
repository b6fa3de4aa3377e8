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

// What an object says under `key`: null if it says nothing, or is no object.
const nlohmann::json& member(const nlohmann::json& object, const char* key);
// Likewise, as scalar_text.
std::string member_text(const nlohmann::json& object, const char* key);

}  // namespace millrace::control
