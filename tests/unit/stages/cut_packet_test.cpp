// cut_packet_test.cpp: packets without DF that are too large for their way, whole ones and fragments.
#include <gtest/gtest.h>

#include "tests/unit/stages/testbed.h"
#include "tests/unit/stages/wire_fragments.h"

namespace millrace {
namespace {

using wire::Bytes;

TestbedOptions narrow_options() {
  TestbedOptions options;
  options.mtu_bytes = 576;
  options.services = {TestService{.mode = Mode::fullnat, .proto = Proto::udp}};
  return options;
}
const wire::Flow kClient = flow("192.0.2.10", 40'000, "203.0.113.10", 80);

Bytes payload(size_t count) {
  Bytes out(count);
  for (size_t i = 0; i < count; ++i) out[i] = static_cast<uint8_t>(i ^ i >> 8);
  return out;
}

void expect_pieces(const std::vector<Bytes>& got, size_t count, const Bytes& data) {
  EXPECT_EQ(got.size(), count);
  for (const Bytes& frame : got) {
    EXPECT_LE(frame.size(), 14 + 576u);
    EXPECT_EQ(wire::checksum(wire::slice(frame, 14, 14 + wire::ip_header_bytes(wire::slice(frame, 14, 34)))), 0);
    EXPECT_EQ(Bytes(frame.begin(), frame.begin() + 6), Bytes(kBackendMac.bytes.begin(), kBackendMac.bytes.end()));
  }
  const std::optional<Bytes> whole = wire::reassembled(got);
  ASSERT_TRUE(whole.has_value());
  EXPECT_EQ(wire::wrong_checksum(*whole), "");
  const Seen at = seen(*whole);
  EXPECT_EQ(Bytes(at.l4.begin() + 8, at.l4.end()), data);
}

TEST(Cut_packet, rfc791_without_df_it_leaves_in_fragments) {
  Testbed bed(narrow_options());
  const Bytes data = payload(1'400);
  bed.send(kFront, from_client(udp_packet(kClient, data, true, {.fragment = 0})));
  bed.run();
  expect_pieces(bed.received(kBack), 3, data);
  EXPECT_EQ(bed.total(&WorkerCounters::packets_cut), 1u);
  EXPECT_EQ(bed.total(&WorkerCounters::originated), 2u);
}

TEST(Cut_packet, rfc1812_fragments_are_cut_again) {
  Testbed bed(narrow_options());
  const Bytes data = payload(2'500);
  for (const Bytes& fragment : wire::fragments(udp_packet(kClient, data, true, {.fragment = 0}), 1'000, 7))
    bed.send(kFront, from_client(fragment));
  bed.run();
  expect_pieces(bed.received(kBack), 5, data);
  EXPECT_EQ(bed.total(&WorkerCounters::packets_cut), 2u);
}

TEST(Cut_packet, rfc791_options_that_are_copied_stand_in_every_fragment) {
  Testbed bed(narrow_options());
  const Bytes data = payload(1'400);
  const Bytes security = {0x82, 4, 1, 2};  // its top bit says: copied
  bed.send(kFront, from_client(udp_packet(kClient, data, true, {.fragment = 0, .options = security})));
  bed.run();
  const std::vector<Bytes> got = bed.received(kBack);
  for (const Bytes& frame : got) EXPECT_EQ(wire::slice(frame, 34, 38), security);
  expect_pieces(got, 3, data);
}

TEST(Cut_packet, they_wait_for_the_next_hop_together) {
  TestbedOptions options = narrow_options();
  options.neighbours_resolved = false;
  Testbed bed(options);
  const Bytes data = payload(1'400);
  bed.send(kFront, from_client(udp_packet(kClient, data, true, {.fragment = 0})));
  bed.run();
  EXPECT_TRUE(bed.received(kBack).empty());
  EXPECT_EQ(bed.total(&WorkerCounters::held), 3u);
  bed.resolve(kBack, "10.0.0.1", kBackendMac);
  bed.pass(1);
  expect_pieces(bed.received(kBack), 3, data);
}

// Its sender is told the size when the first fragment comes; about later ones no error is sent (RFC 1812 section 4.3.2.7).
TEST(Cut_packet, with_df_a_first_fragment_is_answered_and_a_later_one_is_not) {
  Testbed bed(narrow_options());
  Bytes packet = udp_packet(kClient, payload(1'600), true, {.fragment = 0});
  std::vector<Bytes> pieces = wire::fragments(packet, 1'000, 7);
  for (Bytes& piece : pieces) {
    piece[6] |= 0x40;
    wire::fix_ip_header(piece);
  }
  const Bytes answer = bed.forwarded(kFront, from_client(pieces.at(0)), kFront);
  EXPECT_EQ(answer.at(34), 3);
  EXPECT_EQ(answer.at(35), 4);
  EXPECT_EQ(wire::get16(answer, 40), 576);
  bed.expect_drop(kFront, from_client(pieces.at(1)), DropReason::mtu_exceeded);
}

}  // namespace
}  // namespace millrace
