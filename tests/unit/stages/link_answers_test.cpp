#include "dataplane/stages/link_answers.h"

#include <gtest/gtest.h>

#include <random>

#include "tests/unit/stages/wire.h"

namespace millrace {
namespace {

using wire::addr;
using wire::Bytes;

constexpr MacAddr kOwn{{0x02, 0xaa, 0, 0, 0, 0x01}};
constexpr MacAddr kAsker{{0x02, 0xbb, 0, 0, 0, 0x02}};
constexpr MacAddr kBroadcast{{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};
constexpr MacAddr kAllNodes{{0x33, 0x33, 0, 0, 0, 0x01}};

Bytes mac_bytes(const MacAddr& mac) { return {mac.bytes.begin(), mac.bytes.end()}; }

Bytes arp(uint16_t operation, const MacAddr& sender_mac, const char* sender, const MacAddr& target_mac,
          const char* target) {
  Bytes out;
  wire::put16(out, 1);
  wire::put16(out, 0x0800);
  out.push_back(6);
  out.push_back(4);
  wire::put16(out, operation);
  out = wire::joined(wire::joined(out, mac_bytes(sender_mac)), wire::address(addr(sender)));
  return wire::joined(wire::joined(out, mac_bytes(target_mac)), wire::address(addr(target)));
}
Bytes arp_question(const char* sender = "192.0.2.1", const char* target = "192.0.2.10") {
  return wire::ether(kBroadcast, kAsker, 0x0806, arp(1, kAsker, sender, {}, target));
}

LinkQuestion ask_arp(const Bytes& frame_bytes, IpAddr& target) {
  wire::Frame frame(frame_bytes);
  return read_arp(frame.mbuf(), target);
}
LinkQuestion ask_arp(const Bytes& frame_bytes) {
  IpAddr target;
  return ask_arp(frame_bytes, target);
}

struct Solicitation {
  IpAddr src = addr("fe80::1");
  IpAddr dst = addr("ff02::1:ff00:10");
  IpAddr target = addr("2001:db8::10");
  uint8_t hop_limit = 255;
  uint8_t type = 135;
  uint8_t code = 0;
  Bytes options = wire::joined({1, 1}, mac_bytes(kAsker));

  Bytes frame() const {
    const Bytes target_bytes(target.bytes.begin(), target.bytes.end());
    const Bytes message = wire::icmp(src, dst, type, code, 0, wire::joined(target_bytes, options));
    wire::IpSettings settings;
    settings.ttl = hop_limit;
    const MacAddr to = dst.is_multicast() ? MacAddr{{0x33, 0x33, 0xff, 0, 0, 0x10}} : kOwn;
    return wire::ether(to, kAsker, wire::ip(src, dst, 58, message, settings));
  }
};

LinkQuestion ask_nd(const Bytes& frame_bytes, IpAddr& target) {
  wire::Frame frame(frame_bytes);
  return read_solicitation(frame.mbuf(), target);
}
LinkQuestion ask_nd(const Bytes& frame_bytes) {
  IpAddr target;
  return ask_nd(frame_bytes, target);
}

Bytes advertisement(const char* dst, const MacAddr& to, uint32_t flags, const char* target) {
  const IpAddr src = addr(target);
  const Bytes body = wire::joined(wire::joined(wire::address(src), {2, 1}), mac_bytes(kOwn));
  wire::IpSettings settings;
  settings.ttl = 255;
  return wire::ether(to, kOwn,
                     wire::ip(src, addr(dst), 58, wire::icmp(src, addr(dst), 136, 0, flags << 24, body), settings));
}

TEST(Link_read_arp, question_names_its_target) {
  IpAddr target;
  EXPECT_EQ(LinkQuestion::asks, ask_arp(arp_question(), target));
  EXPECT_EQ(addr("192.0.2.10"), target);
}

TEST(Link_read_arp, probe_with_unspecified_sender_asks) {
  EXPECT_EQ(LinkQuestion::asks, ask_arp(arp_question("0.0.0.0")));
}

TEST(Link_read_arp, padding_behind_it_is_ignored) {
  Bytes padded = arp_question();
  padded.resize(60);
  EXPECT_EQ(LinkQuestion::asks, ask_arp(padded));
}

TEST(Link_read_arp, replies_and_announcements_are_the_kernels) {
  EXPECT_EQ(LinkQuestion::other,
            ask_arp(wire::ether(kOwn, kAsker, 0x0806, arp(2, kAsker, "192.0.2.1", kOwn, "192.0.2.10"))));
  EXPECT_EQ(LinkQuestion::other, ask_arp(arp_question("192.0.2.10", "192.0.2.10")));
  EXPECT_EQ(LinkQuestion::other,
            ask_arp(wire::ether(kBroadcast, kAsker, 0x0806, arp(8, kAsker, "192.0.2.1", {}, "192.0.2.10"))));
}

TEST(Link_read_arp, every_cut_is_malformed) {
  const Bytes whole = arp_question();
  for (size_t bytes = 0; bytes < whole.size(); ++bytes)
    EXPECT_EQ(LinkQuestion::malformed, ask_arp(wire::first(whole, bytes))) << bytes;
}

TEST(Link_read_arp, impossible_fields_are_malformed) {
  const struct {
    const char* what;
    size_t at;
    uint8_t value;
  } cases[] = {{"hardware type", 15, 6},     {"protocol type", 16, 0x86}, {"hardware length", 18, 8},
               {"protocol length", 19, 16},  {"operation 0", 21, 0},      {"group sender MAC", 22, 0x03},
               {"multicast sender", 28, 224}};
  for (const auto& c : cases) {
    Bytes frame = arp_question();
    frame[c.at] = c.value;
    EXPECT_EQ(LinkQuestion::malformed, ask_arp(frame)) << c.what;
  }
  EXPECT_EQ(LinkQuestion::malformed, ask_arp(arp_question("255.255.255.255")));
  EXPECT_EQ(LinkQuestion::malformed,
            ask_arp(wire::ether(kBroadcast, kAsker, 0x0806, arp(1, {}, "192.0.2.1", {}, "192.0.2.10"))));
}

TEST(Link_answer_arp, gives_our_mac_to_the_sender) {
  for (const char* sender : {"192.0.2.1", "0.0.0.0"}) {
    wire::Frame frame(arp_question(sender));
    answer_arp(frame.mbuf(), kOwn);
    EXPECT_EQ(wire::ether(kAsker, kOwn, 0x0806, arp(2, kOwn, "192.0.2.10", kAsker, sender)), frame.bytes());
  }
}

TEST(Link_read_solicitation, multicast_unicast_and_dad_ask) {
  IpAddr target;
  EXPECT_EQ(LinkQuestion::asks, ask_nd(Solicitation{}.frame(), target));
  EXPECT_EQ(addr("2001:db8::10"), target);
  EXPECT_EQ(LinkQuestion::asks, ask_nd(Solicitation{.dst = addr("2001:db8::10")}.frame()));
  EXPECT_EQ(LinkQuestion::asks, ask_nd(Solicitation{.src = addr("::"), .options = {}}.frame()));
  // A nonce (RFC 7527) and options that nobody knows are walked over.
  EXPECT_EQ(LinkQuestion::asks, ask_nd(Solicitation{.src = addr("::"), .options = {14, 1, 1, 2, 3, 4, 5, 6}}.frame()));
  Bytes long_option(255 * 8);
  long_option[0] = 200;
  long_option[1] = 255;
  EXPECT_EQ(LinkQuestion::asks, ask_nd(Solicitation{.options = long_option}.frame()));
}

TEST(Link_read_solicitation, advertisements_and_other_icmp_are_no_question) {
  EXPECT_EQ(LinkQuestion::other, ask_nd(Solicitation{.type = 136}.frame()));
  EXPECT_EQ(LinkQuestion::other, ask_nd(Solicitation{.type = 134}.frame()));
  EXPECT_EQ(LinkQuestion::other, ask_nd(Solicitation{.hop_limit = 64, .type = 128}.frame()));
}

TEST(Link_read_solicitation, rules_of_rfc_4861_7_1_1) {
  const struct {
    const char* what;
    Solicitation solicitation;
  } cases[] = {
      {"hop limit 254", {.hop_limit = 254}},
      {"code", {.code = 1}},
      {"multicast target", {.target = addr("ff02::1")}},
      {"unspecified target", {.target = addr("::")}},
      {"IPv4-mapped target", {.target = addr("192.0.2.10")}},
      {"option of length 0", {.options = {1, 0, 0, 0, 0, 0, 0, 0}}},
      {"option longer than the message", {.options = {1, 2, 0, 0, 0, 0, 0, 0}}},
      {"half an option header", {.options = {1}}},
      {"second option cut", {.options = {14, 1, 0, 0, 0, 0, 0, 0, 1, 1, 0}}},
      {"DAD probe with a source link option", {.src = addr("::")}},
      {"DAD probe to a host", {.src = addr("::"), .dst = addr("2001:db8::10"), .options = {}}},
      {"multicast source", {.src = addr("ff02::5")}},
      {"group MAC as source link", {.options = {1, 1, 0x33, 0x33, 0, 0, 0, 1}}},
  };
  for (const auto& c : cases) EXPECT_EQ(LinkQuestion::malformed, ask_nd(c.solicitation.frame())) << c.what;

  Bytes bad_checksum = Solicitation{}.frame();
  bad_checksum[56] ^= 1;
  EXPECT_EQ(LinkQuestion::malformed, ask_nd(bad_checksum));
  Bytes group_source = Solicitation{}.frame();
  group_source[6] |= 1;
  EXPECT_EQ(LinkQuestion::malformed, ask_nd(group_source));
}

TEST(Link_read_solicitation, every_cut_is_malformed) {
  const Bytes whole = Solicitation{}.frame();
  for (size_t bytes = 0; bytes < whole.size(); ++bytes)
    EXPECT_EQ(LinkQuestion::malformed, ask_nd(wire::first(whole, bytes))) << bytes;
  // A payload length that lies, with and without the bytes behind it.
  for (uint16_t payload : {0, 8, 23, 25, 33, 1000, 0xffff}) {
    Bytes lie = whole;
    wire::set16(lie, 18, payload);
    EXPECT_EQ(LinkQuestion::malformed, ask_nd(lie)) << payload;
  }
}

TEST(Link_answer_solicitation, host_gets_a_solicited_override) {
  for (const char* dst : {"ff02::1:ff00:10", "2001:db8::10"}) {
    wire::Frame frame(Solicitation{.dst = addr(dst)}.frame());
    ASSERT_TRUE(answer_solicitation(frame.mbuf(), kOwn));
    EXPECT_EQ(advertisement("fe80::1", kAsker, 0x60, "2001:db8::10"), frame.bytes());
    EXPECT_EQ("", wire::wrong_checksum(frame.bytes()));
  }
}

TEST(Link_answer_solicitation, source_link_option_wins_over_the_ethernet_source) {
  constexpr MacAddr kProxied{{0x02, 0xcc, 0, 0, 0, 0x03}};
  wire::Frame frame(Solicitation{.options = wire::joined({1, 1}, mac_bytes(kProxied))}.frame());
  ASSERT_TRUE(answer_solicitation(frame.mbuf(), kOwn));
  EXPECT_EQ(advertisement("fe80::1", kProxied, 0x60, "2001:db8::10"), frame.bytes());
}

TEST(Link_answer_solicitation, without_options_grows_and_with_many_shrinks) {
  wire::Frame grown(Solicitation{.options = {}}.frame(), 128, 8);
  ASSERT_TRUE(answer_solicitation(grown.mbuf(), kOwn));
  EXPECT_EQ(advertisement("fe80::1", kAsker, 0x60, "2001:db8::10"), grown.bytes());

  wire::Frame no_room(Solicitation{.options = {}}.frame(), 128, 7);
  EXPECT_FALSE(answer_solicitation(no_room.mbuf(), kOwn));

  Bytes options = wire::joined({1, 1}, mac_bytes(kAsker));
  options.resize(64);
  for (size_t i = 8; i < options.size(); i += 8) options[i] = 14, options[i + 1] = 1;
  Bytes padded = Solicitation{.options = options}.frame();
  padded.resize(padded.size() + 5);
  wire::Frame shrunk(padded);
  ASSERT_TRUE(answer_solicitation(shrunk.mbuf(), kOwn));
  EXPECT_EQ(advertisement("fe80::1", kAsker, 0x60, "2001:db8::10"), shrunk.bytes());
}

TEST(Link_answer_solicitation, dad_probe_is_answered_to_all_nodes) {
  wire::Frame frame(Solicitation{.src = addr("::"), .options = {}}.frame(), 128, 8);
  ASSERT_TRUE(answer_solicitation(frame.mbuf(), kOwn));
  EXPECT_EQ(advertisement("ff02::1", kAllNodes, 0x20, "2001:db8::10"), frame.bytes());
}

TEST(Link_build, arp_announcement_is_padded_and_names_itself_twice) {
  wire::Frame frame({}, 128, 60);
  ASSERT_TRUE(build_arp_announcement(frame.mbuf(), kOwn, addr("192.0.2.10").ipv4()));
  Bytes want = wire::ether(kBroadcast, kOwn, 0x0806, arp(1, kOwn, "192.0.2.10", {}, "192.0.2.10"));
  want.resize(60);
  EXPECT_EQ(want, frame.bytes());
  wire::Frame no_room({}, 128, 59);
  EXPECT_FALSE(build_arp_announcement(no_room.mbuf(), kOwn, addr("192.0.2.10").ipv4()));
}

TEST(Link_build, unsolicited_advertisement_overrides) {
  wire::Frame frame({}, 128, 86);
  ASSERT_TRUE(build_unsolicited_advertisement(frame.mbuf(), kOwn, addr("2001:db8::10")));
  EXPECT_EQ(advertisement("ff02::1", kAllNodes, 0x20, "2001:db8::10"), frame.bytes());
  wire::Frame no_room({}, 128, 85);
  EXPECT_FALSE(build_unsolicited_advertisement(no_room.mbuf(), kOwn, addr("2001:db8::10")));
}

// Nothing is read past the frame, whatever it holds; AddressSanitizer watches.
TEST(Link_read, random_bytes_are_survived) {
  std::mt19937 random(1);
  const Bytes seeds[] = {arp_question(), Solicitation{}.frame(),
                         Solicitation{.src = addr("::"), .options = {}}.frame()};
  for (unsigned round = 0; round < 50'000; ++round) {
    Bytes bytes = seeds[round % std::size(seeds)];
    for (unsigned i = random() % 4; i > 0; --i) bytes[random() % bytes.size()] = static_cast<uint8_t>(random());
    bytes.resize(random() % (bytes.size() + 8));
    wire::Frame frame(bytes, 128, 8);
    IpAddr target;
    if (read_arp(frame.mbuf(), target) == LinkQuestion::asks) answer_arp(frame.mbuf(), kOwn);
    wire::Frame again(bytes, 128, 8);
    if (read_solicitation(again.mbuf(), target) == LinkQuestion::asks) answer_solicitation(again.mbuf(), kOwn);
  }
}

}  // namespace
}  // namespace millrace
