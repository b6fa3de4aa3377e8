#include "dataplane/tcp/mss_clamp.h"

#include <gtest/gtest.h>

#include "tests/unit/stages/wire.h"

namespace millrace {
namespace {

using wire::Bytes;

const wire::Flow kFlow{wire::addr("192.0.2.10"), wire::addr("203.0.113.10"), 40000, 80};

// A SYN with these options, checksum and all; they fill whole words.
Bytes syn(const Bytes& options) {
  Bytes segment = wire::joined(wire::tcp(kFlow, 0x02, {}), options);
  segment[12] = static_cast<uint8_t>(segment.size() / 4 << 4);
  wire::set16(segment, 16, 0);
  wire::set16(segment, 16,
              wire::checksum(wire::joined(wire::pseudo_header(kFlow.src, kFlow.dst, 6, segment.size()), segment)));
  return segment;
}

Bytes clamped(Bytes segment, uint16_t mss_max, bool changes = true) {
  EXPECT_EQ(clamp_mss(*reinterpret_cast<rte_tcp_hdr*>(segment.data()), mss_max), changes);
  return segment;
}

TEST(clamp_mss, lowers_what_is_too_much) {
  EXPECT_EQ(clamped(syn({2, 4, 0x05, 0xb4}), 1420), syn({2, 4, 0x05, 0x8c}));
  EXPECT_EQ(clamped(syn({1, 1, 4, 2, 2, 4, 0xff, 0xff}), 536), syn({1, 1, 4, 2, 2, 4, 0x02, 0x18}));
}

TEST(clamp_mss, at_an_odd_place_too) {
  EXPECT_EQ(clamped(syn({1, 2, 4, 0x05, 0xb4, 1, 1, 1}), 1420), syn({1, 2, 4, 0x05, 0x8c, 1, 1, 1}));
  EXPECT_EQ(clamped(syn({1, 3, 3, 7, 1, 2, 4, 0xff, 0xff, 1, 1, 0}), 1), syn({1, 3, 3, 7, 1, 2, 4, 0, 1, 1, 1, 0}));
}

TEST(clamp_mss, leaves_what_fits_and_what_says_nothing) {
  for (const Bytes& options : {Bytes{2, 4, 0x05, 0x8c}, Bytes{2, 4, 0x02, 0x18}, Bytes{}, Bytes{1, 1, 4, 2},
                               Bytes{0, 2, 4, 0xff}, Bytes{2, 3, 0xff, 1}, Bytes{2, 8, 0xff, 0xff}})
    EXPECT_EQ(clamped(syn(options), 1420, false), syn(options));
}

}  // namespace
}  // namespace millrace
