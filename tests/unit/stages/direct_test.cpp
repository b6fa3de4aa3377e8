// direct_test.cpp: flows of services in mode dsr and tunnel, through a worker.
#include <gtest/gtest.h>

#include <set>

#include "tests/unit/stages/direct_fixture.h"
#include "tests/unit/stages/wire_fragments.h"

namespace millrace {
namespace {

using wire::addr;
using wire::Bytes;

constexpr TunnelCase kDsr4 = kDirectCases[0];
constexpr TunnelCase kIpip = kTunnelCases[0];
constexpr TunnelCase kGue6 = kTunnelCases[7];

class Direct : public testing::TestWithParam<TunnelCase> {
 protected:
  bool dsr() const { return DirectBed::is_dsr(GetParam()); }
};

// The client's packet after one hop.
Bytes one_hop_on(Bytes packet) {
  if (packet.at(0) >> 4 == 6) {
    --packet.at(7);
    return packet;
  }
  --packet.at(8);
  wire::set16(packet, 10, 0);
  wire::set16(packet, 10, wire::checksum(wire::first(packet, (packet[0] & 15) * 4u)));
  return packet;
}

// Where the first packets of flows from these ports go on another host.
std::vector<OuterEnds> with_entries(const TunnelCase& direct, uint16_t first_port, unsigned count) {
  DirectBed bed(direct);
  std::vector<OuterEnds> ends;
  for (unsigned i = 0; i < count; ++i) ends.push_back(bed.forwarded(static_cast<uint16_t>(first_port + i), kSyn).ends);
  EXPECT_EQ(bed->total(&WorkerCounters::connections_opened), count);
  return ends;
}

TEST_P(Direct, the_backend_gets_the_clients_packet) {
  for (const Proto proto : {Proto::tcp, Proto::udp}) {
    DirectBed bed(GetParam(), proto);
    const FamilyCase& outer = bed.outer_ends();
    for (const uint8_t flags : {kSyn, kAck, kAck, kFinAck, kAck}) {
      const Bytes sent = bed.packet(40'000, flags, 33, {.tos = 0x2a});
      const Unwrapped got = bed.forwarded(sent);
      EXPECT_EQ(got.inner, one_hop_on(sent));
      if (dsr()) continue;
      EXPECT_EQ(got.ends.src, addr(outer.snat));
      EXPECT_EQ(got.outer, tunnelled(GetParam(), got.ends, got.inner, 0x2a));
    }
    ASSERT_NE(bed->only_connection(), nullptr);
    EXPECT_EQ(bed->only_connection()->state, proto == Proto::tcp ? ConnState::client_fin : ConnState::open);
    const BackendSlot backend = bed->only_connection()->backend;
    EXPECT_EQ(bed->backend_total(backend, &BackendCounters::forward_packets), 5u);
    EXPECT_EQ(bed->backend_total(backend, &BackendCounters::forward_bytes), 5 * bed.packet(1, kAck, 33).size());
    EXPECT_EQ(bed->backend_total(backend, &BackendCounters::connections), 1u);
    EXPECT_EQ(bed->backend_total(backend, &BackendCounters::active), 1u);
  }
}

TEST_P(Direct, a_known_flow_keeps_its_backend_when_the_table_changes) {
  DirectBed bed(GetParam());
  for (uint16_t port = 40'000; port < 40'020; ++port) bed.forwarded(port, kSyn);
  std::set<BackendSlot> before;
  std::vector<IpAddr> backends;
  for (const ConnEntry& entry : bed->state().slab)
    if (entry.state != ConnState::free) before.insert(entry.backend), backends.push_back(backend_address(entry));
  EXPECT_EQ(before.size(), 2u) << "both have flows";
  TestService fewer = DirectBed::service(GetParam(), Proto::tcp);
  fewer.backends.erase(fewer.backends.begin());
  bed->configure({fewer});
  bed->announce_nothing();
  size_t i = 0;
  for (uint16_t port = 40'000; port < 40'020; ++port, ++i) {
    const Unwrapped got = bed.forwarded(port);
    EXPECT_EQ(got.ends.dst, dsr() ? IpAddr{} : backends[i]);
  }
  EXPECT_EQ(bed->total(&WorkerCounters::connections_opened), 20u);
}

TEST_P(Direct, a_segment_of_a_flow_from_elsewhere_finds_maglevs_backend) {
  const std::vector<OuterEnds> elsewhere = with_entries(GetParam(), 40'000, 10);
  DirectBed bed(GetParam());
  for (uint16_t i = 0; i < 10; ++i) {
    const Unwrapped got = bed.forwarded(static_cast<uint16_t>(40'000 + i), kAck);
    EXPECT_EQ(got.ends.dst, elsewhere[i].dst);
    EXPECT_EQ(got.ends.src_port, elsewhere[i].src_port) << "and the same path";
  }
  EXPECT_EQ(bed->total(&WorkerCounters::connections_opened), 10u);
}

TEST_P(Direct, a_full_slab_forwards_without_an_entry) {
  const std::vector<OuterEnds> roomy = with_entries(GetParam(), 41'000, 10);
  DirectBed bed(GetParam(), Proto::tcp, {.connections = 4});
  for (uint16_t port = 40'000; port < 40'004; ++port) bed.forwarded(port, kSyn);
  for (uint16_t port = 41'000; port < 41'010; ++port) {
    const Bytes sent = bed.packet(port, kSyn);
    const Unwrapped got = bed.forwarded(sent);
    EXPECT_EQ(got.inner, one_hop_on(sent));
    EXPECT_EQ(got.ends.dst, roomy[port - 41'000].dst) << "the backend that an entry would have";
  }
  EXPECT_EQ(bed->total(&WorkerCounters::unrecorded), 10u);
  EXPECT_EQ(bed->total(&WorkerCounters::connections_opened), 4u);
  EXPECT_EQ(bed->service_total(ServiceSlot{0}, &ServiceCounters::no_slot), 10u);
}

TEST_P(Direct, a_reset_of_no_flow_is_forwarded_and_not_kept) {
  DirectBed bed(GetParam());
  bed.forwarded(40'000, kRst);
  EXPECT_EQ(bed->total(&WorkerCounters::unrecorded), 1u);
  EXPECT_EQ(bed->total(&WorkerCounters::connections_opened), 0u);
}

TEST_P(Direct, what_is_too_large_is_answered_by_the_vip) {
  DirectBed bed(GetParam());
  const unsigned overhead = encapsulation_bytes(GetParam().encapsulation, GetParam().outer);
  const size_t room = 1500 - overhead - bed.packet(40'000, kAck, 0).size();
  bed.forwarded(bed.packet(40'000, kAck, room));
  bed->send(kFront, from_client(bed.packet(40'000, kAck, room + 1)));
  bed->run();
  EXPECT_TRUE(bed->received(kBack).empty());
  const std::vector<Bytes> frames = bed->received(kFront);
  ASSERT_EQ(frames.size(), 1u);
  EXPECT_EQ(wire::wrong_checksum(frames[0]), "");
  const Seen answer = seen(frames[0]);
  EXPECT_EQ(answer.src, addr(bed.client_ends().vip));
  EXPECT_EQ(answer.dst, addr(bed.client_ends().client));
  EXPECT_EQ(answer.l4[0], GetParam().inner == Family::ipv4 ? 3 : 2);
  EXPECT_EQ(wire::get16(answer.l4, 6), 1500 - overhead);
}

TEST_P(Direct, the_last_hop_of_a_packet_ends_here) {
  DirectBed bed(GetParam());
  bed->expect_drop(kFront, from_client(bed.packet(40'000, kAck, 10, {.ttl = 1})), DropReason::ttl_expired);
}

TEST_P(Direct, an_error_about_an_answer_goes_to_the_backend_that_gave_it) {
  for (const bool known : {true, false}) {
    DirectBed bed(GetParam());
    const FamilyCase& ends = bed.client_ends();
    const Unwrapped request = known ? bed.forwarded(40'000, kSyn) : Unwrapped{};
    const Bytes answer = tcp_packet(flow(ends.vip, 80, ends.client, 40'000), kAck, Bytes(1200, 1));
    const bool ipv4 = GetParam().inner == Family::ipv4;
    const IpAddr router = addr(ipv4 ? "192.0.2.1" : "2001:db8:1::1");
    const Bytes quote = wire::first(answer, 500);
    const Bytes error = wire::icmp(router, addr(ends.vip), ipv4 ? 3 : 2, ipv4 ? 4 : 0, 1280, quote);
    const Bytes packet = wire::ip(router, addr(ends.vip), ipv4 ? 1 : 58, error);
    const Unwrapped got = bed.forwarded(packet);
    EXPECT_EQ(got.inner, one_hop_on(packet));
    if (known) {
      EXPECT_EQ(got.ends.dst, request.ends.dst);
    }
    EXPECT_EQ(bed->total(&WorkerCounters::icmp_translated), 1u);
    EXPECT_EQ(bed->total(&WorkerCounters::unrecorded), known ? 0u : 1u);
  }
}

INSTANTIATE_TEST_SUITE_P(modes, Direct, testing::ValuesIn(kDirectCases),
                         [](const auto& one) { return std::string(one.param.name); });

TEST(Direct_udp, leaves_a_backend_that_is_down_or_disabled_at_once) {
  DirectBed bed(kIpip, Proto::udp);
  const IpAddr first = bed.forwarded(40'000).ends.dst;
  const BackendSlot backend = bed->only_connection()->backend;
  bed->lose_backend(backend);
  const IpAddr second = bed.forwarded(40'000).ends.dst;
  EXPECT_NE(second, first);
  EXPECT_EQ(bed.forwarded(40'000).ends.dst, second);
  EXPECT_EQ(bed->backend_total(backend, &BackendCounters::active), 0u);
  EXPECT_EQ(bed->service_total(ServiceSlot{0}, &ServiceCounters::sessions_moved), 1u);
  EXPECT_NE(bed->only_connection(), nullptr);
}

TEST(Direct_udp, stays_with_a_backend_that_drains) {
  DirectBed bed(kIpip, Proto::udp);
  const IpAddr first = bed.forwarded(40'000).ends.dst;
  const BackendSlot backend = bed->only_connection()->backend;
  bed->state().eligible.set(backend, BackendStanding::closed);
  bed->lose_backend(backend == BackendSlot{0} ? BackendSlot{1} : BackendSlot{0});
  EXPECT_EQ(bed.forwarded(40'000).ends.dst, first);
}

TEST(Direct_tcp, stays_with_a_backend_that_is_down) {
  DirectBed bed(kIpip);
  const IpAddr first = bed.forwarded(40'000, kSyn).ends.dst;
  bed->lose_backend(bed->only_connection()->backend);
  EXPECT_EQ(bed.forwarded(40'000).ends.dst, first);
}

TEST(Direct_tcp, a_reset_flow_is_open_no_more_unless_the_client_goes_on) {
  DirectBed bed(kIpip);
  bed.forwarded(40'000, kSyn);
  const BackendSlot backend = bed->only_connection()->backend;
  EXPECT_EQ(bed->state().open_counts.of(backend), 1u);
  bed.forwarded(40'000, kRst);
  EXPECT_EQ(bed->state().open_counts.of(backend), 0u);
  EXPECT_EQ(bed->state().open_counts.of(ServiceSlot{0}), 0u);
  bed.forwarded(40'000, kAck);  // its backend thought otherwise of the reset
  EXPECT_EQ(bed->state().open_counts.of(backend), 1u);
  bed->pass(3 * 600'000);
  EXPECT_EQ(bed->total(&WorkerCounters::connections_closed), 1u);
  EXPECT_EQ(bed->state().open_counts.of(backend), 0u);
  EXPECT_EQ(bed->state().open_counts.of(ServiceSlot{0}), 0u);
}

TEST(Direct_tcp, a_syn_after_the_clients_fin_is_a_new_flow) {
  DirectBed bed(kIpip);
  for (const uint8_t flags : {kSyn, kAck, kFinAck}) bed.forwarded(40'000, flags);
  bed->lose_backend(bed->only_connection()->backend);
  const IpAddr before = backend_address(*bed->only_connection());
  EXPECT_NE(bed.forwarded(40'000, kSyn).ends.dst, before);
  EXPECT_EQ(bed->total(&WorkerCounters::connections_closed), 1u);
  EXPECT_EQ(bed->only_connection()->state, ConnState::syn_sent);
}

TEST(Direct_tcp, a_lone_segment_is_soon_forgotten_and_blamed_on_nobody) {
  for (const uint8_t flags : {kSyn, kAck}) {
    DirectBed bed(kIpip);
    bed.forwarded(40'000, flags);
    const BackendSlot backend = bed->only_connection()->backend;
    bed->pass(12'000);
    bed->run();
    EXPECT_EQ(bed->only_connection(), nullptr);
    EXPECT_EQ(bed->backend_total(backend, &BackendCounters::connect_failures), 0u);
    EXPECT_EQ(bed->backend_total(backend, &BackendCounters::active), 0u);
    EXPECT_TRUE(bed->notes().empty());
  }
}

TEST(Direct_tcp, an_established_flow_lives_by_the_clients_timeout) {
  DirectBed bed(kIpip);
  for (const uint8_t flags : {kSyn, kAck}) bed.forwarded(40'000, flags);
  for (int i = 0; i < 3; ++i) {
    bed->pass(599'000);
    bed.forwarded(40'000);
  }
  EXPECT_EQ(bed->total(&WorkerCounters::connections_opened), 1u);
  bed->pass(601'000);
  bed->run();
  EXPECT_EQ(bed->only_connection(), nullptr);
}

TEST(Direct_tcp, does_not_touch_the_reply_key_of_others) {
  // A fullnat connection whose reply key is what a direct flow's would be, if it had one.
  TestService nat{.mode = Mode::nat, .binds = {"203.0.113.11:80"}, .backends = {"10.0.0.1:80"}};
  DirectBed bed(kDsr4, Proto::tcp, {.services = {DirectBed::service(kDsr4, Proto::tcp), nat}});
  bed.forwarded(40'000, kSyn);
  bed->forwarded(kFront, from_client(tcp_packet(flow("192.0.2.10", 40'000, "203.0.113.11", 80), kSyn)), kBack);
  bed.forwarded(40'000, kRst);
  bed->pass(7'000);
  bed->run();
  bed->forwarded(kBack, from_backend(tcp_packet(flow("10.0.0.1", 80, "192.0.2.10", 40'000), kSynAck)), kFront);
}

TEST(Direct_tcp, a_wrong_checksum_makes_no_entry) {
  DirectBed bed(kIpip);
  Bytes frame = from_client(bed.packet(40'000, kSyn));
  frame.back() ^= 1;
  bed->expect_drop(kFront, frame, DropReason::bad_l4_checksum);
}

// RFC 4459 section 3.4: the inner packet is cut, so that no outer one is. A fragment is cut again.
TEST(Direct_udp, without_df_the_clients_packet_is_cut_before_it_is_wrapped) {
  for (const TunnelCase& tunnel : kTunnelCases) {
    if (tunnel.inner != Family::ipv4) continue;
    SCOPED_TRACE(tunnel.name);
    DirectBed bed(tunnel, Proto::udp);
    for (const size_t fragment_bytes : {1'480, 1'472}) {
      const Bytes sent = bed.packet(40'000, 0, 2'900, {.fragment = 0});
      for (const Bytes& fragment : wire::fragments(sent, fragment_bytes, 7)) bed->send(kFront, from_client(fragment));
      bed->run();
      std::vector<Bytes> inner;
      for (const Bytes& frame : bed->received(kBack)) {
        EXPECT_LE(frame.size(), 14 + 1500u);
        inner.push_back(from_client(unwrap(tunnel, frame).inner));
      }
      EXPECT_GT(inner.size(), 2u);
      const std::optional<Bytes> whole = wire::reassembled(inner);
      ASSERT_TRUE(whole.has_value());
      EXPECT_EQ(wire::wrong_checksum(*whole), "");
      EXPECT_EQ(seen(*whole).l4, Bytes(sent.begin() + 20, sent.end()));
    }
    EXPECT_GE(bed->total(&WorkerCounters::packets_cut), 2u);
    EXPECT_TRUE(bed->received(kFront).empty());
  }
}

// An IPv6 packet of 1280 bytes cannot be made smaller by its sender (RFC 8200 section 5).
TEST(Direct_tcp, ipv6_is_never_told_less_than_1280) {
  DirectBed bed(kGue6, Proto::tcp, {.mtu_bytes = 1320});
  const size_t header_bytes = bed.packet(40'000, kAck, 0).size();
  bed->expect_drop(kFront, from_client(bed.packet(40'000, kAck, 1280 - header_bytes)), DropReason::mtu_exceeded);
  bed->send(kFront, from_client(bed.packet(40'000, kAck, 1281 - header_bytes)));
  bed->run();
  const std::vector<Bytes> frames = bed->received(kFront);
  ASSERT_EQ(frames.size(), 1u);
  EXPECT_EQ(wire::get16(seen(frames[0]).l4, 6), 1280);
}

TEST(Direct_dsr, a_backend_behind_a_router_gets_nothing) {
  DirectBed bed(kDsr4);
  bed->set_routes({{.prefix = addr("192.0.2.0"), .prefix_bits = 24, .port = kFront},
                   {.prefix = addr("10.0.0.0"), .prefix_bits = 24, .port = kBack, .gateway = addr("10.9.0.1")}});
  bed->resolve(kBack, "10.9.0.1", kBackendMac);
  for (int i = 0; i < 2; ++i) bed->expect_drop(kFront, from_client(bed.packet(40'000, kSyn)), DropReason::dsr_off_link);
}

TEST(Direct_tunnel, a_pool_without_the_outer_family_is_no_source) {
  DirectBed bed(kIpip);
  bed->configure({[] {
    TestService service = DirectBed::service(kIpip, Proto::tcp);
    service.backends = {"10.0.0.1:80"};
    return service;
  }()});
  bed->announce_nothing();
  const_cast<Snapshot*>(bed->state().snapshot.load())->snat_pools[0].ipv4.clear();
  bed->expect_drop(kFront, from_client(bed.packet(40'000, kSyn)), DropReason::no_snat_port);
  EXPECT_EQ(bed->service_total(ServiceSlot{0}, &ServiceCounters::no_snat_port), 1u);
}

Bytes syn_with_mss(const wire::Flow& flow, uint16_t mss) {
  Bytes segment = wire::joined(wire::tcp(flow, kSyn, {}), {2, 4, uint8_t(mss >> 8), uint8_t(mss)});
  segment[12] = 0x60;
  wire::set16(segment, 16, 0);
  wire::set16(segment, 16, wire::checksum(wire::joined(wire::pseudo_header(flow.src, flow.dst, 6, 24), segment)));
  return wire::ip(flow.src, flow.dst, 6, segment);
}

TEST(Direct_mss_clamp, lets_replies_fit_the_way_of_requests) {
  for (const TunnelCase& direct : kDirectCases) {
    for (const bool clamp : {true, false}) {
      TestService service = DirectBed::service(direct, Proto::tcp);
      service.mss_clamp = clamp;
      DirectBed bed(direct, Proto::tcp, {.services = {service}});
      const unsigned headers = direct.inner == Family::ipv4 ? 40 : 60;
      const unsigned fits = 1500u - headers - encapsulation_bytes(direct.encapsulation, direct.outer);
      const Unwrapped got = bed.forwarded(syn_with_mss(bed.client_flow(), 1500));
      EXPECT_EQ(wire::get16(got.inner, got.inner.size() - 2), clamp ? fits : 1500u) << direct.name;
      EXPECT_EQ(wire::wrong_checksum(wire::ether(kBackMac, kBackendMac, got.inner)), "");
      EXPECT_EQ(bed->total(&WorkerCounters::mss_clamped), clamp ? 1u : 0u);
    }
  }
}

}  // namespace
}  // namespace millrace
