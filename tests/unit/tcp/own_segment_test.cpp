#include "dataplane/tcp/own_segment.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <string>
#include <vector>

#include "dataplane/tcp/tcp_state.h"
#include "tests/unit/stages/wire.h"

namespace millrace {
namespace {

using wire::Bytes;
using wire::joined;

constexpr size_t kEtherBytes = 14;
constexpr uint8_t kOldByte = 0xa5;

struct Ends {
  const char* name;
  const char* src;
  const char* dst;
};
constexpr Ends kEnds[] = {{"ipv4", "203.0.113.10:80", "192.0.2.10:49152"},
                          {"ipv6", "[2001:db8:2::10]:80", "[2001:db8:1::10]:49152"}};

OwnSegment segment_of(const Ends& ends, const TcpOptions& options = {}) {
  return {.src = parse_endpoint(ends.src).value(),
          .dst = parse_endpoint(ends.dst).value(),
          .seq = 0xfffe'fdfc,
          .ack = 0x0102'0304,
          .flags = kTcpAck | kTcpPsh,
          .window = 0xfedc,
          .options = options};
}

void put32(Bytes& out, uint32_t value) {
  wire::put16(out, value >> 16);
  wire::put16(out, value & 0xffff);
}

// The packet as it should be, but for options, whose layout is the business of tcp_options_test.cpp.
Bytes expected_packet(const OwnSegment& segment, const Bytes& options, const Bytes& payload) {
  Bytes tcp;
  wire::put16(tcp, segment.src.port.host());
  wire::put16(tcp, segment.dst.port.host());
  put32(tcp, segment.seq);
  put32(tcp, segment.ack);
  wire::put16(tcp, static_cast<uint32_t>((20 + options.size()) / 4 << 12 | segment.flags));
  wire::put16(tcp, segment.window);
  put32(tcp, 0);  // checksum, urgent pointer
  tcp = joined(joined(tcp, options), payload);
  const Bytes pseudo = wire::pseudo_header(segment.src.addr, segment.dst.addr, 6, tcp.size());
  wire::set16(tcp, 16, wire::checksum(joined(pseudo, tcp)));
  return wire::ip(segment.src.addr, segment.dst.addr, 6, tcp, {.ttl = 64, .tos = 0, .id = 0, .fragment = 0x4000});
}

Bytes option_bytes(const TcpOptions& options) {
  Bytes bytes(kOptionBytesMax);
  bytes.resize(write_tcp_options(options, bytes.data()));
  return bytes;
}

// A buffer in which something else was, with room for a frame of at most `room` bytes.
wire::Frame used_buffer(size_t room) { return wire::Frame(Bytes(room, kOldByte)); }

void expect_written(const OwnSegment& segment, const Bytes& payload) {
  const Bytes options = option_bytes(segment.options);
  const Bytes packet = expected_packet(segment, options, payload);
  wire::Frame frame = used_buffer(kEtherBytes + packet.size());
  ASSERT_TRUE(write_segment(frame.mbuf(), segment, payload));
  const Bytes written = frame.bytes();
  ASSERT_EQ(written.size(), kEtherBytes + packet.size());
  EXPECT_EQ(frame.mbuf().pkt_len, written.size());
  EXPECT_EQ(wire::get16(written, 12), segment.src.addr.is_ipv4() ? 0x0800 : 0x86dd);
  EXPECT_EQ(Bytes(written.begin() + kEtherBytes, written.end()), packet);
  EXPECT_EQ(wire::wrong_checksum(written), "");
}

std::vector<TcpOptions> option_cases() {
  return {{},
          {.timestamps = true, .ts_value = 1, .ts_echo = 0xffff'ffff},
          {.mss = 1460},
          {.mss = 1460, .sack_permitted = true},
          {.mss = 1460, .window_scale = 7, .sack_permitted = true, .timestamps = true, .ts_value = 0x8000'0000}};
}

TEST(write_segment, is_the_packet_byte_by_byte) {
  for (const Ends& ends : kEnds)
    for (const TcpOptions& options : option_cases())
      for (const size_t payload_bytes : {0, 1, 2, 3, 107, 336, 1380}) {
        SCOPED_TRACE(std::string(ends.name) + ", " + std::to_string(payload_bytes) + " bytes");
        Bytes payload(payload_bytes);
        std::iota(payload.begin(), payload.end(), uint8_t{0x41});
        expect_written(segment_of(ends, options), payload);
      }
}

TEST(write_segment, writes_every_flag_as_given) {
  for (const Ends& ends : kEnds)
    for (unsigned flags = 0; flags <= 0xff; ++flags) {
      OwnSegment segment = segment_of(ends);
      segment.flags = static_cast<uint8_t>(flags);
      segment.ack = (flags & kTcpAck) != 0 ? 77 : 0;
      expect_written(segment, {});
    }
}

// Sums that carry often, and the ones that come out as either zero.
TEST(write_segment, checksums_hold_for_extreme_numbers) {
  for (const Ends& ends : kEnds)
    for (const uint32_t number : {0u, 1u, 0xffffu, 0x10000u, 0x7fff'ffffu, 0x8000'0000u, 0xffff'0000u, ~0u})
      for (uint32_t window = 0; window <= 0xffff; window += 0x0101) {
        OwnSegment segment = segment_of(ends, {.timestamps = true, .ts_value = ~number, .ts_echo = number});
        segment.seq = number;
        segment.ack = ~number;
        segment.window = static_cast<uint16_t>(window);
        expect_written(segment, Bytes(3, static_cast<uint8_t>(number)));
        ASSERT_FALSE(testing::Test::HasFailure()) << ends.name << ' ' << number << ' ' << window;
      }
}

TEST(write_segment, headers_are_within_their_bound) {
  const OwnSegment segment = segment_of(kEnds[1], option_cases().back());
  wire::Frame frame = used_buffer(kOwnHeaderBytesMax);
  ASSERT_TRUE(write_segment(frame.mbuf(), segment));
  EXPECT_LE(frame.bytes().size(), kOwnHeaderBytesMax);
}

TEST(write_segment, refuses_a_buffer_that_is_too_small) {
  for (const Ends& ends : kEnds)
    for (const Bytes& payload : {Bytes(), Bytes(5, 1)}) {
      const OwnSegment segment = segment_of(ends, option_cases().back());
      const size_t needed = kEtherBytes + expected_packet(segment, option_bytes(segment.options), payload).size();
      for (size_t room = 0; room < needed; ++room) {
        wire::Frame frame = used_buffer(room);
        EXPECT_FALSE(write_segment(frame.mbuf(), segment, payload)) << room;
        EXPECT_TRUE(frame.bytes().empty());
      }
      wire::Frame frame = used_buffer(needed);
      EXPECT_TRUE(write_segment(frame.mbuf(), segment, payload));
    }
}

// Lengths are 16 bits wide in buffers and headers.
TEST(write_segment, refuses_a_payload_that_no_packet_holds) {
  for (const Ends& ends : kEnds)
    for (const size_t payload_bytes : {65'407u, 65'500u, 65'535u, 65'536u, 70'000u, 131'072u}) {
      wire::Frame frame = used_buffer(2048);
      EXPECT_FALSE(write_segment(frame.mbuf(), segment_of(ends), Bytes(payload_bytes, 1))) << payload_bytes;
    }
}

// A received SYN becomes the answer to it: its length, offset and offload flags must not show.
TEST(write_segment, forgets_what_the_buffer_held) {
  for (const Ends& ends : kEnds) {
    const OwnSegment segment = segment_of(ends, option_cases().back());
    const Bytes packet = expected_packet(segment, option_bytes(segment.options), {});
    for (const size_t old_bytes : {0, 60, 74, 1514}) {
      wire::Frame frame(Bytes(old_bytes, kOldByte), RTE_PKTMBUF_HEADROOM + 17, 1600 - old_bytes);
      rte_mbuf& mbuf = frame.mbuf();
      mbuf.ol_flags = RTE_MBUF_F_RX_L4_CKSUM_BAD | RTE_MBUF_F_RX_VLAN_STRIPPED | RTE_MBUF_F_TX_IP_CKSUM;
      mbuf.vlan_tci = 5;
      mbuf.packet_type = RTE_PTYPE_L4_UDP;
      mbuf.tx_offload = ~uint64_t{0};
      ASSERT_TRUE(write_segment(mbuf, segment));
      const Bytes written = frame.bytes();
      EXPECT_EQ(Bytes(written.begin() + kEtherBytes, written.end()), packet);
      EXPECT_EQ(mbuf.data_off, RTE_PKTMBUF_HEADROOM);
      EXPECT_EQ(mbuf.nb_segs, 1);
      EXPECT_EQ(mbuf.ol_flags, 0u);
      EXPECT_EQ(mbuf.vlan_tci, 0);
      EXPECT_EQ(mbuf.packet_type, 0u);
      EXPECT_EQ(mbuf.tx_offload, 0u);
    }
  }
}

TEST(write_segment, touches_nothing_behind_the_frame) {
  for (const Ends& ends : kEnds) {
    wire::Frame frame = used_buffer(1514);
    ASSERT_TRUE(write_segment(frame.mbuf(), segment_of(ends)));
    const auto* memory = static_cast<const uint8_t*>(frame.mbuf().buf_addr);
    const uint8_t* end = memory + frame.mbuf().data_off + frame.mbuf().data_len;
    EXPECT_TRUE(std::all_of(end, memory + frame.mbuf().buf_len, [](uint8_t byte) { return byte == kOldByte; }));
  }
}

}  // namespace
}  // namespace millrace
