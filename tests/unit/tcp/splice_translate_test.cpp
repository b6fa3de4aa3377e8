#include "dataplane/tcp/splice_translate.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "dataplane/tcp/tcp_options.h"
#include "tests/unit/tcp/splice_model.h"

namespace millrace {
namespace {

using wire::Bytes;
using wire::joined;

void expect_as_modelled(const Bytes& segment, const Splice& splice) {
  for (const Direction direction : {Direction::forward, Direction::reverse})
    ASSERT_EQ(translated(segment, splice, direction), modelled(segment, splice, direction))
        << (direction == Direction::forward ? "forward" : "reverse");
}

Splice some_splice() {
  Splice splice{};
  splice.forward_seq_delta = 1000;
  splice.reverse_seq_delta = 0u - 500;
  splice.forward_ts_delta = 30;
  splice.reverse_ts_delta = 0u - 70;
  splice.client_has = splice.backend_has = kBoth;
  return splice;
}

TEST(splice_translate, forward_numbers_become_the_backends) {
  const Bytes segment = segment_of({.seq = 1, .ack = 2000}, joined({1, 1}, timestamps(5, 6)));
  const Bytes out = translated(segment, some_splice(), Direction::forward);
  EXPECT_EQ(get32(out, kSeqAt), 1001u);
  EXPECT_EQ(get32(out, kAckAt), 2500u);
  EXPECT_EQ(wire::get16(out, kWindowAt), 1000);
  EXPECT_EQ(get32(out, kHeaderBytes + 4), 35u);
  EXPECT_EQ(get32(out, kHeaderBytes + 8), 76u);
  EXPECT_EQ(wire::get16(out, 18), 7) << "urgent pointer";
  EXPECT_TRUE(checksum_is_right(out));
}

TEST(splice_translate, reverse_numbers_become_the_clients) {
  const Bytes segment = segment_of({.seq = 2500, .ack = 1001}, joined(timestamps(80, 35), sack({1100, 1200})));
  const Bytes out = translated(segment, some_splice(), Direction::reverse);
  EXPECT_EQ(get32(out, kSeqAt), 2000u);
  EXPECT_EQ(get32(out, kAckAt), 1u);
  EXPECT_EQ(get32(out, kHeaderBytes + 2), 10u);
  EXPECT_EQ(get32(out, kHeaderBytes + 6), 5u);
  EXPECT_EQ(get32(out, kHeaderBytes + 12), 100u);
  EXPECT_EQ(get32(out, kHeaderBytes + 16), 200u);
  EXPECT_TRUE(checksum_is_right(out));
}

TEST(splice_translate, every_number_wraps) {
  constexpr uint32_t kEdges[] = {0, 1, 0xff, 0xffff, 0x10000, 0x7fff'ffff, 0x8000'0000, 0xffff'0000, ~0u};
  for (const uint32_t number : kEdges)
    for (const uint32_t delta : kEdges) {
      Splice splice = some_splice();
      splice.forward_seq_delta = splice.forward_ts_delta = delta;
      splice.reverse_seq_delta = splice.reverse_ts_delta = ~delta;
      const Bytes options = joined(timestamps(number, number), sack({number, number + 1}));
      expect_as_modelled(segment_of({.seq = number, .ack = number}, options), splice);
      expect_as_modelled(segment_of({.seq = number, .ack = number}, joined({1, 1}, timestamps(number, number))),
                         splice);
    }
}

TEST(splice_translate, window_is_shifted_and_saturates) {
  for (int shift = -14; shift <= 14; ++shift)
    for (const uint32_t window : {0u, 1u, 2u, 3u, 4u, 127u, 128u, 8191u, 0x7fffu, 0x8000u, 0xfffeu, 0xffffu}) {
      Splice splice = some_splice();
      splice.forward_window_shift = static_cast<int8_t>(shift);
      splice.reverse_window_shift = static_cast<int8_t>(-shift);
      const Bytes segment = segment_of({.window = static_cast<uint16_t>(window)});
      expect_as_modelled(segment, splice);
      const uint64_t wide = shift < 0 ? window >> -shift : uint64_t{window} << shift;
      EXPECT_EQ(wire::get16(translated(segment, splice, Direction::forward), kWindowAt),
                std::min<uint64_t>(wide, 0xffff));
      EXPECT_EQ(shift_window(static_cast<uint16_t>(window), static_cast<int8_t>(shift)),
                std::min<uint64_t>(wide, 0xffff));
    }
}

TEST(shift_window, shift_that_no_two_scales_make_is_none) {
  for (const int8_t shift : {int8_t{-128}, int8_t{-32}, int8_t{-15}, int8_t{15}, int8_t{32}, int8_t{127}})
    for (const uint16_t window : {uint16_t{0}, uint16_t{1}, uint16_t{0xffff}})
      EXPECT_EQ(shift_window(window, shift), window);
}

TEST(splice_translate, window_of_a_syn_is_never_scaled) {
  Splice splice = some_splice();
  splice.forward_window_shift = 7;
  splice.reverse_window_shift = -7;
  for (const uint8_t flags : {kTcpSyn, static_cast<uint8_t>(kTcpSyn | kTcpAck)}) {
    const Bytes segment = segment_of({.flags = flags, .window = 500}, {2, 4, 5, 0xb4, 4, 2, 1, 3, 3, 7});
    expect_as_modelled(segment, splice);
    const Bytes out = translated(segment, splice, Direction::forward);
    EXPECT_EQ(wire::get16(out, kWindowAt), 500);
    EXPECT_EQ(Bytes(out.begin() + kHeaderBytes, out.end()), Bytes(segment.begin() + kHeaderBytes, segment.end()));
  }
}

TEST(splice_translate, without_ack_acknowledgment_and_echo_stay) {
  for (const Bytes& options : {joined({1, 1}, timestamps(5, 6)), joined(timestamps(5, 6), {1, 1})}) {
    const Bytes segment = segment_of({.ack = 77, .flags = kTcpRst}, options);
    expect_as_modelled(segment, some_splice());
    const Bytes out = translated(segment, some_splice(), Direction::forward);
    EXPECT_EQ(get32(out, kSeqAt), 1001u);
    EXPECT_EQ(get32(out, kAckAt), 77u);
    EXPECT_EQ(modelled(segment, some_splice(), Direction::forward), out);
    const size_t value_at = kHeaderBytes + (options[0] == 1 ? 4 : 2);
    EXPECT_EQ(get32(out, value_at), 35u);
    EXPECT_EQ(get32(out, value_at + 4), 6u);
  }
}

TEST(splice_translate, options_are_found_at_every_alignment) {
  for (unsigned nops = 0; nops < 8; ++nops)
    for (size_t blocks = 1; blocks <= 4; ++blocks) {
      SCOPED_TRACE(std::to_string(nops) + " NOPs, " + std::to_string(blocks) + " blocks");
      std::vector<uint32_t> edges;
      for (uint32_t i = 0; i < 2 * blocks; ++i) edges.push_back(0xffff'fe00 + 0x80 * i);
      const Bytes before(nops, kOptionNop);
      Bytes options = joined(before, sack(edges));
      if (options.size() <= kOptionBytesMax) expect_as_modelled(segment_of({}, options), some_splice());
      expect_as_modelled(segment_of({}, joined(before, timestamps(0xffff'fffe, 70))), some_splice());
      // Both, the second behind an odd number of bytes or an even one.
      for (const Bytes& both :
           {joined(options, timestamps(0xffff'fffe, 70)), joined(joined(before, timestamps(1, 2)), sack(edges)),
            joined(joined(joined(before, timestamps(1, 2)), {1}), sack(edges))})
        if (both.size() <= kOptionBytesMax) expect_as_modelled(segment_of({}, both), some_splice());
    }
}

TEST(splice_translate, the_usual_layout_says_the_same_as_any_other) {
  const Splice splice = some_splice();
  const Bytes usual = translated(segment_of({}, joined({1, 1}, timestamps(5, 6))), splice, Direction::forward);
  for (unsigned nops = 0; nops < 2; ++nops) {
    const Bytes other =
        translated(segment_of({}, joined(Bytes(nops, kOptionNop), timestamps(5, 6))), splice, Direction::forward);
    EXPECT_EQ(get32(other, kHeaderBytes + nops + 2), get32(usual, kHeaderBytes + 4));
    EXPECT_EQ(get32(other, kHeaderBytes + nops + 6), get32(usual, kHeaderBytes + 8));
  }
}

TEST(splice_translate, receiver_sees_no_option_that_it_did_not_agree_to) {
  const Bytes nops(10, kOptionNop);
  for (unsigned lead = 0; lead < 4; ++lead) {
    const Bytes options = joined(Bytes(lead, kOptionNop), joined(timestamps(5, 6), sack({3000, 4000})));
    const Bytes segment = segment_of({}, options);
    for (const uint8_t has : {uint8_t{0}, kSpliceTimestamps, kSpliceSack, kBoth}) {
      SCOPED_TRACE(std::to_string(lead) + " NOPs, has " + std::to_string(has));
      Splice splice = some_splice();
      splice.backend_has = has;
      splice.client_has = static_cast<uint8_t>(has ^ kBoth);
      expect_as_modelled(segment, splice);
      const Bytes out = translated(segment, splice, Direction::forward);
      const auto at = out.begin() + static_cast<long>(kHeaderBytes + lead);
      EXPECT_EQ(Bytes(at, at + 10) == nops, (has & kSpliceTimestamps) == 0);
      EXPECT_EQ(Bytes(at + 10, at + 20) == nops, (has & kSpliceSack) == 0);
    }
    // Alone and in the usual layout.
    Splice splice = some_splice();
    splice.backend_has = kSpliceSack;
    const Bytes usual = translated(segment_of({}, joined({1, 1}, timestamps(5, 6))), splice, Direction::forward);
    EXPECT_EQ(Bytes(usual.begin() + kHeaderBytes, usual.begin() + kHeaderBytes + 12), Bytes(12, kOptionNop));
  }
}

TEST(splice_translate, other_options_are_left_alone) {
  const Bytes others = {2, 4, 5, 0xb4, 3, 3, 7, 4, 2, 34, 6, 1, 2, 3, 4, 19, 18};
  const Bytes segment = segment_of({}, joined(others, Bytes(16, 0x08)));
  Splice splice = some_splice();
  for (const uint8_t has : {uint8_t{0}, kBoth}) {
    splice.backend_has = splice.client_has = has;
    expect_as_modelled(segment, splice);
    const Bytes out = translated(segment, splice, Direction::forward);
    EXPECT_EQ(Bytes(out.begin() + kHeaderBytes, out.end()), Bytes(segment.begin() + kHeaderBytes, segment.end()));
  }
}

TEST(splice_translate, nothing_beyond_a_break_is_touched) {
  const Bytes behind = joined(timestamps(5, 6), sack({3000, 4000}));
  for (const Bytes& broken : std::initializer_list<Bytes>{
           {0}, {0, 1, 1}, {8, 0}, {8, 1}, {5, 0}, {5, 1}, {2, 0}, {34, 1}, {8, 41}, {5, 255}, {254, 39}}) {
    SCOPED_TRACE(testing::PrintToString(broken));
    const Bytes segment = segment_of({}, joined(broken, behind));
    for (const uint8_t has : {uint8_t{0}, kBoth}) {
      Splice splice = some_splice();
      splice.backend_has = splice.client_has = has;
      expect_as_modelled(segment, splice);
      const Bytes out = translated(segment, splice, Direction::forward);
      EXPECT_EQ(Bytes(out.begin() + kHeaderBytes, out.end()), Bytes(segment.begin() + kHeaderBytes, segment.end()));
    }
  }
  // An option that would end in the payload.
  expect_as_modelled(segment_of({}, {1, 1, 8, 10}, Bytes(20, 9)), some_splice());
  expect_as_modelled(segment_of({}, {1, 1, 5, 10}, Bytes(20, 9)), some_splice());
  expect_as_modelled(segment_of({}, {1, 1, 1, 8}, Bytes(20, 9)), some_splice());
}

// Timestamps of another length are none; of SACK, every whole edge counts.
TEST(splice_translate, odd_lengths_are_read_like_any_other) {
  for (unsigned lead = 0; lead < 2; ++lead)
    for (const uint8_t kind : {kOptionTimestamps, kOptionSack})
      for (uint8_t bytes = 2; bytes <= 38; ++bytes) {
        Bytes option(bytes, 0xfc);
        option[0] = kind;
        option[1] = bytes;
        Splice splice = some_splice();
        expect_as_modelled(segment_of({}, joined(Bytes(lead, kOptionNop), option)), splice);
        splice.backend_has = splice.client_has = 0;
        expect_as_modelled(segment_of({}, joined(Bytes(lead, kOptionNop), option)), splice);
      }
}

// What was translated there and back is what it was.
TEST(splice_translate, mirrored_splice_undoes_it) {
  Splice mirrored = some_splice();
  mirrored.forward_seq_delta = 0u - some_splice().forward_seq_delta;
  mirrored.reverse_seq_delta = 0u - some_splice().reverse_seq_delta;
  mirrored.forward_ts_delta = 0u - some_splice().forward_ts_delta;
  mirrored.reverse_ts_delta = 0u - some_splice().reverse_ts_delta;
  const Bytes segment = segment_of({}, joined(timestamps(5, 6), sack({3000, 4000})));
  for (const Direction direction : {Direction::forward, Direction::reverse})
    EXPECT_EQ(translated(translated(segment, some_splice(), direction), mirrored, direction), segment);
}

class RandomSegments {
 public:
  Splice splice() {
    Splice splice{};
    splice.forward_seq_delta = number();
    splice.reverse_seq_delta = number();
    splice.forward_ts_delta = number();
    splice.reverse_ts_delta = number();
    splice.forward_window_shift = static_cast<int8_t>(below(29) - 14);
    splice.reverse_window_shift = static_cast<int8_t>(below(29) - 14);
    splice.client_has = below(2) != 0 ? kBoth : static_cast<uint8_t>(below(4));
    splice.backend_has = below(2) != 0 ? kBoth : static_cast<uint8_t>(below(4));
    return splice;
  }

  Bytes segment() {
    Bytes payload(below(3) == 0 ? 0 : below(64));
    for (uint8_t& byte : payload) byte = static_cast<uint8_t>(number());
    const uint8_t flags = below(2) != 0 ? kTcpAck : static_cast<uint8_t>(below(256));
    return segment_of({.seq = number(),
                       .ack = number(),
                       .flags = flags,
                       .window = static_cast<uint16_t>(number()),
                       .urgent = static_cast<uint16_t>(number())},
                      options(), payload);
  }

 private:
  unsigned below(unsigned bound) { return static_cast<unsigned>(random_() % bound); }

  // Near the ends of the number space as often as anywhere.
  uint32_t number() {
    switch (below(4)) {
      case 0:
        return below(5) - 2;
      case 1:
        return 0x8000'0000 + below(5) - 2;
      case 2:
        return below(2) != 0 ? 0xffff'0000 : 0xffff;
      default:
        return static_cast<uint32_t>(random_());
    }
  }

  Bytes option() {
    switch (below(12)) {
      case 0:
      case 1:
      case 2:
        return timestamps(number(), number());
      case 3:
      case 4:
      case 5: {
        std::vector<uint32_t> edges(2 * (1 + below(4)));
        for (uint32_t& edge : edges) edge = number();
        return sack(edges);
      }
      case 6:
        return {2, 4, static_cast<uint8_t>(number()), static_cast<uint8_t>(number())};
      case 7:
        return below(2) != 0 ? Bytes{4, 2} : Bytes{3, 3, 7};
      case 8: {
        Bytes odd(2 + below(20), static_cast<uint8_t>(number()));
        odd[0] = static_cast<uint8_t>(2 + below(40));
        odd[1] = static_cast<uint8_t>(odd.size());
        return odd;
      }
      case 9:  // breaks the list, or the next option
        return {static_cast<uint8_t>(below(10)), static_cast<uint8_t>(below(45))};
      default:
        return Bytes(1 + below(3), kOptionNop);
    }
  }

  Bytes options() {
    if (below(8) == 0) return {};
    if (below(8) == 0) return joined({1, 1}, timestamps(number(), number()));
    Bytes list;
    for (unsigned count = 1 + below(5); count != 0; --count) {
      const Bytes next = option();
      if (list.size() + next.size() <= kOptionBytesMax) list = joined(list, next);
    }
    while (list.size() % 4 != 0) list.push_back(below(4) == 0 ? static_cast<uint8_t>(below(9)) : kOptionNop);
    return list;
  }

  std::mt19937 random_{2018};
};

TEST(splice_translate, agrees_with_the_model_on_random_segments) {
  RandomSegments random;
  for (unsigned round = 0; round < 150'000; ++round) {
    const Splice splice = random.splice();
    const Bytes segment = random.segment();
    SCOPED_TRACE("round " + std::to_string(round));
    ASSERT_NO_FATAL_FAILURE(expect_as_modelled(segment, splice)) << testing::PrintToString(segment);
  }
}

}  // namespace
}  // namespace millrace
