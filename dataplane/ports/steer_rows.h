// steer_rows.h: keys and values of the XDP program's maps, made of ours.
// Thread: any; pure.
#pragma once

#include <cstdint>
#include <cstring>

#include "dataplane/bpf/steer_maps.h"
#include "millrace/addr.h"

namespace millrace {

static_assert(sizeof(steer_address_key) == sizeof(IpAddr));

inline steer_address_key to_key(const IpAddr& addr) {
  steer_address_key key{};
  std::memcpy(key.addr, addr.bytes.data(), sizeof key.addr);
  return key;
}

// False: it has as many as fit.
inline bool add_range(steer_address& address, const steer_port_range& range) {
  for (uint32_t i = 0; i < address.range_count; ++i)
    if (std::memcmp(&address.ranges[i], &range, sizeof range) == 0) return true;
  if (address.range_count == steer_range_max) return false;
  address.ranges[address.range_count++] = range;
  return true;
}

}  // namespace millrace
