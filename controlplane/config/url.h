// url.h: addresses of HTTP servers: "https://user:password@registry.example.com:8443/backends?of=web".
// Tests:  tests/unit/config/values_test.cpp
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "controlplane/config/values.h"

namespace millrace::config {

struct Url {
  bool tls = false;         // https
  std::string credentials;  // "user:password"; empty: none
  std::string host;         // a name or an address, of IPv6 without brackets
  uint16_t port = 0;
  std::string target = "/";  // path and query
  bool operator==(const Url&) const = default;

  // As it may be shown: without credentials.
  std::string shown() const;
};

Parsed<Url> parse_url(std::string_view text);

}  // namespace millrace::config
