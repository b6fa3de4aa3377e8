// base64.h: RFC 4648, section 4, with its padding.
// Thread: any; pure.      Tests: tests/unit/control/base64_test.cpp
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace millrace::control {

std::string to_base64(std::string_view bytes);
// nullopt: it is none.
std::optional<std::string> from_base64(std::string_view text);

}  // namespace millrace::control
