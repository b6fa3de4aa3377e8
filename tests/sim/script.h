// script.h: what happens to one connection, drawn from (seed, number, life) alone: how both ends speak TCP, what their
// applications say and when, how it ends, what the links do to it.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "millrace/addr.h"
#include "tests/sim/place.h"
#include "tests/sim/random.h"
#include "tests/sim/segment.h"

namespace millrace::sim {

// How a connection is meant to end.
enum class Kind : uint8_t {
  client_closes,
  server_closes,
  both_close,          // at about the same time
  client_half_closes,  // and the server goes on sending for long
  server_half_closes,
  client_resets,
  server_resets,
  client_vanishes,
  server_vanishes,
  half_open,  // the client vanishes with its SYN
  refused,    // by RST
  silent,     // no server answers
};
inline constexpr std::array kKindNames = {"client closes",      "server closes", "both close",    "client half-closes",
                                          "server half-closes", "client resets", "server resets", "client vanishes",
                                          "server vanishes",    "half open",     "refused",       "silent"};
inline constexpr size_t kKindCount = kKindNames.size();
// Every byte and both FINs must arrive.
constexpr bool is_orderly(Kind kind) { return kind <= Kind::server_half_closes; }

// What an application says once it has read so much.
struct Write {
  uint64_t after_read = 0;
  bool after_fin = false;
  uint32_t delay_ms = 0;
  uint32_t byte_count = 0;
};
// It does not read on for a while.
struct Pause {
  uint64_t at_read = 0;
  uint32_t ms = 0;
};
struct Talk {
  std::vector<Write> writes;
  std::vector<Pause> pauses;
  // Closes its half after the last write, once it has read so much (and everything).
  uint64_t close_after_read = 0;
  bool close_after_fin = false;
  uint32_t close_delay_ms = 0;
  uint64_t byte_count() const;
};

// How new data is cut into segments.
enum class Cut : uint8_t { full, random, tiny };

struct EndScript {
  // Of its SYN or SYN-ACK.
  uint32_t isn = 0;
  uint16_t mss = 0;       // 0: not said
  int window_scale = -1;  // -1: not offered
  bool sack = false;
  bool timestamps = false;
  bool ecn = false;
  bool fast_open = false;  // asks for a cookie or shows one
  bool experimental = false;
  OptionLayout layout = OptionLayout::aligned;
  // How it speaks.
  uint32_t timestamp_start = 0;
  uint32_t timestamp_hz = 1000;
  uint32_t buffer_bytes = 65535;
  uint32_t delayed_ack_ms = 0;      // 0: acknowledges at once
  bool reports_duplicates = false;  // D-SACK (RFC 2883)
  bool probes_with_data = false;    // zero-window probes bring a new byte (BSD), or an old sequence number (Linux)
  bool fin_waits_for_window = true;
  bool nagle = false;
  Cut cut = Cut::full;
  bool data_with_handshake = true;  // data or FIN on the ACK of the handshake, if there is any
  uint32_t rto_start_ms = 1000;
  uint32_t keepalive_ms = 0;     // idle time before a probe; 0: none
  std::vector<uint64_t> urgent;  // offsets of urgent bytes of its stream
  uint64_t draws = 0;            // stream of its own random numbers
  // What it does.
  Talk talk;
  VirtualMs reset_after_ms = kNever;  // from its first segment
  VirtualMs vanish_after_ms = kNever;
  VirtualMs idle_limit_ms = 0;  // nothing heard: the application gives up
  uint32_t retries = 0;         // timeouts in a row before TCP gives up
};

struct LinkScript {
  uint32_t delay_ms = 1;
  double loss = 0, duplicate = 0, reorder = 0;
  uint32_t jitter_ms = 1;        // at most so much later when reordered
  VirtualMs outage_ms = kNever;  // from the connection's start; everything is lost for
  uint32_t outage_length_ms = 0;
  bool is_perfect() const { return loss == 0 && duplicate == 0 && reorder == 0 && outage_ms == kNever; }
};
// Longest that a segment is under way on one hop.
inline constexpr uint32_t kHopMsMax = 3000;

enum class Hop : uint8_t { client_to_front, back_to_server, server_to_back, front_to_client };
inline constexpr size_t kHopCount = 4;

struct Script {
  uint32_t number = 0;
  uint32_t life = 0;
  uint32_t lives = 1;  // connections of this number, one after the other on the client's same port
  Kind kind = Kind::client_closes;
  Family family = Family::ipv4;
  EndScript client, server;
  std::array<LinkScript, kHopCount> links;
  uint32_t answer_delay_ms = 0;       // before the SYN-ACK
  uint32_t failing_attempts = 0;      // servers that refuse or stay silent before one accepts
  bool attempts_are_refused = false;  // or stay silent

  bool has_perfect_links() const {
    return std::ranges::all_of(links, [](const LinkScript& link) { return link.is_perfect(); });
  }
  std::string text() const;
};

struct ScriptSettings {
  uint64_t seed = 0;
  bool ipv4 = true, ipv6 = true;
  double loss_factor = 1;
  uint32_t failing_attempts_max = 0;  // of connections that should succeed; the middle must retry
  uint32_t mtu_bytes = kMtuBytes;
};

Script draw_script(const ScriptSettings& settings, uint32_t number, uint32_t life);

// The conversation of both applications, and who closes when. In dialogue.cpp.
void draw_dialogue(Random& random, Script& script, uint64_t byte_budget);

}  // namespace millrace::sim
