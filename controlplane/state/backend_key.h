// backend_key.h: what a backend is called in the control plane: its service's name and its endpoint.
// Holds:  stable over reloads, unlike ordinals, so health and overrides hang on it.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <functional>
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

// For hashes of unordered maps: `seed` tells services apart.
inline size_t hash_endpoint(uint64_t seed, const IpAddr& addr, uint16_t port) {
  constexpr uint64_t kOdd = 0x9e37'79b9'7f4a'7c15;  // 2^64 by the golden ratio: spreads addresses that differ little
  const std::array<uint64_t, 2> words = addr.words();
  uint64_t hash = seed;
  for (const uint64_t word : {words[0], words[1], uint64_t{port}}) hash = (hash ^ word) * kOdd;
  return hash ^ hash >> 32;
}

// Of unordered maps.
struct BackendKeyHash {
  size_t operator()(const BackendKey& key) const {
    return hash_endpoint(std::hash<std::string>()(key.service), key.addr, key.port);
  }
};

// "web/10.0.0.1:80", for log lines.
inline std::string format_key(const BackendKey& key) { return key.service + "/" + format_endpoint(key.endpoint()); }

}  // namespace millrace::control
