// tunnel_error_test.cpp: ICMP errors of the fabric about tunnels.
#include "dataplane/stages/tunnel_error.h"

#include <gtest/gtest.h>

#include "tests/unit/stages/direct_fixture.h"

namespace millrace {
namespace {

using wire::addr;
using wire::Bytes;

class TunnelError : public testing::TestWithParam<TunnelCase> {
 protected:
  static bool outer4() { return GetParam().outer == Family::ipv4; }
  static IpAddr router() { return addr(outer4() ? "10.0.0.254" : "fd00::fe"); }
  // What a router on the way says about an outer packet to its source.
  static Bytes error(const Bytes& outer, const IpAddr& source, uint8_t type, uint8_t code, uint32_t mtu,
                     size_t quote_bytes = 500) {
    const Bytes quote = wire::first(outer, std::min(outer.size(), quote_bytes));
    const Bytes message = wire::icmp(router(), source, type, code, mtu, quote);
    return from_backend(wire::ip(router(), source, outer4() ? 1 : 58, message));
  }
  static Bytes too_big(const Unwrapped& sent, uint32_t mtu, size_t quote_bytes = 500) {
    return error(sent.outer, sent.ends.src, outer4() ? 3 : 2, outer4() ? 4 : 0, mtu, quote_bytes);
  }
  static unsigned overhead() { return encapsulation_bytes(GetParam().encapsulation, GetParam().outer); }
};

// Big enough that every MTU below is news about it.
constexpr size_t kBig = 1380;

TEST_P(TunnelError, too_big_reaches_the_client_and_is_remembered) {
  DirectBed bed(GetParam());
  const FamilyCase& ends = bed.client_ends();
  bed.forwarded(40'000, kSyn);
  const Bytes sent = bed.packet(40'000, kAck, kBig);
  const Unwrapped at_backend = bed.forwarded(sent);
  const Bytes told = bed->forwarded(kBack, too_big(at_backend, 1400), kFront);
  const Seen answer = seen(told);
  EXPECT_EQ(answer.dst_mac, kClientMac);
  EXPECT_EQ(answer.src_mac, kFrontMac);
  EXPECT_EQ(answer.src, addr(ends.vip));
  EXPECT_EQ(answer.dst, addr(ends.client));
  EXPECT_EQ(answer.l4[0], GetParam().inner == Family::ipv4 ? 3 : 2);
  EXPECT_EQ(wire::get16(answer.l4, 6), 1400 - overhead());
  const Bytes quote(answer.l4.begin() + 8, answer.l4.end());
  EXPECT_GE(quote.size(), 400u);
  EXPECT_EQ(quote, wire::first(at_backend.inner, quote.size()));
  EXPECT_EQ(bed->total(&WorkerCounters::path_mtu_updates), 1u);

  // The next one is answered here; one that fits goes through.
  bed->send(kFront, from_client(sent));
  bed->run();
  EXPECT_TRUE(bed->received(kBack).empty());
  const std::vector<Bytes> answers = bed->received(kFront);
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_EQ(wire::get16(seen(answers[0]).l4, 6), 1400 - overhead());
  const size_t header_bytes = bed.packet(40'000, kAck, 0).size();
  bed.forwarded(bed.packet(40'000, kAck, 1400 - overhead() - header_bytes));
  bed->pass(kPathMtuMs);
  bed.forwarded(sent);
}

TEST_P(TunnelError, of_a_flow_without_an_entry_reaches_the_client_too) {
  DirectBed bed(GetParam(), Proto::tcp, {.connections = 1});
  bed.forwarded(39'999, kSyn);
  const Unwrapped at_backend = bed.forwarded(bed.packet(40'000, kAck, kBig));
  EXPECT_EQ(bed->total(&WorkerCounters::unrecorded), 1u);
  EXPECT_EQ(seen(bed->forwarded(kBack, too_big(at_backend, 1400), kFront)).dst, addr(bed.client_ends().client));
}

TEST_P(TunnelError, what_says_no_mtu_means_the_least) {
  DirectBed bed(GetParam());
  const Unwrapped at_backend = bed.forwarded(bed.packet(40'000, kAck, kBig));
  const Seen answer = seen(bed->forwarded(kBack, too_big(at_backend, 0), kFront));
  const unsigned least = (outer4() ? kPathMtuMin4 : kPathMtuMin6) - overhead();
  EXPECT_EQ(wire::get16(answer.l4, 6), GetParam().inner == Family::ipv4 ? least : 1280u);
}

TEST_P(TunnelError, other_errors_are_counted) {
  DirectBed bed(GetParam());
  const Unwrapped at_backend = bed.forwarded(bed.packet(40'000, kAck, kBig));
  const Bytes unreachable = error(at_backend.outer, at_backend.ends.src, outer4() ? 3 : 1, outer4() ? 1 : 0, 0);
  bed->expect_drop(kBack, unreachable, DropReason::tunnel_error);
  // RFC 5927 section 7.2: a packet that was no larger cannot have been too large.
  bed->expect_drop(kBack, too_big(at_backend, static_cast<uint32_t>(at_backend.outer.size())),
                   DropReason::tunnel_error);
  EXPECT_EQ(bed->total(&WorkerCounters::path_mtu_updates), 0u);
}

TEST_P(TunnelError, a_quote_cut_short_tells_nothing) {
  DirectBed bed(GetParam());
  const Unwrapped at_backend = bed.forwarded(bed.packet(40'000, kAck, kBig));
  const size_t outer_bytes = at_backend.outer.size() - at_backend.inner.size();
  const size_t inner_header_bytes = GetParam().inner == Family::ipv4 ? 20 : 40;
  for (const size_t inner_bytes : {size_t{0}, size_t{8}, inner_header_bytes - 1, inner_header_bytes + 3})
    bed->expect_drop(kBack, too_big(at_backend, 1400, outer_bytes + inner_bytes), DropReason::icmp_malformed);
  bed->forwarded(kBack, too_big(at_backend, 1400, outer_bytes + inner_header_bytes + 4), kFront);
}

TEST_P(TunnelError, about_a_tunnel_to_somebody_else_is_dropped) {
  DirectBed bed(GetParam());
  Unwrapped at_backend = bed.forwarded(bed.packet(40'000, kAck, kBig));
  at_backend.ends.dst = addr(outer4() ? "10.0.0.77" : "fd00::77");
  const Bytes elsewhere = tunnelled(GetParam(), at_backend.ends, at_backend.inner);
  bed->expect_drop(kBack, too_big({at_backend.ends, elsewhere, {}}, 1400), DropReason::icmp_unknown_flow);
  EXPECT_EQ(bed->total(&WorkerCounters::path_mtu_updates), 0u);
}

TEST_P(TunnelError, is_handed_to_the_worker_that_has_the_flow) {
  DirectBed bed(GetParam(), Proto::tcp, {.workers = 4});
  for (uint16_t port = 40'000; port < 40'008; ++port) {
    const Unwrapped at_backend = bed.forwarded(bed.packet(port, kAck, kBig));
    bed->forwarded(kBack, too_big(at_backend, 1400), kFront, 3);
    // Each worker learns it once.
    for (unsigned i = 0; i < bed->worker_count(); ++i) bed->worker(i).path_mtus = PathMtus();
  }
  EXPECT_GT(bed->total(&WorkerCounters::handed_out), 8u);
}

INSTANTIATE_TEST_SUITE_P(tunnels, TunnelError, testing::ValuesIn(kTunnelCases),
                         [](const auto& one) { return std::string(one.param.name); });

}  // namespace
}  // namespace millrace
