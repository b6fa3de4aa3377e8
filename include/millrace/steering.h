// steering.h: how packets reach the worker that owns them, by port. One list each: the shared segment, millctl and
// docs/multi-core.md speak of them by these names. Order is ABI: append only.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace millrace {

// X(name, sentence)
#define MR_STEERING_KINDS(X)                                                                 \
  X(none, "one worker owns every packet")                                                    \
  X(rss, "the NIC finds the owner by our RSS key and table; SNAT ports are chosen to match") \
  X(handover, "whoever receives a packet hands it to its owner")

enum class SteeringKind : uint8_t {
#define X(name, sentence) name,
  MR_STEERING_KINDS(X)
#undef X
};

// X(name, sentence): why a port steers as it does, and what would change that.
#define MR_STEERING_REASONS(X)                                                                              \
  X(one_worker, "there is one worker")                                                                      \
  X(settings_taken, "the NIC took our key and our table")                                                   \
  X(configured, "the configuration says so")                                                                \
  X(one_queue, "the port has one queue; set `queues` to the number of workers if its device can have more") \
  X(no_settings, "this kind of device lets nobody choose the queue of a packet")                            \
  X(no_port_hash, "the driver offers no RSS over TCP and UDP ports")                                        \
  X(key_too_short, "the driver's RSS key is shorter than the 40 bytes that IPv6 takes")                     \
  X(no_table, "the driver offers no RSS table")                                                             \
  X(odd_table, "the size of the driver's RSS table is no power of two")                                     \
  X(key_refused, "the driver did not take our RSS key")                                                     \
  X(table_refused, "the driver did not take our RSS table")

enum class SteeringReason : uint8_t {
#define X(name, sentence) name,
  MR_STEERING_REASONS(X)
#undef X
};

inline constexpr std::array kSteeringKindNames = {
#define X(name, sentence) std::string_view{#name},
    MR_STEERING_KINDS(X)
#undef X
};
inline constexpr std::array kSteeringKindSentences = {
#define X(name, sentence) std::string_view{sentence},
    MR_STEERING_KINDS(X)
#undef X
};
inline constexpr std::array kSteeringReasonNames = {
#define X(name, sentence) std::string_view{#name},
    MR_STEERING_REASONS(X)
#undef X
};
inline constexpr std::array kSteeringReasonSentences = {
#define X(name, sentence) std::string_view{sentence},
    MR_STEERING_REASONS(X)
#undef X
};
inline constexpr uint32_t kSteeringKindCount = kSteeringKindNames.size();
inline constexpr uint32_t kSteeringReasonCount = kSteeringReasonNames.size();

}  // namespace millrace
