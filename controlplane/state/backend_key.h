// backend_key.h: what a backend is called in the control plane: its service's name and its endpoint.
// Holds:  stable over reloads, unlike ordinals, so health and overrides hang on it.
#pragma once

#include <compare>
#include <cstdint>
#include <string>

#include "millrace/addr.h"

namespace millrace::control {

struct BackendKey {
  std::string service;
  IpAddr addr;
  uint16_t port = 0;

  BackendKey() = default;
  BackendKey(std::string service_name, const Endpoint& endpoint)
      : service(std::move(service_name)), addr(endpoint.addr), port(endpoint.port.host()) {}

  Endpoint endpoint() const { return Endpoint{addr, Be16::from_host(port)}; }
  auto operator<=>(const BackendKey&) const = default;
};

// "web/10.0.0.1:80", for log lines.
inline std::string format_key(const BackendKey& key) { return key.service + "/" + format_endpoint(key.endpoint()); }

}  // namespace millrace::control
