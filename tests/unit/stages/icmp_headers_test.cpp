// icmp_headers_test.cpp: ICMP beside IPv6 extension headers: in the error, in the quoted packet, in a ping; and what
// follows the quote (RFC 4884).
#include <gtest/gtest.h>

#include "tests/unit/stages/testbed.h"
#include "tests/unit/stages/wire_fragments.h"

namespace millrace {
namespace {

using wire::addr;
using wire::Bytes;

const wire::Flow kClient = flow(kIpv6Case.client, 40'000, kIpv6Case.vip, 80);
constexpr uint8_t kDstOpts = 60;

// Destination options of so many bytes, all padding (RFC 8200 section 4.2).
Bytes destination_options(uint8_t next, size_t bytes) {
  Bytes out(bytes, 0);
  out[0] = next;
  out[1] = static_cast<uint8_t>(bytes / 8 - 1);
  return out;
}

struct QuoteCase {
  const char* name;
  uint8_t first;
  Bytes chain;
};

class Quoted_chain : public testing::TestWithParam<QuoteCase> {
 protected:
  Quoted_chain() : bed_(options()) {}
  static TestbedOptions options() {
    TestbedOptions options;
    options.services = {TestService{.proto = Proto::udp}};
    return options;
  }
  Bytes sent(uint8_t ttl) const {
    const Bytes datagram = wire::udp(kClient, Bytes(200, 0x5a));
    return wire::ip(kClient.src, kClient.dst, GetParam().first, wire::joined(GetParam().chain, datagram), {.ttl = ttl});
  }
  // The packet as it came out at the backend.
  Bytes at_backend() {
    bed_.send(kFront, from_client(sent(64)));
    bed_.run();
    const Bytes frame = bed_.received(kBack).at(0);
    return wire::slice(frame, 14, frame.size());
  }
  void expect_translated(uint8_t type, uint32_t rest, const Bytes& outer_chain, const Bytes& quote, const Bytes& want) {
    const IpAddr router = addr("fd00::99"), snat = addr(kIpv6Case.snat), vip = kClient.dst, client = kClient.src;
    const auto error = [&](const IpAddr& src, const IpAddr& dst, const Bytes& quoted, uint8_t ttl) {
      const Bytes message = wire::joined(outer_chain, wire::icmp(src, dst, type, 0, rest, quoted));
      return wire::ip(src, dst, outer_chain.empty() ? 58 : kDstOpts, message, {.ttl = ttl});
    };
    bed_.send(kBack, from_backend(error(router, snat, quote, 64)));
    bed_.run();
    const std::vector<Bytes> got = bed_.received(kFront);
    ASSERT_EQ(got.size(), 1u);
    EXPECT_EQ(wire::slice(got[0], 14, got[0].size()), error(vip, client, want, 63));
  }

  Testbed bed_;
};

TEST_P(Quoted_chain, is_translated_behind_it) {
  const Bytes quote = at_backend();
  for (const uint8_t type : {1, 2, 3, 4}) expect_translated(type, 0, {}, quote, sent(63));
}

TEST_P(Quoted_chain, also_in_an_error_with_headers_of_its_own) {
  expect_translated(1, 0, destination_options(58, 24), at_backend(), sent(63));
}

TEST_P(Quoted_chain, rfc4884_extensions_stay_what_they_are) {
  // The quote is padded, its length told in words of 8 bytes; then an extension structure.
  Bytes quote = at_backend(), want = sent(63);
  const size_t quoted_bytes = (quote.size() + 7) / 8 * 8;
  const Bytes extensions = {0x20, 0, 0, 0, 0, 8, 1, 1, 1, 2, 3, 4};
  quote.resize(quoted_bytes);
  want.resize(quoted_bytes);
  for (const uint8_t type : {1, 3})
    expect_translated(type, static_cast<uint32_t>(quoted_bytes / 8) << 24, {}, wire::joined(quote, extensions),
                      wire::joined(want, extensions));
}

TEST_P(Quoted_chain, rfc4884_ports_behind_the_told_end_are_no_ports) {
  const size_t chain_end = 40 + GetParam().chain.size();
  if (chain_end < 128) return;  // they lie before every end that can be told
  const Bytes quote = at_backend();
  const Bytes error = wire::icmp(addr("fd00::99"), addr(kIpv6Case.snat), 1, 0, 16u << 24, quote);
  bed_.expect_drop(kBack, from_backend(wire::ip(addr("fd00::99"), addr(kIpv6Case.snat), 58, error)),
                   DropReason::icmp_malformed);
}

const QuoteCase kQuotes[] = {
    {"destination_options", kDstOpts, destination_options(17, 8)},
    {"two_headers", 0, wire::joined(destination_options(kDstOpts, 16), destination_options(17, 24))},
    {"long_options", kDstOpts, destination_options(17, 120)},
    {"atomic_fragment", 44, {17, 0, 0, 0, 0, 0, 0, 9}},
};
INSTANTIATE_TEST_SUITE_P(Chain, Quoted_chain, testing::ValuesIn(kQuotes),
                         [](const auto& param) { return std::string(param.param.name); });

TEST(Quoted_fragment, rfc8200_too_big_about_a_first_fragment_reaches_its_sender) {
  TestbedOptions options;
  options.services = {TestService{.proto = Proto::udp}};
  Testbed bed(options);
  const Bytes packet = udp_packet(kClient, Bytes(2'000, 0x11));
  bed.send(kFront, from_client(wire::fragment(packet, 0, 1'200, 5, true)));
  bed.run();
  const Bytes there = bed.received(kBack).at(0);
  const Bytes quote = wire::slice(there, 14, 14 + 1'232 - 40);
  const IpAddr router = addr("fd00::99"), snat = addr(kIpv6Case.snat);
  const Bytes error = wire::ip(router, snat, 58, wire::icmp(router, snat, 2, 0, 1'280, quote));
  const Bytes got = bed.forwarded(kBack, from_backend(error), kFront);
  EXPECT_EQ(seen(got).dst, kClient.src);
  EXPECT_EQ(wire::get16(got, 54 + 6), 1'280);
  Bytes own = wire::fragment(packet, 0, 1'200, 5, true);
  own[7] = 63;
  EXPECT_EQ(wire::slice(got, 62, got.size()), wire::first(own, quote.size()));
}

TEST(Quoted_fragment, a_later_one_shows_no_flow) {
  Testbed bed;
  const IpAddr router = addr("fd00::99"), snat = addr(kIpv6Case.snat);
  const Bytes packet = udp_packet(flow(kIpv6Case.snat, 10'000, kIpv6Case.backend, 8080), Bytes(2'000, 0x11));
  const Bytes quote = wire::fragment(packet, 1'200, 2'008, 5, false);
  bed.expect_drop(kBack, from_backend(wire::ip(router, snat, 58, wire::icmp(router, snat, 2, 0, 1'280, quote))),
                  DropReason::icmp_unknown_flow);
}

TEST(Echo_with_extension_headers, is_answered_without_them) {
  Testbed bed;
  const IpAddr client = kClient.src, vip = kClient.dst;
  const Bytes request = wire::icmp(client, vip, 128, 0, 0x00010002, {1, 2, 3, 4, 5});
  const Bytes sent = wire::ip(client, vip, kDstOpts, wire::joined(destination_options(58, 16), request));
  const Bytes got = bed.forwarded(kFront, from_client(sent), kFront);
  const Bytes want = wire::ip(vip, client, 58, wire::icmp(vip, client, 129, 0, 0x00010002, {1, 2, 3, 4, 5}));
  EXPECT_EQ(wire::slice(got, 14, got.size()), want);
}

}  // namespace
}  // namespace millrace
