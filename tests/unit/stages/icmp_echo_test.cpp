#include "dataplane/stages/icmp_echo.h"

#include <gtest/gtest.h>

#include <random>

#include "dataplane/stages/icmp_packet.h"
#include "tests/unit/stages/wire.h"

namespace millrace {
namespace {

using wire::addr;
using wire::Bytes;

constexpr MacAddr kOwn{{0x02, 0xaa, 0, 0, 0, 0x01}};
constexpr MacAddr kAsker{{0x02, 0xbb, 0, 0, 0, 0x02}};
const IpAddr kAsker4 = addr("192.0.2.1");
const IpAddr kVip4 = addr("203.0.113.10");
const IpAddr kAsker6 = addr("2001:db8::1");
const IpAddr kVip6 = addr("2001:db8::10");
constexpr uint32_t kIdAndSequence = 0x12340001;

Bytes request(bool ipv4, const Bytes& payload, const wire::IpSettings& settings = {}) {
  const IpAddr& src = ipv4 ? kAsker4 : kAsker6;
  const IpAddr& dst = ipv4 ? kVip4 : kVip6;
  const Bytes message = wire::icmp(src, dst, ipv4 ? 8 : 128, 0, kIdAndSequence, payload);
  return wire::ether(kOwn, kAsker, wire::ip(src, dst, ipv4 ? 1 : 58, message, settings));
}
Bytes reply(bool ipv4, const Bytes& payload, wire::IpSettings settings = {}) {
  const IpAddr& src = ipv4 ? kVip4 : kVip6;
  const IpAddr& dst = ipv4 ? kAsker4 : kAsker6;
  settings.ttl = 64;
  settings.options = {};
  const Bytes message = wire::icmp(src, dst, ipv4 ? 0 : 129, 0, kIdAndSequence, payload);
  return wire::ether(kAsker, kOwn, wire::ip(src, dst, ipv4 ? 1 : 58, message, settings));
}

std::optional<DropReason> refusal(const Bytes& bytes) {
  wire::Frame frame(bytes);
  const auto refused = answer_echo(frame.mbuf());
  if (refused) {
    EXPECT_EQ(bytes, frame.bytes()) << "a refused frame must stay as it is";
  }
  return refused;
}

TEST(Echo_answer, every_payload_size_and_ttl) {
  for (const bool ipv4 : {true, false})
    for (size_t bytes = 0; bytes < 200; ++bytes) {
      Bytes payload(bytes);
      for (size_t i = 0; i < bytes; ++i) payload[i] = static_cast<uint8_t>(i * 37 + bytes);
      wire::IpSettings settings;
      settings.ttl = static_cast<uint8_t>(1 + bytes);
      settings.tos = 0x10;
      wire::Frame frame(request(ipv4, payload, settings));
      ASSERT_EQ(std::nullopt, answer_echo(frame.mbuf()));
      ASSERT_EQ(reply(ipv4, payload, settings), frame.bytes()) << bytes;
      ASSERT_EQ("", wire::wrong_checksum(frame.bytes()));
    }
}

TEST(Echo_answer, checksum_corners) {
  // Two payload bytes that bring the request's, then the reply's checksum to 0x0000.
  for (const bool ipv4 : {true, false})
    for (const bool of_reply : {true, false}) {
      const Bytes probe = of_reply ? reply(ipv4, {0, 0}) : request(ipv4, {0, 0});
      Bytes payload;
      wire::put16(payload, wire::get16(probe, ipv4 ? 36 : 56));
      ASSERT_EQ(0, wire::get16(of_reply ? reply(ipv4, payload) : request(ipv4, payload), ipv4 ? 36 : 56));
      wire::Frame frame(request(ipv4, payload));
      ASSERT_EQ(std::nullopt, answer_echo(frame.mbuf()));
      EXPECT_EQ(reply(ipv4, payload), frame.bytes());
    }
}

TEST(Echo_answer, ethernet_padding_stays_behind) {
  Bytes padded = request(true, {1, 2, 3});
  padded.resize(60, 0xee);
  Bytes want = reply(true, {1, 2, 3});
  want.resize(60, 0xee);
  wire::Frame frame(padded);
  ASSERT_EQ(std::nullopt, answer_echo(frame.mbuf()));
  EXPECT_EQ(want, frame.bytes());
}

TEST(Echo_answer, options_are_left_out) {
  for (size_t option_bytes = 4; option_bytes <= 40; option_bytes += 4) {
    wire::IpSettings settings;
    settings.options.assign(option_bytes, 1);  // no-operation
    wire::Frame frame(request(true, {5, 6, 7, 8}, settings));
    ASSERT_EQ(std::nullopt, answer_echo(frame.mbuf()));
    EXPECT_EQ(reply(true, {5, 6, 7, 8}, settings), frame.bytes());
  }
}

TEST(Echo_answer, only_requests) {
  for (unsigned type = 0; type < 256; ++type) {
    for (const bool ipv4 : {true, false}) {
      const IpAddr& src = ipv4 ? kAsker4 : kAsker6;
      const IpAddr& dst = ipv4 ? kVip4 : kVip6;
      const Bytes message = wire::icmp(src, dst, static_cast<uint8_t>(type), 0, 1, {});
      const auto refused = refusal(wire::ether(kOwn, kAsker, wire::ip(src, dst, ipv4 ? 1 : 58, message)));
      if (type == (ipv4 ? 8u : 128u))
        EXPECT_EQ(std::nullopt, refused);
      else
        EXPECT_EQ(DropReason::icmp_unsupported, refused) << type;
    }
  }
}

TEST(Echo_answer, other_protocols_and_ethertypes_are_refused) {
  const Bytes message = wire::icmp(kAsker4, kVip4, 8, 0, 1, {});
  EXPECT_EQ(DropReason::icmp_unsupported, refusal(wire::ether(kOwn, kAsker, wire::ip(kAsker4, kVip4, 58, message))));
  EXPECT_EQ(DropReason::icmp_unsupported, refusal(wire::ether(kOwn, kAsker, wire::ip(kAsker6, kVip6, 1, message))));
  EXPECT_EQ(DropReason::icmp_unsupported, refusal(wire::ether(kOwn, kAsker, 0x0806, message)));
}

TEST(Echo_answer, every_cut_is_refused) {
  for (const bool ipv4 : {true, false}) {
    const Bytes whole = request(ipv4, {1, 2, 3, 4});
    const size_t ip_bytes = ipv4 ? 20 : 40;
    for (size_t bytes = 0; bytes < whole.size(); ++bytes) {
      const DropReason want = bytes < 14              ? DropReason::short_l2
                              : bytes < 14 + ip_bytes ? DropReason::short_l3
                                                      : DropReason::bad_ip_length;
      EXPECT_EQ(want, refusal(wire::first(whole, bytes))) << bytes;
    }
  }
}

TEST(Echo_answer, lengths_that_lie_are_refused) {
  const Bytes whole4 = request(true, {1, 2, 3, 4});
  for (const auto& [total, want] : {std::pair{0, DropReason::bad_ihl},
                                    {19, DropReason::bad_ihl},
                                    {20, DropReason::short_l4},
                                    {27, DropReason::short_l4},
                                    {28, DropReason::bad_l4_checksum},
                                    {33, DropReason::bad_ip_length},
                                    {0xffff, DropReason::bad_ip_length}}) {
    Bytes lie = whole4;
    wire::set16(lie, 16, static_cast<uint32_t>(total));
    EXPECT_EQ(want, refusal(lie)) << total;
  }
  for (unsigned ihl = 0; ihl < 16; ++ihl) {
    Bytes lie = whole4;
    lie[14] = static_cast<uint8_t>(0x40 | ihl);
    const auto refused = refusal(lie);
    EXPECT_EQ(ihl != 5, refused.has_value()) << ihl;
    if (ihl < 5 || ihl > 8) {
      EXPECT_EQ(DropReason::bad_ihl, refused) << ihl;
    }
  }
  const Bytes whole6 = request(false, {1, 2, 3, 4});
  for (const auto& [payload, want] : {std::pair{0, DropReason::short_l4},
                                      {7, DropReason::short_l4},
                                      {11, DropReason::bad_l4_checksum},
                                      {13, DropReason::bad_ip_length},
                                      {0xffff, DropReason::bad_ip_length}}) {
    Bytes lie = whole6;
    wire::set16(lie, 18, static_cast<uint32_t>(payload));
    EXPECT_EQ(want, refusal(lie)) << payload;
  }
}

TEST(Echo_answer, wrong_version_fragment_and_checksum_are_refused) {
  Bytes version4 = request(true, {});
  version4[14] = 0x65;
  EXPECT_EQ(DropReason::bad_ip_version, refusal(version4));
  Bytes version6 = request(false, {});
  version6[14] = 0x40;
  EXPECT_EQ(DropReason::bad_ip_version, refusal(version6));
  for (const uint16_t fragment : {0x2000, 0x0001, 0x1fff}) {
    wire::IpSettings settings;
    settings.fragment = fragment;
    EXPECT_EQ(DropReason::fragment, refusal(request(true, {}, settings)));
  }
  EXPECT_EQ(DropReason::fragment,
            refusal(wire::ether(kOwn, kAsker,
                                wire::ip(kAsker6, kVip6, 44, {58, 0, 0, 1, 0, 0, 0, 1, 128, 0, 0, 0, 0, 0, 0, 0}))));
  for (const bool ipv4 : {true, false}) {
    Bytes wrong = request(ipv4, {1, 2, 3});
    wrong.back() ^= 1;
    EXPECT_EQ(DropReason::bad_l4_checksum, refusal(wrong));
  }
}

TEST(Echo_answer, random_damage_never_yields_a_wrong_reply) {
  std::mt19937 random(3);
  for (unsigned round = 0; round < 50'000; ++round) {
    wire::IpSettings settings;
    settings.options.assign(random() % 4 * 4, 1);
    Bytes bytes = request(random() & 1, Bytes(random() % 40, 0x5a), settings);
    for (unsigned i = random() % 3; i > 0; --i) bytes[random() % bytes.size()] = static_cast<uint8_t>(random());
    if (random() % 4 == 0) bytes.resize(random() % (bytes.size() + 1));
    wire::Frame frame(bytes);
    if (!answer_echo(frame.mbuf())) {
      ASSERT_EQ("", wire::wrong_checksum(frame.bytes())) << "round " << round;
    } else {
      ASSERT_EQ(bytes, frame.bytes());
    }
  }
}

}  // namespace
}  // namespace millrace
