#include "dataplane/stages/icmp_error.h"

#include <gtest/gtest.h>

#include <random>

#include "dataplane/stages/checksum.h"
#include "tests/unit/stages/wire.h"

namespace millrace {
namespace {

using wire::addr;
using wire::Bytes;
using wire::Flow;

constexpr MacAddr kOwn{{0x02, 0xaa, 0, 0, 0, 0x01}};
constexpr MacAddr kNext{{0x02, 0xbb, 0, 0, 0, 0x02}};

// A connection with its four ends, and the packets of both sides of it.
struct Connection {
  IpAddr client, vip, snat, backend;
  uint16_t client_port = 40000, vip_port = 80, snat_port = 1025, backend_port = 8080;
  Mode mode = Mode::fullnat;
  Proto proto = Proto::tcp;

  bool ipv4() const { return client.is_ipv4(); }
  void fill(ConnEntry& e) const {
    e.family = client.family();
    e.proto = proto;
    e.mode = mode;
    e.client_port = Be16::from_host(client_port);
    e.vip_port = Be16::from_host(vip_port);
    e.snat_port = Be16::from_host(snat_port);
    e.backend_port = Be16::from_host(backend_port);
    if (ipv4()) {
      e.client4 = client.ipv4(), e.vip4 = vip.ipv4(), e.snat4 = snat.ipv4(), e.backend4 = backend.ipv4();
    } else {
      e.client6 = client.bytes, e.vip6 = vip.bytes, e.snat6 = snat.bytes, e.backend6 = backend.bytes;
    }
    set_checksum_deltas(e);
  }
  Flow from_client() const { return {client, vip, client_port, vip_port}; }
  Flow to_backend() const { return {snat, backend, snat_port, backend_port}; }
  Flow from_backend() const { return {backend, snat, backend_port, snat_port}; }
  Flow to_client() const { return {vip, client, vip_port, client_port}; }
};

Connection connection(bool ipv4, Mode mode, Proto proto) {
  Connection c;
  c.client = addr(ipv4 ? "198.51.100.7" : "2001:db8:1::7");
  c.vip = addr(ipv4 ? "203.0.113.10" : "2001:db8:2::10");
  c.snat = addr(ipv4 ? "10.72.0.10" : "fd72::10");
  c.backend = addr(ipv4 ? "10.72.1.1" : "fd72::1:1");
  c.mode = mode;
  c.proto = proto;
  if (mode == Mode::nat) c.snat = c.client, c.snat_port = c.client_port;
  return c;
}

std::vector<Connection> all_connections() {
  std::vector<Connection> all;
  for (const bool ipv4 : {true, false})
    for (const Mode mode : {Mode::nat, Mode::fullnat})
      for (const Proto proto : {Proto::tcp, Proto::udp}) all.push_back(connection(ipv4, mode, proto));
  return all;
}

// How an error is made of a packet of ours.
struct Shape {
  uint8_t type = 3;
  uint8_t code = 1;
  uint32_t rest = 0;        // second word: MTU, pointer
  size_t quoted_l4 = 1000;  // quoted bytes of L4 header and payload, at most
  Bytes payload = Bytes(50, 0xab);
  bool udp_checksum = true;
  wire::IpSettings inner{.ttl = 1, .tos = 0, .id = 0x1234, .fragment = 0x4000, .options = {}};
  wire::IpSettings outer;
  Bytes behind;  // quoted after the packet: padding, extensions

  Bytes frame(const IpAddr& src, const IpAddr& dst, const Flow& quoted, Proto proto, uint8_t outer_ttl) const {
    const Bytes l4 = proto == Proto::tcp ? wire::tcp(quoted, 0x18, payload) : wire::udp(quoted, payload, udp_checksum);
    const Bytes packet = wire::ip(quoted.src, quoted.dst, static_cast<uint8_t>(proto), l4, inner);
    const size_t header_bytes = packet.size() - l4.size();
    const Bytes quote = wire::joined(wire::first(packet, header_bytes + std::min(quoted_l4, l4.size())), behind);
    wire::IpSettings settings = outer;
    settings.ttl = outer_ttl;
    const Bytes message = wire::icmp(src, dst, type, code, rest, quote);
    return wire::ether(kOwn, kNext, wire::ip(src, dst, src.is_ipv4() ? 1 : 58, message, settings));
  }
};

Shape shape_of(bool ipv4) {
  Shape shape;
  if (!ipv4) shape.type = 1, shape.code = 0;
  return shape;
}

std::optional<DropReason> refusal(const Bytes& bytes) {
  wire::Frame frame(bytes);
  IcmpError error;
  return read_icmp_error(frame.mbuf(), error);
}

// Reads the error, checks that the key is the one of the opposite packets, translates it.
Bytes translated(const Bytes& bytes, const Connection& c, Direction direction) {
  wire::Frame frame(bytes);
  IcmpError error;
  EXPECT_EQ(std::nullopt, read_icmp_error(frame.mbuf(), error));
  ConnEntry entry{};
  c.fill(entry);
  const bool forward = direction == Direction::forward;
  if (c.ipv4())
    EXPECT_EQ(forward ? (FlowKey4{entry.client4, entry.vip4, entry.client_port, entry.vip_port,
                                  static_cast<uint32_t>(c.proto)})
                      : (FlowKey4{entry.backend4, entry.snat4, entry.backend_port, entry.snat_port,
                                  static_cast<uint32_t>(c.proto)}),
              opposite_key4(error));
  else
    EXPECT_EQ(forward ? (FlowKey6{entry.client6, entry.vip6, entry.client_port, entry.vip_port,
                                  static_cast<uint32_t>(c.proto)})
                      : (FlowKey6{entry.backend6, entry.snat6, entry.backend_port, entry.snat_port,
                                  static_cast<uint32_t>(c.proto)}),
              opposite_key6(error));
  EXPECT_EQ(std::nullopt, translate_icmp_error(frame.mbuf(), error, entry, nullptr, direction));
  return frame.bytes();
}

// The error as it comes from `from` about a packet that we sent, and as it must reach the other side.
void expect_translated(const Connection& c, const Shape& shape, Direction direction, const IpAddr& from) {
  const bool reverse = direction == Direction::reverse;
  const Bytes received = reverse ? shape.frame(from, c.snat, c.to_backend(), c.proto, 60)
                                 : shape.frame(from, c.vip, c.to_client(), c.proto, 60);
  IpAddr seen_from = from;
  if (c.mode == Mode::fullnat)
    seen_from = reverse ? c.vip : c.snat;
  else if (reverse && from == c.backend)
    seen_from = c.vip;
  const Bytes want = reverse ? shape.frame(seen_from, c.client, c.from_client(), c.proto, 59)
                             : shape.frame(seen_from, c.backend, c.from_backend(), c.proto, 59);
  ASSERT_EQ("", wire::wrong_checksum(received));
  EXPECT_EQ(want, translated(received, c, direction));
}

void expect_translated(const Connection& c, const Shape& shape) {
  const IpAddr router = addr(c.ipv4() ? "192.0.2.254" : "2001:db8:9::fe");
  expect_translated(c, shape, Direction::reverse, c.backend);
  expect_translated(c, shape, Direction::reverse, router);
  expect_translated(c, shape, Direction::forward, c.client);
  expect_translated(c, shape, Direction::forward, router);
}

TEST(Icmp_error_translate, both_directions_of_every_kind_of_connection) {
  for (const Connection& c : all_connections()) expect_translated(c, shape_of(c.ipv4()));
}

TEST(Icmp_error_translate, every_translatable_type_keeps_code_and_second_word) {
  for (const Connection& c : all_connections())
    for (const unsigned type : c.ipv4() ? std::vector<unsigned>{3, 11, 12} : std::vector<unsigned>{1, 2, 3, 4})
      for (const uint32_t rest : {0u, 1400u, 0x00ff05dcu, 0xffffffffu}) {
        Shape shape = shape_of(c.ipv4());
        shape.type = static_cast<uint8_t>(type);
        shape.code = 4;
        shape.rest = rest;
        expect_translated(c, shape);
      }
}

TEST(Icmp_error_translate, every_length_of_quote_from_8_bytes_on) {
  for (const Connection& c : all_connections())
    for (size_t quoted = 8; quoted <= 72; ++quoted) {
      if (quoted == 17 && c.proto == Proto::tcp) continue;  // half a TCP checksum cannot be kept right
      Shape shape = shape_of(c.ipv4());
      shape.quoted_l4 = quoted;
      expect_translated(c, shape);
    }
}

TEST(Icmp_error_translate, options_of_both_headers) {
  for (const Connection& c : all_connections()) {
    if (!c.ipv4()) continue;
    for (const size_t inner : {0, 4, 40})
      for (const size_t outer : {0, 8, 40}) {
        Shape shape;
        shape.inner.options.assign(inner, 1);
        shape.outer.options.assign(outer, 1);
        shape.quoted_l4 = 8;
        expect_translated(c, shape);
      }
  }
}

TEST(Icmp_error_translate, absent_udp_checksum_stays_absent) {
  for (const bool ipv4 : {true, false}) {
    Shape shape = shape_of(ipv4);
    shape.udp_checksum = false;
    expect_translated(connection(ipv4, Mode::fullnat, Proto::udp), shape);
  }
}

TEST(Icmp_error_translate, padding_and_extensions_behind_the_quote_stay) {
  for (const Connection& c : all_connections()) {
    Shape shape = shape_of(c.ipv4());
    shape.payload = {};
    shape.behind = Bytes(101, 0);
    shape.behind.insert(shape.behind.end(), {0x20, 0, 0x12, 0x34, 0, 8, 1, 1, 9, 9, 9, 9});
    expect_translated(c, shape);
  }
}

TEST(Icmp_error_translate, first_fragment_is_translated) {
  Shape shape;
  shape.inner.fragment = 0x2000;
  expect_translated(connection(true, Mode::fullnat, Proto::udp), shape);
}

TEST(Icmp_error_translate, spent_ttl_is_refused_and_leaves_the_frame) {
  for (const bool ipv4 : {true, false})
    for (const uint8_t ttl : {0, 1}) {
      const Connection c = connection(ipv4, Mode::fullnat, Proto::tcp);
      const Bytes received = shape_of(ipv4).frame(c.backend, c.snat, c.to_backend(), c.proto, ttl);
      wire::Frame frame(received);
      IcmpError error;
      ASSERT_EQ(std::nullopt, read_icmp_error(frame.mbuf(), error));
      ConnEntry entry{};
      c.fill(entry);
      EXPECT_EQ(DropReason::ttl_expired, translate_icmp_error(frame.mbuf(), error, entry, nullptr, Direction::reverse));
      EXPECT_EQ(received, frame.bytes());
    }
}

IpAddr random_address(std::mt19937& random, bool ipv4) {
  // Zero and all-ones words are the corners of the checksum.
  auto word = [&random]() -> uint16_t {
    const uint32_t roll = random();
    return roll % 4 == 0 ? 0 : roll % 4 == 1 ? 0xffff : static_cast<uint16_t>(roll >> 16);
  };
  if (ipv4) return IpAddr::from_ipv4(Be32::from_host(uint32_t{word()} << 16 | word()));
  IpAddr result;
  for (size_t i = 0; i < 16; i += 2) {
    const uint16_t value = word();
    std::memcpy(&result.bytes[i], &value, 2);
  }
  result.bytes[0] = 0x20;
  return result;
}

TEST(Icmp_error_translate, random_connections_equal_a_full_computation) {
  std::mt19937 random(11);
  for (unsigned round = 0; round < 10'000 && !testing::Test::HasFailure(); ++round) {
    const bool ipv4 = random() & 1;
    Connection c = connection(ipv4, random() & 1 ? Mode::nat : Mode::fullnat, random() & 1 ? Proto::tcp : Proto::udp);
    c.client = random_address(random, ipv4), c.vip = random_address(random, ipv4);
    c.backend = random_address(random, ipv4), c.snat = random_address(random, ipv4);
    c.client_port = static_cast<uint16_t>(random() % 3 ? random() : 0xffff);
    c.backend_port = static_cast<uint16_t>(random() % 3 ? random() : 0x0000);
    c.snat_port = static_cast<uint16_t>(random());
    if (c.mode == Mode::nat) c.snat = c.client, c.snat_port = c.client_port;
    Shape shape = shape_of(ipv4);
    shape.rest = static_cast<uint32_t>(random());
    shape.payload.assign(random() % 30, static_cast<uint8_t>(random()));
    shape.quoted_l4 = 8 + random() % 40;
    if (shape.quoted_l4 == 17) shape.quoted_l4 = 18;  // half a TCP checksum
    shape.inner.options.assign(random() % 3 * 4, 1);
    if (round % 4 == 0) {  // the translated UDP checksum comes out as zero
      shape.payload = {0, 0};
      wire::set16(shape.payload, 0, wire::get16(wire::udp(c.from_client(), {0, 0}), 6));
    }
    const IpAddr router = random_address(random, ipv4);
    expect_translated(c, shape, random() & 1 ? Direction::forward : Direction::reverse,
                      random() & 1 ? router : c.backend);
  }
}

TEST(Icmp_error_read, only_errors_about_packets) {
  for (const bool ipv4 : {true, false})
    for (unsigned type = 0; type < 256; ++type) {
      const Connection c = connection(ipv4, Mode::fullnat, Proto::tcp);
      Shape shape;
      shape.type = static_cast<uint8_t>(type);
      const auto refused = refusal(shape.frame(c.backend, c.snat, c.to_backend(), c.proto, 60));
      const bool error = ipv4 ? type == 3 || type == 11 || type == 12 : type >= 1 && type <= 4;
      EXPECT_EQ(error ? std::nullopt : std::optional(DropReason::icmp_unsupported), refused) << type;
    }
}

// An error whose quote is given byte by byte.
Bytes error_quoting(bool ipv4, const Bytes& quote) {
  const Connection c = connection(ipv4, Mode::fullnat, Proto::tcp);
  const Bytes message = wire::icmp(c.backend, c.snat, ipv4 ? 3 : 1, 0, 0, quote);
  return wire::ether(kOwn, kNext, wire::ip(c.backend, c.snat, ipv4 ? 1 : 58, message));
}

Bytes quotable(bool ipv4, uint8_t proto = 6, const wire::IpSettings& settings = {}) {
  const Connection c = connection(ipv4, Mode::fullnat, Proto::tcp);
  return wire::ip(c.snat, c.backend, proto, wire::tcp(c.to_backend(), 0x10, {}), settings);
}

TEST(Icmp_error_read, every_cut_of_the_quote_is_malformed) {
  for (const bool ipv4 : {true, false}) {
    const Bytes quote = quotable(ipv4);
    const size_t enough = (ipv4 ? 20 : 40) + 8;
    for (size_t bytes = 0; bytes <= quote.size(); ++bytes)
      EXPECT_EQ(bytes < enough ? std::optional(DropReason::icmp_malformed) : std::nullopt,
                refusal(error_quoting(ipv4, wire::first(quote, bytes))))
          << bytes;
  }
  wire::IpSettings settings;
  settings.options.assign(40, 1);
  const Bytes quote = quotable(true, 6, settings);
  EXPECT_EQ(DropReason::icmp_malformed, refusal(error_quoting(true, wire::first(quote, 67))));
  EXPECT_EQ(std::nullopt, refusal(error_quoting(true, wire::first(quote, 68))));
}

TEST(Icmp_error_read, every_cut_of_the_frame_is_refused) {
  for (const bool ipv4 : {true, false}) {
    const Bytes whole = error_quoting(ipv4, quotable(ipv4));
    for (size_t bytes = 0; bytes < whole.size(); ++bytes) EXPECT_TRUE(refusal(wire::first(whole, bytes))) << bytes;
  }
}

TEST(Icmp_error_read, impossible_quotes_are_malformed) {
  Bytes version4 = quotable(true);
  version4[0] = 0x65;
  EXPECT_EQ(DropReason::icmp_malformed, refusal(error_quoting(true, version4)));
  Bytes short_header = quotable(true);
  short_header[0] = 0x44;
  EXPECT_EQ(DropReason::icmp_malformed, refusal(error_quoting(true, short_header)));
  Bytes short_packet = quotable(true);
  wire::set16(short_packet, 2, 27);
  EXPECT_EQ(DropReason::icmp_malformed, refusal(error_quoting(true, short_packet)));
  Bytes version6 = quotable(false);
  version6[0] = 0x40;
  EXPECT_EQ(DropReason::icmp_malformed, refusal(error_quoting(false, version6)));
  Bytes short_payload = quotable(false);
  wire::set16(short_payload, 4, 7);
  EXPECT_EQ(DropReason::icmp_malformed, refusal(error_quoting(false, short_payload)));
  for (const size_t address_at : {8, 24}) {
    Bytes mapped = quotable(false);
    const IpAddr vip = addr("203.0.113.10");
    std::copy(vip.bytes.begin(), vip.bytes.end(), mapped.begin() + static_cast<ptrdiff_t>(address_at));
    EXPECT_EQ(DropReason::icmp_malformed, refusal(error_quoting(false, mapped))) << address_at;
  }
  EXPECT_EQ(DropReason::icmp_malformed, refusal(error_quoting(true, quotable(false))));
  EXPECT_EQ(DropReason::icmp_malformed, refusal(error_quoting(false, quotable(true))));
}

TEST(Icmp_error_read, quotes_that_are_never_ours_have_no_flow) {
  for (const bool ipv4 : {true, false}) {
    EXPECT_EQ(DropReason::icmp_unknown_flow, refusal(error_quoting(ipv4, quotable(ipv4, ipv4 ? 1 : 58))));
    EXPECT_EQ(DropReason::icmp_unknown_flow, refusal(error_quoting(ipv4, quotable(ipv4, 47))));
  }
  wire::IpSettings later_fragment;
  later_fragment.fragment = 0x0010;
  EXPECT_EQ(DropReason::icmp_unknown_flow, refusal(error_quoting(true, quotable(true, 17, later_fragment))));
}

TEST(Icmp_error_read, wrong_checksum_and_fragmented_errors_are_refused) {
  for (const bool ipv4 : {true, false}) {
    Bytes wrong = error_quoting(ipv4, quotable(ipv4));
    wrong.back() ^= 4;
    EXPECT_EQ(DropReason::bad_l4_checksum, refusal(wrong));
  }
  const Connection c = connection(true, Mode::fullnat, Proto::tcp);
  Shape shape;
  shape.outer.fragment = 0x2000;
  EXPECT_EQ(DropReason::fragment, refusal(shape.frame(c.backend, c.snat, c.to_backend(), c.proto, 60)));
}

TEST(Icmp_error_read, random_damage_is_survived) {
  std::mt19937 random(5);
  for (unsigned round = 0; round < 50'000; ++round) {
    const bool ipv4 = random() & 1;
    Bytes quote = quotable(ipv4);
    for (unsigned i = random() % 3; i > 0; --i) quote[random() % quote.size()] = static_cast<uint8_t>(random());
    quote.resize(random() % (quote.size() + 1));
    Bytes bytes = error_quoting(ipv4, quote);  // the checksum is right: what is inside gets read
    if (random() % 4 == 0) bytes[14 + random() % 20] = static_cast<uint8_t>(random());
    wire::Frame frame(bytes);
    IcmpError error;
    if (read_icmp_error(frame.mbuf(), error)) continue;
    ConnEntry entry{};
    connection(error.family == Family::ipv4, Mode::fullnat, error.proto).fill(entry);
    EXPECT_EQ(std::nullopt, translate_icmp_error(frame.mbuf(), error, entry, nullptr, Direction::reverse));
  }
}

}  // namespace
}  // namespace millrace
