// pick_targets.h: backends and services for the tests of this folder.
#pragma once

#include <string>
#include <vector>

#include "dataplane/pick/pick_tables.h"
#include "dataplane/pick/snapshot.h"

namespace millrace {

inline IpAddr ip(const std::string& text) { return *parse_ip(text); }
inline Be16 port(uint16_t value) { return Be16::from_host(value); }

// 10.0.0.0 + n, port 80, slot n.
inline BackendTarget target(uint16_t n, uint16_t weight = 1) {
  return {.addr = IpAddr::from_ipv4(Be32::from_host(0x0a00'0000u + n)),
          .port = port(80),
          .slot = static_cast<BackendSlot>(n),
          .weight = weight};
}

inline std::vector<BackendTarget> targets(uint16_t count, uint16_t weight = 1) {
  std::vector<BackendTarget> all;
  for (uint16_t n = 0; n < count; ++n) all.push_back(target(n, weight));
  return all;
}

inline std::vector<PickCandidate> candidates(const std::vector<BackendTarget>& all) {
  std::vector<PickCandidate> made;
  for (const BackendTarget& one : all) made.push_back({.target = one, .eligible = true});
  return made;
}

}  // namespace millrace
