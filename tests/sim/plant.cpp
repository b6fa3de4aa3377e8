#include "tests/sim/plant.h"

#include <utility>

namespace millrace::sim {
namespace {

// Of the segments that can be spoilt; of those that are rare, more.
double share_of(Plant plant) {
  return plant == Plant::wrong_urgent || plant == Plant::bad_sack || plant == Plant::grow_options ? 0.5 : 0.02;
}
constexpr uint32_t kConnectionShare = 20;  // one in so many

bool is_chosen(uint32_t connection) { return connection % kConnectionShare == kConnectionShare / 2; }

bool spoil_data(Plant plant, Segment& segment) {
  if (segment.payload.empty()) return false;
  if (plant == Plant::drop_byte)
    segment.payload.erase(segment.payload.begin() + static_cast<long>(segment.payload.size() / 2));
  else
    segment.payload[segment.payload.size() / 2] ^= 1;
  return true;
}

bool spoil_numbers(Plant plant, Segment& segment) {
  if (!segment.has(kAck) || segment.has(kRst)) return false;
  if (plant == Plant::swap_ack) segment.ack = segment.ack << 16 | segment.ack >> 16;
  if (plant == Plant::ack_ahead) ++segment.ack;
  if (plant == Plant::shift_seq && segment.has(kSyn)) return false;
  if (plant == Plant::shift_seq) ++segment.seq;
  return true;
}

bool spoil_sack(Segment& segment) {
  if (segment.options.sack.empty()) return false;
  segment.options.sack.back().left += 0x1234'5678;
  segment.options.sack.back().right += 0x1234'5678;
  return true;
}

bool spoil_timestamps(Plant plant, Segment& segment) {
  if (!segment.options.timestamps || segment.has(kRst)) return false;
  if (segment.has(kSyn) && plant != Plant::bad_echo) return false;
  if (segment.has(kSyn) && !segment.has(kAck)) return false;
  if (plant == Plant::bad_echo) segment.options.timestamps->echo += 1'000'000;
  if (plant == Plant::old_timestamp) segment.options.timestamps->value -= 1'000'000;
  if (plant == Plant::strip_timestamps) segment.options.timestamps.reset();
  return true;
}

bool spoil_window(Segment& segment) {
  if (segment.has(kSyn) || segment.has(kRst) || segment.window == 0 || segment.window >= 16384) return false;
  segment.window = static_cast<uint16_t>(segment.window * 4);
  return true;
}

bool spoil_end(Plant plant, Segment& segment) {
  if (segment.has(kSyn) || segment.has(kRst)) return false;
  if (plant == Plant::lose_fin && !segment.has(kFin)) return false;
  if (plant == Plant::early_fin && (segment.has(kFin) || segment.payload.empty())) return false;
  if (plant == Plant::stray_reset) {
    segment.flags = kRst | kAck;
    segment.payload.clear();
    segment.options = {};
    return true;
  }
  segment.flags ^= kFin;
  return true;
}

bool spoil_answer(Segment& segment) {
  if (!segment.has(kSyn) || !segment.has(kAck)) return false;
  const std::optional<uint8_t>& scale = segment.options.window_scale;
  segment.options.window_scale = static_cast<uint8_t>(scale ? *scale + 3 : 5);
  return true;
}

}  // namespace

bool spoil(Plant plant, uint32_t connection, Random& random, Segment& segment) {
  if (plant == Plant::swallow || plant == Plant::narrow_window) {
    if (!is_chosen(connection) || segment.has(kSyn)) return false;
    segment.window = 0;
    return true;
  }
  if (!random.chance(share_of(plant))) return false;
  switch (plant) {
    case Plant::drop_byte:
    case Plant::change_byte:
      return spoil_data(plant, segment);
    case Plant::swap_ack:
    case Plant::ack_ahead:
    case Plant::shift_seq:
      return spoil_numbers(plant, segment);
    case Plant::bad_sack:
      return spoil_sack(segment);
    case Plant::bad_echo:
    case Plant::old_timestamp:
    case Plant::strip_timestamps:
      return spoil_timestamps(plant, segment);
    case Plant::wide_window:
      return spoil_window(segment);
    case Plant::lose_fin:
    case Plant::early_fin:
    case Plant::stray_reset:
      return spoil_end(plant, segment);
    case Plant::grow_options:
      return spoil_answer(segment);
    case Plant::wrong_urgent:
      if (!segment.has(kUrg)) return false;
      ++segment.urgent;
      return true;
    default:
      return false;
  }
}

}  // namespace millrace::sim
