// fragments_test.cpp: packets in fragments through workers: every mode, family, protocol and order; what is refused.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "dataplane/stages/datagram_table.h"
#include "tests/unit/stages/testbed.h"
#include "tests/unit/stages/wire_fragments.h"

namespace millrace {
namespace {

using wire::addr;
using wire::Bytes;

constexpr size_t kPieceBytes = 400;

Bytes payload_of(size_t count) {
  Bytes out(count);
  for (size_t i = 0; i < count; ++i) out[i] = static_cast<uint8_t>(i * 7 + i / 256);
  return out;
}

std::vector<Bytes> framed(const std::vector<Bytes>& packets, Bytes (*frame)(const Bytes&)) {
  std::vector<Bytes> out;
  for (const Bytes& packet : packets) out.push_back(frame(packet));
  return out;
}

struct WayCase {
  Mode mode;
  Proto proto;
  FamilyCase family;
  unsigned workers;
};

std::string name_of(const testing::TestParamInfo<WayCase>& info) {
  const WayCase& c = info.param;
  return std::string(c.mode == Mode::nat ? "nat" : "fullnat") + "_" + (c.proto == Proto::tcp ? "tcp" : "udp") + "_" +
         c.family.name + "_" + std::to_string(c.workers) + "_workers";
}

std::vector<WayCase> every_way() {
  std::vector<WayCase> out;
  for (const Mode mode : {Mode::fullnat, Mode::nat})
    for (const Proto proto : {Proto::udp, Proto::tcp})
      for (const FamilyCase& family : {kIpv4Case, kIpv6Case})
        for (const unsigned workers : {1u, 2u, 4u}) out.push_back({mode, proto, family, workers});
  return out;
}

TestbedOptions options_for(Mode mode, Proto proto, unsigned workers = 1) {
  TestbedOptions options;
  options.workers = workers;
  options.services = {TestService{.mode = mode, .proto = proto}};
  return options;
}

// A client that talks to the service, and the flow on both sides of us.
class Fragments : public testing::TestWithParam<WayCase> {
 protected:
  Fragments() : bed_(options_for(GetParam().mode, GetParam().proto, GetParam().workers)) {}

  Bytes packet(const wire::Flow& flow, const Bytes& payload) const {
    return GetParam().proto == Proto::tcp ? tcp_packet(flow, kAck, payload) : udp_packet(flow, payload);
  }
  // Opens a connection; returns the flow of its backend's packets.
  wire::Flow open(const wire::Flow& client) {
    const bool tcp = GetParam().proto == Proto::tcp;
    const Bytes begin = tcp ? tcp_packet(client, kSyn) : udp_packet(client);
    const Seen at = seen(bed_.forwarded(kFront, from_client(begin), kBack));
    const wire::Flow answer{at.dst, at.src, at.dst_port, at.src_port};
    if (tcp) {
      bed_.forwarded(kBack, from_backend(tcp_packet(answer, kSynAck)), kFront);
      bed_.forwarded(kFront, from_client(tcp_packet(client, kAck)), kBack);
    }
    return answer;
  }
  // Frames come in on whatever queue, a turn of all workers in between or not.
  void send_scattered(PortIndex in, const std::vector<Bytes>& frames) {
    for (const Bytes& frame : frames) {
      bed_.send(in, frame, static_cast<uint16_t>(random_() % GetParam().workers));
      if (random_() % 2 == 0) bed_.run();
    }
    bed_.run();
  }
  // All of the datagram comes out there, translated like a whole packet.
  void expect_through(PortIndex in, std::vector<Bytes> frames, PortIndex out, const wire::Flow& there,
                      const Bytes& payload) {
    send_scattered(in, frames);
    const std::vector<Bytes> got = bed_.received(out);
    EXPECT_EQ(got.size(), frames.size());
    const std::optional<Bytes> whole = wire::reassembled(got);
    ASSERT_TRUE(whole.has_value());
    EXPECT_EQ(wire::wrong_checksum(*whole), "");
    const Seen at = seen(*whole);
    EXPECT_EQ(at.src, there.src);
    EXPECT_EQ(at.dst, there.dst);
    EXPECT_EQ(at.src_port, there.src_port);
    EXPECT_EQ(at.dst_port, there.dst_port);
    EXPECT_EQ(at.ttl, 63);
    EXPECT_EQ(Bytes(at.l4.end() - static_cast<long>(payload.size()), at.l4.end()), payload);
    EXPECT_EQ(bed_.total(&WorkerCounters::held), 0u);
  }
  wire::Flow client(uint16_t port) const { return flow(GetParam().family.client, port, GetParam().family.vip, 80); }

  std::mt19937 random_{4963};
  Testbed bed_;
};

TEST_P(Fragments, both_directions_in_any_order) {
  const Bytes payload = payload_of(3'000);
  uint32_t id = 77;
  for (uint16_t port = 40'000; port < 40'010; ++port) {
    const wire::Flow there = client(port);
    const wire::Flow answer = open(there);
    const wire::Flow at_backend{answer.dst, answer.src, answer.dst_port, answer.src_port};
    const wire::Flow at_client{there.dst, there.src, there.dst_port, there.src_port};
    for (unsigned shuffle = 0; shuffle < 4; ++shuffle) {
      std::vector<Bytes> frames = framed(wire::fragments(packet(there, payload), kPieceBytes, ++id), from_client);
      std::vector<Bytes> answers = framed(wire::fragments(packet(answer, payload), kPieceBytes, ++id), from_backend);
      if (shuffle == 1) std::reverse(frames.begin(), frames.end());
      if (shuffle > 1) std::shuffle(frames.begin(), frames.end(), random_);
      if (shuffle > 0) std::shuffle(answers.begin(), answers.end(), random_);
      expect_through(kFront, frames, kBack, at_backend, payload);
      expect_through(kBack, answers, kFront, at_client, payload);
    }
  }
  EXPECT_GT(bed_.total(&WorkerCounters::fragments_followed), 0u);
}

INSTANTIATE_TEST_SUITE_P(Way, Fragments, testing::ValuesIn(every_way()), name_of);

// A UDP flow whose very first packet is cut: its first fragment opens the connection.
class Fragmented_udp : public testing::TestWithParam<unsigned> {};

TEST_P(Fragmented_udp, the_first_packet_of_a_flow_may_be_in_fragments) {
  Testbed bed(options_for(Mode::fullnat, Proto::udp, GetParam()));
  uint32_t id = 1;
  for (const FamilyCase& family : {kIpv4Case, kIpv6Case})
    for (uint16_t port = 41'000; port < 41'016; ++port) {
      std::vector<Bytes> frames =
          framed(wire::fragments(udp_packet(flow(family.client, port, family.vip, 80), payload_of(2'000)), 1'000, ++id),
                 from_client);
      if (port % 2) std::reverse(frames.begin(), frames.end());
      for (const Bytes& frame : frames) bed.send(kFront, frame, static_cast<uint16_t>(port % GetParam()));
      bed.run();
      const std::optional<Bytes> whole = wire::reassembled(bed.received(kBack));
      ASSERT_TRUE(whole.has_value()) << family.name << " " << port;
      EXPECT_EQ(wire::wrong_checksum(*whole), "");
    }
  EXPECT_EQ(bed.total(&WorkerCounters::connections_opened), 32u);
}

INSTANTIATE_TEST_SUITE_P(Workers, Fragmented_udp, testing::Values(1u, 2u, 4u));

// What is refused ------------------------------------------------------------------------------------------------------

class Refused : public testing::TestWithParam<FamilyCase> {
 protected:
  Refused() : bed_(options_for(Mode::fullnat, Proto::udp)) {}

  Bytes datagram(uint16_t port = 40'000, size_t bytes = 1'200) const {
    return udp_packet(flow(GetParam().client, port, GetParam().vip, 80), payload_of(bytes));
  }
  Bytes piece(size_t from, size_t to, bool more, uint32_t id = 9) const {
    return from_client(wire::fragment(datagram(), from, to, id, more));
  }
  void expect_passes(const Bytes& frame) {
    bed_.send(kFront, frame);
    bed_.run();
    EXPECT_EQ(bed_.received(kBack).size(), 1u);
  }
  void expect_held(const Bytes& frame) {
    const uint64_t before = bed_.total(&WorkerCounters::held);
    bed_.send(kFront, frame);
    bed_.run();
    EXPECT_EQ(bed_.total(&WorkerCounters::held), before + 1);
    EXPECT_TRUE(bed_.received(kBack).empty());
  }

  Testbed bed_;
};

TEST_P(Refused, a_duplicate_ends_alone) {
  expect_passes(piece(0, 400, true));
  expect_passes(piece(400, 800, true));
  bed_.expect_drop(kFront, piece(400, 800, true), DropReason::fragment_overlap);
  bed_.expect_drop(kFront, piece(0, 400, true), DropReason::fragment_overlap);
  expect_passes(piece(800, 1'208, false));
}

TEST_P(Refused, rfc5722_an_overlap_ends_the_datagram) {
  expect_passes(piece(0, 400, true));
  bed_.expect_drop(kFront, piece(392, 800, true), DropReason::fragment_overlap);
  bed_.expect_drop(kFront, piece(400, 800, true), DropReason::fragment_overlap);
  bed_.expect_drop(kFront, piece(800, 1'208, false), DropReason::fragment_overlap);
  expect_passes(piece(0, 400, true, 10));
}

TEST_P(Refused, rfc5722_also_what_waits) {
  expect_held(piece(400, 800, true));
  expect_held(piece(800, 1'208, false));
  bed_.send(kFront, piece(0, 408, true));
  bed_.run();
  EXPECT_EQ(bed_.dropped(DropReason::fragment_overlap), 3u);
  EXPECT_EQ(bed_.total(&WorkerCounters::held), 0u);
}

TEST_P(Refused, a_second_end) {
  expect_passes(piece(0, 400, true));
  expect_held(piece(800, 1'208, false, 11));
  bed_.send(kFront, piece(400, 800, false, 11));
  bed_.run();
  EXPECT_EQ(bed_.dropped(DropReason::fragment_overlap), 2u);
}

TEST_P(Refused, pieces_that_are_no_multiple_of_8) {
  bed_.expect_drop(kFront, piece(0, 404, true), DropReason::fragment);
  bed_.expect_drop(kFront, piece(400, 799, true), DropReason::fragment);
}

TEST_P(Refused, longer_than_a_packet_can_be) {
  Bytes frame = piece(400, 800, false);
  const size_t place_at = 14 + (wire::is_ipv4(datagram()) ? 6 : 42);
  wire::set16(frame, place_at, wire::is_ipv4(datagram()) ? 0x1ff0 : 0x1ff0 << 3);
  Bytes packet = wire::slice(frame, 14, frame.size());
  wire::fix_ip_header(packet);
  bed_.expect_drop(kFront, from_client(packet), DropReason::fragment);
}

TEST_P(Refused, rfc1858_a_first_fragment_without_the_whole_header) {
  const Bytes whole = tcp_packet(flow(GetParam().client, 40'000, GetParam().vip, 80), kAck, payload_of(100));
  bed_.expect_drop(kFront, from_client(wire::fragment(whole, 0, 16, 5, true)), DropReason::fragment_tiny);
  Bytes with_options = whole;
  with_options.at(wire::ip_header_bytes(whole) + 12) = 0xf0;
  bed_.expect_drop(kFront, from_client(wire::fragment(with_options, 0, 56, 6, true)), DropReason::fragment_tiny);
}

TEST_P(Refused, rfc3128_a_fragment_within_the_tcp_header) {
  const Bytes whole = tcp_packet(flow(GetParam().client, 40'000, GetParam().vip, 80), kAck, payload_of(100));
  for (const size_t from : {8u, 16u})
    bed_.expect_drop(kFront, from_client(wire::fragment(whole, from, from + 64, 5, true)), DropReason::fragment_tiny);
}

TEST_P(Refused, a_syn_in_fragments) {
  const Bytes syn = tcp_packet(flow(GetParam().client, 40'000, GetParam().vip, 80), kSyn, payload_of(100));
  bed_.expect_drop(kFront, from_client(wire::fragment(syn, 0, 64, 5, true)), DropReason::fragment);
}

TEST_P(Refused, icmp_in_fragments) {
  const IpAddr client = addr(GetParam().client), vip = addr(GetParam().vip);
  const uint8_t proto = client.is_ipv4() ? 1 : 58, echo = client.is_ipv4() ? 8 : 128;
  const Bytes ping = wire::ip(client, vip, proto, wire::icmp(client, vip, echo, 0, 1, payload_of(200)));
  bed_.expect_drop(kFront, from_client(wire::fragment(ping, 0, 104, 5, true)), DropReason::fragment);
  bed_.expect_drop(kFront, from_client(wire::fragment(ping, 104, 208, 5, false)), DropReason::fragment);
}

TEST_P(Refused, later_fragments_of_what_found_no_service) {
  const Bytes stray = udp_packet(flow(GetParam().client, 40'000, GetParam().vip, 4711), payload_of(800));
  bed_.expect_drop(kFront, from_client(wire::fragment(stray, 0, 400, 5, true)), DropReason::no_service);
  bed_.expect_drop(kFront, from_client(wire::fragment(stray, 400, 808, 5, false)), DropReason::no_service);
}

TEST_P(Refused, later_fragments_of_what_found_no_backend) {
  bed_.state().eligible.set(BackendSlot{0}, false);
  bed_.state().eligible.set(BackendSlot{1}, false);
  bed_.expect_drop(kFront, piece(0, 400, true), DropReason::no_backend);
  bed_.expect_drop(kFront, piece(400, 1'208, false), DropReason::fragment_orphan);
}

TEST_P(Refused, the_first_one_does_not_come_in_time) {
  expect_held(piece(400, 800, true));
  expect_held(piece(800, 1'208, false));
  bed_.pass(kFragmentTimeoutMs - 100);
  EXPECT_EQ(bed_.total(&WorkerCounters::held), 2u);
  bed_.pass(200);
  EXPECT_EQ(bed_.total(&WorkerCounters::held), 0u);
  EXPECT_EQ(bed_.dropped(DropReason::fragment_timeout), 2u);
  expect_passes(piece(0, 400, true));
}

TEST_P(Refused, a_flood_of_later_fragments_loses_its_own) {
  for (uint32_t id = 100; id < 100 + 2 * kHeldFragmentMax; ++id) {
    bed_.send(kFront, piece(400, 800, true, id));
    if (id % 64 == 0) bed_.run();
  }
  bed_.run();
  EXPECT_EQ(bed_.total(&WorkerCounters::held), kHeldFragmentMax);
  EXPECT_EQ(bed_.dropped(DropReason::fragment_full), kHeldFragmentMax);
  // Who comes out of order now still gets through.
  bed_.send(kFront, piece(400, 1'208, false, 50));
  bed_.send(kFront, piece(0, 400, true, 50));
  bed_.run();
  EXPECT_EQ(bed_.received(kBack).size(), 2u);
  bed_.pass(kFragmentTimeoutMs + 100);
  EXPECT_EQ(bed_.total(&WorkerCounters::held), 0u);
}

TEST_P(Refused, so_many_wait_of_one_datagram) {
  const Bytes large = datagram(40'000, 1'400);
  for (unsigned i = 1; i <= kFragmentsPerDatagramMax; ++i)
    expect_held(from_client(wire::fragment(large, 8 * i, 8 * i + 8, 9, true)));
  bed_.expect_drop(kFront, from_client(wire::fragment(large, 8 * 70, 8 * 71, 9, true)), DropReason::fragment_full);
  bed_.pass(kFragmentTimeoutMs + 100);
}

TEST_P(Refused, a_flood_of_first_fragments_leaves_the_newest) {
  expect_passes(piece(0, 400, true, 50));
  for (uint32_t id = 100; id < 100 + kDatagramMax; ++id) {
    bed_.send(kFront, piece(0, 400, true, id));
    if (id % 64 == 0) {
      bed_.run();
      bed_.received(kBack);
    }
  }
  bed_.run();
  bed_.received(kBack);
  expect_passes(piece(400, 800, true, 100 + kDatagramMax - 1));
  expect_held(piece(400, 800, true, 50));
  bed_.pass(kFragmentTimeoutMs + 100);
}

INSTANTIATE_TEST_SUITE_P(Family, Refused, testing::Values(kIpv4Case, kIpv6Case),
                         [](const auto& param) { return std::string(param.param.name); });

// Whose they are -------------------------------------------------------------------------------------------------------

TEST(Fragments_of_others, are_the_kernels_at_once) {
  Testbed bed;
  const Bytes packet = udp_packet(flow("192.0.2.10", 40'000, "198.51.100.1", 80), payload_of(800));
  for (const Bytes& fragment : wire::fragments(packet, 400, 3)) bed.expect_divert(kFront, from_client(fragment));
}

TEST(Fragments_of_others, of_an_address_that_the_kernel_shares_follow_their_first_one_there) {
  TestbedOptions options = options_for(Mode::fullnat, Proto::udp);
  options.snat_kernel_owned = true;
  Testbed bed(options);
  const Bytes packet = udp_packet(flow("10.0.0.1", 53, kIpv4Case.snat, 22), payload_of(800));
  const std::vector<Bytes> pieces = wire::fragments(packet, 400, 3);
  const uint64_t before = bed.total(&WorkerCounters::diverted);
  for (const size_t i : {1u, 2u, 0u}) bed.send(kBack, from_backend(pieces.at(i)));
  bed.run();
  EXPECT_EQ(bed.total(&WorkerCounters::diverted), before + 3);
  // Also those whose first one never comes.
  bed.send(kBack, from_backend(wire::fragments(packet, 400, 4).at(1)));
  bed.run();
  bed.pass(kFragmentTimeoutMs + 100);
  EXPECT_EQ(bed.total(&WorkerCounters::diverted), before + 4);
}

TEST(Fragments_of_others, a_nat_backends_own_traffic) {
  Testbed bed(options_for(Mode::nat, Proto::udp));
  const Bytes packet = udp_packet(flow("10.0.0.1", 9999, "192.0.2.10", 80), payload_of(800));
  for (const Bytes& fragment : wire::fragments(packet, 400, 3)) bed.expect_divert(kBack, from_backend(fragment));
}

}  // namespace
}  // namespace millrace
