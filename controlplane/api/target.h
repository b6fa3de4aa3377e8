// target.h: takes a request target apart: "/v1/services/a%20b?limit=3" -> path segments and parameters, decoded.
// Fails:  nullopt on a broken percent escape, a NUL, or a parameter given twice.
// Tests:  tests/unit/control/api_test.cpp
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::control {

struct Target {
  std::vector<std::string> path;
  std::map<std::string, std::string> query;
};

std::optional<Target> parse_target(std::string_view text);

}  // namespace millrace::control
