// tally.h: what a run went through: proof that the interesting things happened.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace millrace::sim {

// X(name, words)
#define MR_SIM_TALLIES(X)                                                        \
  X(segments, "segments sent by the ends")                                       \
  X(retransmissions, "retransmissions")                                          \
  X(timeouts, "retransmission timeouts")                                         \
  X(fast_retransmissions, "losses found by duplicate ACKs or SACK")              \
  X(lost, "segments lost by links")                                              \
  X(duplicated, "segments duplicated")                                           \
  X(reordered, "segments delayed past others")                                   \
  X(out_of_order, "segments that left a gap")                                    \
  X(zero_windows, "zero windows told")                                           \
  X(window_updates, "window updates")                                            \
  X(old_byte_probes, "window probes with an old sequence number")                \
  X(new_byte_probes, "window probes with a new byte")                            \
  X(keepalives, "keep-alive probes")                                             \
  X(sack_blocks, "SACK blocks arrived")                                          \
  X(duplicate_sack_blocks, "D-SACK blocks arrived")                              \
  X(paws_refusals, "old timestamps refused")                                     \
  X(challenge_acks, "challenge ACKs")                                            \
  X(syn_acks_again, "SYN-ACKs answered again")                                   \
  X(handshake_data, "handshakes whose ACK brought data or FIN")                  \
  X(urgent, "urgent segments arrived")                                           \
  X(too_big, "smaller MTUs told")                                                \
  X(resets_sent, "resets sent")                                                  \
  X(resets_taken, "resets taken")                                                \
  X(wrapped, "streams that passed the sequence wrap")                            \
  X(timestamp_wrapped, "timestamp clocks that wrapped")                          \
  X(further_servers, "servers besides the first of a connection")                \
  X(late_syns, "SYNs that reached the middle after the end of their connection") \
  X(given_up, "connections that the middle gave up on for the links' sake")      \
  X(strays, "segments to ends that are gone")                                    \
  X(bytes, "payload bytes delivered in order")

struct Tally {
#define X(name, words) uint64_t name = 0;
  MR_SIM_TALLIES(X)
#undef X
};

struct TallyRow {
  uint64_t Tally::*count;
  std::string_view words;
};
inline constexpr std::array kTallyRows = {
#define X(name, words) TallyRow{&Tally::name, words},
    MR_SIM_TALLIES(X)
#undef X
};

}  // namespace millrace::sim
