// escapes.h: bytes as gobetween writes them inside of strings: 'PING\xFF\n', as in a string of Go.
// Fails:  says which escape is none.      Tests: tests/unit/config/values_test.cpp
#pragma once

#include <string>
#include <string_view>

#include "controlplane/config/values.h"

namespace millrace::config {

// \a \b \f \n \r \t \v \\ \" \xNN \NNN (octal) \uNNNN \UNNNNNNNN (as UTF-8); every other character stands for itself.
Parsed<std::string> parse_escapes(std::string_view text);

}  // namespace millrace::config
