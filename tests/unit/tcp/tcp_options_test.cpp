#include "dataplane/tcp/tcp_options.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "tests/unit/stages/wire.h"

namespace millrace {
namespace {

using wire::Bytes;
using wire::joined;

const Bytes kMssBytes = {2, 4, 0x05, 0xb4};
const Bytes kScaleBytes = {3, 3, 7};
const Bytes kSackPermittedBytes = {4, 2};
const Bytes kTimestampBytes = {8, 10, 0x80, 1, 2, 3, 0xff, 0xfe, 0xfd, 0xfc};
constexpr TcpOptions kAll{.mss = 1460,
                          .window_scale = 7,
                          .sack_permitted = true,
                          .timestamps = true,
                          .ts_value = 0x8001'0203,
                          .ts_echo = 0xfffe'fdfc};

void expect_equal(const TcpOptions& got, const TcpOptions& wanted) {
  EXPECT_EQ(got.mss, wanted.mss);
  EXPECT_EQ(got.window_scale, wanted.window_scale);
  EXPECT_EQ(got.sack_permitted, wanted.sack_permitted);
  EXPECT_EQ(got.timestamps, wanted.timestamps);
  EXPECT_EQ(got.ts_value, wanted.ts_value);
  EXPECT_EQ(got.ts_echo, wanted.ts_echo);
}

Bytes padded(Bytes options, uint8_t with = kOptionNop) {
  while (options.size() % 4 != 0) options.push_back(with);
  return options;
}

// Memory of exactly the size, so that AddressSanitizer sees the first byte read behind it.
std::unique_ptr<uint8_t[]> exact(const Bytes& bytes) {
  std::unique_ptr<uint8_t[]> memory(new uint8_t[bytes.size()]);
  std::copy(bytes.begin(), bytes.end(), memory.get());
  return memory;
}

// `behind` is payload. The options fill whole words.
TcpOptions read(const Bytes& options, const Bytes& behind = {}) {
  EXPECT_EQ(options.size() % 4, 0u);
  EXPECT_LE(options.size(), kOptionBytesMax);
  Bytes header(sizeof(rte_tcp_hdr), 0xee);
  header[12] = static_cast<uint8_t>((sizeof(rte_tcp_hdr) + options.size()) / 4 << 4);
  const auto memory = exact(joined(joined(header, options), behind));
  const auto& tcp = *reinterpret_cast<const rte_tcp_hdr*>(memory.get());
  EXPECT_EQ(tcp_header_bytes(tcp), sizeof tcp + options.size());
  return read_tcp_options(tcp);
}

uint32_t word(const Bytes& bytes, size_t at) {
  return uint32_t{wire::get16(bytes, at)} << 16 | wire::get16(bytes, at + 2);
}

// What RFC 9293 section 3.2 makes of a list, step by step over an index.
struct Found {
  TcpOptions options;
  std::vector<size_t> places;
};
Found read_slowly(const Bytes& list) {
  Found found;
  for (size_t at = 0; at < list.size();) {
    const uint8_t kind = list[at];
    if (kind == 0) break;
    if (kind == 1) {
      ++at;
      continue;
    }
    if (at + 1 == list.size()) break;
    const uint8_t bytes = list[at + 1];
    if (bytes < 2 || at + bytes > list.size()) break;
    found.places.push_back(at);
    if (kind == 2 && bytes == 4) found.options.mss = wire::get16(list, at + 2);
    if (kind == 3 && bytes == 3) found.options.window_scale = list[at + 2] > 14 ? 14 : list[at + 2];
    if (kind == 4 && bytes == 2) found.options.sack_permitted = true;
    if (kind == 8 && bytes == 10) {
      found.options.timestamps = true;
      found.options.ts_value = word(list, at + 2);
      found.options.ts_echo = word(list, at + 6);
    }
    at += bytes;
  }
  return found;
}

std::vector<size_t> walk(const Bytes& list) {
  const auto memory = exact(list);
  TcpOptionWalk walk(memory.get(), list.size());
  std::vector<size_t> places;
  while (walk.next()) {
    EXPECT_GE(walk.bytes(), 2u);
    EXPECT_EQ(walk.bytes(), walk.option()[1]);
    places.push_back(static_cast<size_t>(walk.option() - memory.get()));
  }
  EXPECT_FALSE(walk.next()) << "the end stays the end";
  return places;
}

TEST(read_tcp_options, finds_nothing_in_a_bare_header) {
  expect_equal(read({}), {});
  expect_equal(read({}, padded(kTimestampBytes)), {});
}

TEST(read_tcp_options, finds_each_option_alone) {
  expect_equal(read(kMssBytes), {.mss = 1460});
  expect_equal(read(padded(kScaleBytes)), {.window_scale = 7});
  expect_equal(read(padded(kSackPermittedBytes)), {.sack_permitted = true});
  expect_equal(read(padded(kTimestampBytes)), {.timestamps = true, .ts_value = kAll.ts_value, .ts_echo = kAll.ts_echo});
}

TEST(read_tcp_options, order_and_nops_between_do_not_matter) {
  std::array<const Bytes*, 4> order = {&kMssBytes, &kScaleBytes, &kSackPermittedBytes, &kTimestampBytes};
  std::sort(order.begin(), order.end());
  do {
    for (unsigned nops = 0; nops < 1u << (2 * order.size()); ++nops) {
      Bytes list;
      for (size_t i = 0; i < order.size(); ++i)
        list = joined(joined(list, Bytes(nops >> (2 * i) & 3, kOptionNop)), *order[i]);
      expect_equal(read(padded(list)), kAll);
      expect_equal(read(padded(list, kOptionEnd)), kAll);
    }
  } while (std::next_permutation(order.begin(), order.end()));
}

TEST(read_tcp_options, end_of_list_ends_it) {
  expect_equal(read(joined({0, 1, 1, 1}, kMssBytes)), {});
  expect_equal(read(joined({4, 2, 1, 0}, kMssBytes)), {.sack_permitted = true});
}

TEST(read_tcp_options, option_in_the_last_word_counts_and_what_follows_the_header_does_not) {
  for (size_t words = 1; words <= kOptionBytesMax / 4; ++words) {
    const Bytes list = joined(Bytes(4 * words - 4, kOptionNop), kMssBytes);
    expect_equal(read(list, {2, 4, 1, 1, 4, 2, 3, 3, 9}), {.mss = 1460});
  }
}

// A list of the full forty bytes, cut by the data offset at every word.
TEST(read_tcp_options, counts_up_to_where_the_list_breaks_off) {
  Bytes list = joined(joined(joined(kTimestampBytes, kScaleBytes), kSackPermittedBytes), {5, 18});
  list = joined(joined(list, Bytes(16, 0x04)), {2, 4, 2, 2});
  list.resize(kOptionBytesMax, kOptionNop);
  for (size_t bytes = 0; bytes <= list.size(); bytes += 4) {
    SCOPED_TRACE(bytes);
    TcpOptions wanted;
    if (bytes >= 10) wanted = {.timestamps = true, .ts_value = kAll.ts_value, .ts_echo = kAll.ts_echo};
    if (bytes >= 13) wanted.window_scale = 7;
    if (bytes >= 15) wanted.sack_permitted = true;
    if (bytes >= 37) wanted.mss = 0x0202;
    expect_equal(read(wire::first(list, bytes), Bytes(40, 2)), wanted);
  }
}

TEST(read_tcp_options, impossible_length_ends_the_list) {
  for (const uint8_t kind : {2, 3, 4, 5, 8, 19, 34, 254})
    for (const uint8_t length : {0, 1, 11, 12, 40, 255}) {
      SCOPED_TRACE(std::to_string(kind) + " of length " + std::to_string(length));
      const Bytes list = {4, 2, kind, length, 3, 3, 7, 2, 4, 5, 0xb4, 1};  // ten bytes from the kind on
      expect_equal(read(list, Bytes(255, 4)), {.sack_permitted = true});
    }
}

TEST(read_tcp_options, kind_alone_in_the_last_byte_is_not_read) {
  for (const uint8_t kind : {2, 3, 4, 5, 8, 34}) {
    expect_equal(read({1, 1, 1, kind}), {});
    expect_equal(read({1, 4, 2, kind}), {.sack_permitted = true});
  }
}

TEST(read_tcp_options, known_kind_of_another_length_is_passed_over) {
  for (const auto& [kind, right] : std::initializer_list<std::pair<uint8_t, uint8_t>>{{2, 4}, {3, 3}, {4, 2}, {8, 10}})
    for (uint8_t length = 2; length <= 36; ++length) {
      if (length == right) continue;
      SCOPED_TRACE(std::to_string(kind) + " of length " + std::to_string(length));
      Bytes other(length, 6);
      other[0] = kind;
      other[1] = length;
      if (kind == kOptionMss)
        expect_equal(read(padded(joined(other, kScaleBytes))), {.window_scale = 7});
      else
        expect_equal(read(padded(joined(other, kMssBytes))), {.mss = 1460});
    }
}

TEST(read_tcp_options, unknown_kinds_are_passed_over) {
  for (unsigned kind = 5; kind <= 255; ++kind) {
    if (kind == kOptionTimestamps) continue;
    for (const uint8_t length : {2, 3, 10, 18, 22}) {  // 34 is Fast Open, of 2 to 18 bytes; 19 is MD5, of 18
      Bytes unknown(length, 0);
      unknown[0] = static_cast<uint8_t>(kind);
      unknown[1] = length;
      const Bytes known = joined(kSackPermittedBytes, kTimestampBytes);
      expect_equal(read(padded(joined(joined(kMssBytes, unknown), known))), {.mss = 1460,
                                                                             .sack_permitted = true,
                                                                             .timestamps = true,
                                                                             .ts_value = kAll.ts_value,
                                                                             .ts_echo = kAll.ts_echo});
    }
  }
}

TEST(read_tcp_options, last_of_two_counts) {
  expect_equal(read(joined({2, 4, 1, 1}, kMssBytes)), {.mss = 1460});
  expect_equal(read(padded(joined({3, 3, 14}, kScaleBytes))), {.window_scale = 7});
  const Bytes other = {8, 10, 1, 1, 1, 1, 1, 1, 1, 1};
  expect_equal(read(padded(joined(other, kTimestampBytes))),
               {.timestamps = true, .ts_value = kAll.ts_value, .ts_echo = kAll.ts_echo});
}

TEST(read_tcp_options, window_scale_is_at_most_14) {
  for (unsigned scale = 0; scale <= 255; ++scale)
    expect_equal(read({1, 3, 3, static_cast<uint8_t>(scale)}),
                 {.window_scale = static_cast<uint8_t>(std::min(scale, 14u))});
}

// Bytes that mean something more often than not, in every length.
TEST(read_tcp_options, agrees_with_a_slow_reader_on_random_lists) {
  std::mt19937 random(7);
  const auto below = [&](unsigned bound) { return static_cast<unsigned>(random() % bound); };
  constexpr uint8_t kTelling[] = {0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 8, 8, 10, 18, 34};
  for (unsigned round = 0; round < 100'000; ++round) {
    Bytes list(below(kOptionBytesMax + 1));
    for (uint8_t& byte : list)
      byte = below(8) == 0 ? static_cast<uint8_t>(random()) : kTelling[below(std::size(kTelling))];
    ASSERT_EQ(walk(list), read_slowly(list).places) << "round " << round;
    const Bytes words = wire::first(list, list.size() / 4 * 4);
    expect_equal(read(words), read_slowly(words).options);
    ASSERT_FALSE(testing::Test::HasFailure()) << "round " << round;
  }
}

TEST(mss_of, is_what_was_said_or_what_every_host_takes) {
  EXPECT_EQ(mss_of({}, Family::ipv4), 536);
  EXPECT_EQ(mss_of({}, Family::ipv6), 1220);
  for (const Family family : {Family::ipv4, Family::ipv6}) {
    EXPECT_EQ(mss_of({.mss = 8960}, family), 8960);
    EXPECT_EQ(mss_of({.mss = 216}, family), 216);
    EXPECT_EQ(mss_of({.mss = 1}, family), 216);
  }
}

TEST(TcpOptionWalk, stops_in_every_place_where_a_list_may_be_cut) {
  const Bytes list = joined(joined(joined(kMssBytes, {1}), kTimestampBytes), {1, 4, 2});
  for (size_t bytes = 0; bytes <= list.size(); ++bytes) {
    std::vector<size_t> wanted;
    if (bytes >= 4) wanted.push_back(0);
    if (bytes >= 15) wanted.push_back(5);
    if (bytes >= 18) wanted.push_back(16);
    EXPECT_EQ(walk(wire::first(list, bytes)), wanted) << bytes;
  }
}

Bytes write(const TcpOptions& options) {
  constexpr uint8_t kUntouched = 0xa5;
  std::array<uint8_t, kOptionBytesMax> memory;
  memory.fill(kUntouched);
  const size_t bytes = write_tcp_options(options, memory.data());
  EXPECT_LE(bytes, kOptionBytesMax);
  EXPECT_EQ(bytes % 4, 0u);
  EXPECT_TRUE(
      std::all_of(memory.begin() + static_cast<long>(bytes), memory.end(), [](uint8_t b) { return b == kUntouched; }));
  return {memory.begin(), memory.begin() + static_cast<long>(bytes)};
}

TEST(write_tcp_options, writes_nothing_for_nothing) { EXPECT_EQ(write({}), Bytes()); }

TEST(write_tcp_options, lays_them_out_as_linux_does) {
  EXPECT_EQ(write(kAll), (Bytes{2, 4, 0x05, 0xb4, 4, 2, 8, 10, 0x80, 1, 2, 3, 0xff, 0xfe, 0xfd, 0xfc, 1, 3, 3, 7}));
  EXPECT_EQ(write({.timestamps = true, .ts_value = 1, .ts_echo = 0x0203'0405}),
            (Bytes{1, 1, 8, 10, 0, 0, 0, 1, 2, 3, 4, 5}));
  EXPECT_EQ(write({.mss = 1460, .window_scale = 0, .sack_permitted = true}),
            (Bytes{2, 4, 0x05, 0xb4, 1, 1, 4, 2, 1, 3, 3, 0}));
  EXPECT_EQ(write({.mss = 0xffff}), (Bytes{2, 4, 0xff, 0xff}));
  EXPECT_EQ(write({.window_scale = 14}), (Bytes{1, 3, 3, 14}));
  EXPECT_EQ(write({.sack_permitted = true}), (Bytes{1, 1, 4, 2}));
}

TEST(write_tcp_options, is_read_as_it_was_meant) {
  for (const uint16_t mss : {0, 1, 255, 256, 536, 1460, 0xffff})
    for (unsigned scale = 0; scale <= kWindowScaleMax + 1u; ++scale)
      for (const bool sack_permitted : {false, true}) {
        TcpOptions options{.mss = mss, .sack_permitted = sack_permitted};
        if (scale <= kWindowScaleMax) options.window_scale = static_cast<uint8_t>(scale);
        expect_equal(read(write(options)), options);
        options.timestamps = true;
        for (const uint32_t value : {0u, 1u, 0x0102'0304u, 0x8000'0000u, ~0u}) {
          options.ts_value = value;
          options.ts_echo = ~value;
          expect_equal(read(write(options)), options);
        }
      }
}

}  // namespace
}  // namespace millrace
