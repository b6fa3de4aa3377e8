// plant.h: defects on purpose, in what the middle sends, to prove that the simulator sees them.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "tests/sim/random.h"
#include "tests/sim/segment.h"

namespace millrace::sim {

// X(name, words)
#define MR_SIM_PLANTS(X)                                                                 \
  X(drop_byte, "a byte of the data is left out")                                         \
  X(change_byte, "a byte of the data is another")                                        \
  X(swap_ack, "the halves of the acknowledgment number are swapped")                     \
  X(ack_ahead, "one byte more is acknowledged than has arrived")                         \
  X(shift_seq, "the sequence number is off by one")                                      \
  X(bad_sack, "a SACK block is not translated")                                          \
  X(bad_echo, "a timestamp's echo is off by a million")                                  \
  X(old_timestamp, "a timestamp goes back by a million")                                 \
  X(strip_timestamps, "timestamps are missing")                                          \
  X(wide_window, "the window is four times as wide")                                     \
  X(narrow_window, "the window of all segments of a connection is zero")                 \
  X(lose_fin, "the FIN flag is cleared")                                                 \
  X(early_fin, "a FIN is added")                                                         \
  X(stray_reset, "a segment becomes a reset")                                            \
  X(grow_options, "a SYN-ACK agrees to a window scale that was not offered, or another") \
  X(bad_checksum, "the checksum is wrong")                                               \
  X(swallow, "all segments of a connection vanish")                                      \
  X(wrong_urgent, "the urgent pointer is off by one")                                    \
  X(leak_entry, "a slab entry is never freed")                                           \
  X(lose_buffer, "a packet buffer is never freed")                                       \
  X(miscount, "a packet is counted twice")

enum class Plant : uint8_t {
  none,
#define X(name, words) name,
  MR_SIM_PLANTS(X)
#undef X
};

struct PlantRow {
  Plant plant;
  std::string_view name;
  std::string_view words;
};
inline constexpr std::array kPlantRows = {
#define X(name, words) PlantRow{Plant::name, #name, words},
    MR_SIM_PLANTS(X)
#undef X
};

// Spoils one segment now and then. False: not this one. `connection`: some plants spoil all of one connection's.
// Plants that spoil no segment (leak_entry, lose_buffer, miscount) are the middle's own.
bool spoil(Plant plant, uint32_t connection, Random& random, Segment& segment);

}  // namespace millrace::sim
