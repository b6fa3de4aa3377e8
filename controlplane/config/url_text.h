// url_text.h: parts of a URL.
// Thread: any; pure.      Tests: tests/unit/control/consul_test.cpp
#pragma once

#include <string>
#include <string_view>

namespace millrace::config {

// Everything but letters, digits and -._~ as %XX, RFC 3986 section 2.1.
std::string percent_encoded(std::string_view text);
// The other way round; what is no escape stays as it is.
std::string percent_decoded(std::string_view text);
// Of a path to which another one is to be added.
std::string without_slash(std::string path);

}  // namespace millrace::config
