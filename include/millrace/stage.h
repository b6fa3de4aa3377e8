// stage.h: the parts of a worker's turn, in the order of its loop. One list: counter, CLI text and docs come from it.
// Order is ABI: append only (layout_hash covers the count).
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace millrace {

// X(name, sentence)
#define MR_STAGES(X)                                         \
  X(poll, "packets from ports and other workers")            \
  X(parse, "headers read and checked")                       \
  X(lookup, "connections found")                             \
  X(act, "decisions: TCP state, new connections, slow path") \
  X(rewrite, "addresses, ports, checksums, next hop")        \
  X(transmit, "packets to ports and other workers")          \
  X(house, "once a millisecond: expiry, packets that are held back, announcements")

enum class Stage : uint8_t {
#define X(name, sentence) name,
  MR_STAGES(X)
#undef X
};

inline constexpr std::array kStageNames = {
#define X(name, sentence) std::string_view{#name},
    MR_STAGES(X)
#undef X
};

inline constexpr std::array kStageSentences = {
#define X(name, sentence) std::string_view{sentence},
    MR_STAGES(X)
#undef X
};

inline constexpr uint32_t kStageCount = kStageNames.size();
static_assert(kStageCount <= 8, "WorkerCounters has room for 8 stages");

}  // namespace millrace
