// url.h: addresses of servers: "https://user:password@registry.example.com:8443/backends?of=web".
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

struct HostPort {
  std::string host;  // a name or an address, of IPv6 without brackets
  uint16_t port = 0;
  bool operator==(const HostPort&) const = default;
};

// "192.0.2.53:53", "[2001:db8::53]:53" or "ns.example.com:53".
Parsed<HostPort> parse_host_port(std::string_view text);

}  // namespace millrace::config
