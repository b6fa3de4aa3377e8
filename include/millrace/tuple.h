// tuple.h: the keys of the connection tables: a packet's 5-tuple exactly as it stands on the wire.
// Holds:  no padding (a hash reads every byte); unused bytes are zero.
#pragma once

#include <array>
#include <cstdint>
#include <type_traits>

#include "millrace/addr.h"

namespace millrace {

// 16 bytes: it is its own key in the connection table.
struct FlowKey4 {
  Be32 src;
  Be32 dst;
  Be16 src_port;
  Be16 dst_port;
  uint32_t proto = 0;  // Proto, widened so that the key has no padding.
  bool operator==(const FlowKey4&) const = default;
};
static_assert(sizeof(FlowKey4) == 16 && std::has_unique_object_representations_v<FlowKey4>);

struct FlowKey6 {
  std::array<uint8_t, 16> src{};
  std::array<uint8_t, 16> dst{};
  Be16 src_port;
  Be16 dst_port;
  uint32_t proto = 0;
  bool operator==(const FlowKey6&) const = default;
};
static_assert(sizeof(FlowKey6) == 40 && std::has_unique_object_representations_v<FlowKey6>);

}  // namespace millrace
