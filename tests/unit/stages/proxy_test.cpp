// A proxied connection from SYN to splice, packet by packet. tests/tcp drives the same from outside, tests/sim at random.
#include <gtest/gtest.h>

#include "dataplane/stages/proxy_handshake.h"
#include "dataplane/stages/proxy_say.h"
#include "dataplane/stages/splice_timestamps.h"
#include "tests/unit/stages/proxy_fixture.h"

namespace millrace {
namespace {

INSTANTIATE_TEST_SUITE_P(families, Proxy, kFamilies, family_name);

TEST_P(Proxy, syn_is_answered_with_a_closed_window_and_remembered_nowhere) {
  const Talk answer = send_syn();
  EXPECT_EQ(answer.flags, kSynAck);
  EXPECT_EQ(answer.ack, kClientIsn + 1);
  EXPECT_EQ(answer.window, 0);
  EXPECT_EQ(answer.options.mss, mss_of_family());
  EXPECT_EQ(answer.options.window_scale, kOwnWindowScale);
  EXPECT_TRUE(answer.options.sack_permitted);
  EXPECT_EQ(answer.options.ts_echo, kClientClock);
  EXPECT_EQ(state(), ConnState::free);
  EXPECT_TRUE(heard(kBack).empty());
  EXPECT_EQ(bed_.total(&WorkerCounters::cookies_sent), 1u);
}

TEST_P(Proxy, ack_of_the_cookie_connects_a_backend_with_what_the_client_offered) {
  send_syn();
  const Talk syn = send_ack();
  EXPECT_EQ(syn.flags, kSyn);
  EXPECT_EQ(syn.options.mss, mss_of_family() - kTimestampOptionBytes);  // until the backend is known to have timestamps
  EXPECT_EQ(syn.options.window_scale, 9);
  EXPECT_TRUE(syn.options.sack_permitted);
  EXPECT_TRUE(syn.options.timestamps);
  EXPECT_EQ(syn.window, 65535);  // 512 << 9 is more
  EXPECT_TRUE(heard(kFront).empty());
  EXPECT_EQ(state(), ConnState::connect);
}

// Its ACK was lost, and the backend would speak first.
TEST_P(Proxy, answer_to_a_syn_is_said_again_until_the_client_comes_back) {
  const Talk first = send_syn();
  bed_.pass(1000);
  const Talk again = heard_one(kFront);
  EXPECT_EQ(again.seq, first.seq);
  EXPECT_EQ(again.ack, first.ack);
  EXPECT_EQ(again.flags, kSynAck);
  EXPECT_EQ(again.options.window_scale, first.options.window_scale);
  EXPECT_EQ(again.options.ts_echo, kClientClock);
  send_ack();
  send_syn_ack();
  EXPECT_EQ(heard(kFront).size(), 1u);
  bed_.pass(2000);
  EXPECT_TRUE(heard(kFront).empty());
  EXPECT_EQ(bed_.total(&WorkerCounters::cookies_repeated), 1u);
}

TEST_P(Proxy, answer_to_a_syn_is_said_three_times_at_most) {
  send_syn();
  bed_.pass(1000);
  bed_.pass(2000);
  EXPECT_EQ(heard(kFront).size(), 2u);
  bed_.pass(20'000);
  EXPECT_TRUE(heard(kFront).empty());
}

TEST_P(Proxy, wrong_cookie_is_dropped) {
  send_syn();
  bed_.expect_drop(kFront, from_client(packet_of(client_talk(kAck, kClientIsn + 1, cookie_ + 2))),
                   DropReason::bad_cookie);
  bed_.expect_drop(kFront, from_client(packet_of(client_talk(kAck, kClientIsn + 9, cookie_ + 1))),
                   DropReason::bad_cookie);
}

TEST_P(Proxy, cookie_outlives_one_change_of_secret_and_not_two) {
  send_syn();
  bed_.pass(kCookieEpochMs);
  const wire::Bytes ack = from_client(packet_of(client_talk(kAck, kClientIsn + 1, cookie_ + 1)));
  send_ack();
  EXPECT_EQ(state(), ConnState::connect);
  client_says(client_talk(kRst, kClientIsn + 1, 0));
  EXPECT_EQ(state(), ConnState::closed);
  bed_.pass(kCookieEpochMs);
  bed_.received(kFront);
  bed_.received(kBack);
  bed_.expect_drop(kFront, ack, DropReason::bad_cookie);
}

TEST_P(Proxy, backend_answers_and_both_sides_are_told) {
  send_syn();
  send_ack();
  send_syn_ack();
  const Talk to_backend = heard_one(kBack);
  EXPECT_EQ(to_backend.flags, kAck);
  EXPECT_EQ(to_backend.seq, our_isn_ + 1);
  EXPECT_EQ(to_backend.ack, kBackendIsn + 1);
  EXPECT_EQ(to_backend.window, 512);
  EXPECT_EQ(to_backend.options.ts_echo, kBackendClock);
  const Talk to_client = heard_one(kFront);
  EXPECT_EQ(to_client.flags, kAck);
  EXPECT_EQ(to_client.seq, cookie_ + 1);
  EXPECT_EQ(to_client.ack, kClientIsn + 1);
  EXPECT_EQ(to_client.window, 65160 >> kOwnWindowScale);
  EXPECT_EQ(to_client.options.ts_value, cookie_clock_);
  EXPECT_EQ(state(), ConnState::established);
}

TEST_P(Proxy, a_backend_that_has_timestamps_may_use_the_whole_mss_from_then_on) {
  splice();
  Talk syn{.flow = to_vip(), .seq = 5, .flags = kSyn, .window = 64240};
  syn.flow.src_port = 4001;
  syn.options = {.mss = 1460, .timestamps = true};
  client_says(syn);
  Talk ack = syn;
  ack.seq = 6;
  ack.ack = heard_one(kFront).seq + 1;
  ack.flags = kAck;
  ack.options.mss = 0;
  client_says(ack);
  EXPECT_EQ(heard_one(kBack).options.mss, mss_of_family());
}

TEST_P(Proxy, data_goes_both_ways_in_the_other_sides_numbers) {
  splice();
  client_says(client_talk(kAck | 8, kClientIsn + 1, cookie_ + 1, hello_text()));
  const Talk forward = heard_one(kBack);
  EXPECT_EQ(forward.seq, our_isn_ + 1);
  EXPECT_EQ(forward.ack, kBackendIsn + 1);
  EXPECT_EQ(forward.window, 512);
  EXPECT_EQ(forward.payload, hello_text());
  EXPECT_EQ(forward.options.ts_value, our_clock_ + 0);  // the same clock reading as in the SYN
  EXPECT_EQ(forward.options.ts_echo, kBackendClock);

  Talk answer = backend_talk(kAck, kBackendIsn + 1, our_isn_ + 6, {1, 2, 3});
  answer.options.sack = {{our_isn_ + 20, our_isn_ + 30}};
  backend_says(answer);
  const Talk reverse = heard_one(kFront);
  EXPECT_EQ(reverse.seq, cookie_ + 1);
  EXPECT_EQ(reverse.ack, kClientIsn + 6);
  EXPECT_EQ(reverse.window, 1000);
  EXPECT_EQ(reverse.options.ts_value, cookie_clock_ + 3);
  EXPECT_EQ(reverse.options.ts_echo, kClientClock + 5);
  ASSERT_EQ(reverse.options.sack.size(), 1u);
  EXPECT_EQ(reverse.options.sack[0].first, kClientIsn + 20);
  EXPECT_EQ(reverse.options.sack[0].second, kClientIsn + 30);
}

// Linux compares the quoted number with what it has in flight.
TEST_P(Proxy, icmp_error_quotes_the_clients_own_numbers) {
  splice();
  client_says(client_talk(kAck, kClientIsn + 1, cookie_ + 1, hello_text()));
  const std::vector<wire::Bytes> sent = bed_.received(kBack);
  ASSERT_EQ(sent.size(), 1u);
  const wire::Bytes quote(sent[0].begin() + 14, sent[0].end());
  const bool ipv4 = reply_.src.is_ipv4();
  const wire::Bytes message = wire::icmp(reply_.src, reply_.dst, ipv4 ? 3 : 2, ipv4 ? 4 : 0, 1400, quote);
  bed_.send(kBack, from_backend(wire::ip(reply_.src, reply_.dst, ipv4 ? 1 : 58, message)));
  bed_.run();
  const std::vector<wire::Bytes> told = bed_.received(kFront);
  ASSERT_EQ(told.size(), 1u);
  EXPECT_EQ(wire::wrong_checksum(told[0]), "");
  const size_t quote_at = 14 + (ipv4 ? 20 : 40) + 8;
  const wire::Bytes quoted(told[0].begin() + static_cast<long>(quote_at), told[0].end());
  const Talk talk = read_talk(wire::joined(wire::first(told[0], 14), quoted));
  EXPECT_EQ(talk.flow.src, to_vip().src);
  EXPECT_EQ(talk.seq, kClientIsn + 1);
  EXPECT_EQ(talk.ack, cookie_ + 1);
}

TEST_P(Proxy, blind_reset_ends_nothing_and_an_exact_one_does) {
  splice();
  client_says(client_talk(kRst, kClientIsn + 100, 0));
  EXPECT_EQ(heard_one(kBack).seq, our_isn_ + 100);  // the backend's to challenge
  EXPECT_EQ(state(), ConnState::established);
  client_says(client_talk(kRst, kClientIsn + 1, 0));
  EXPECT_EQ(state(), ConnState::closed);
}

TEST_P(Proxy, syn_within_the_connection_stays_here) {
  splice();
  Talk syn{.flow = to_vip(), .seq = kClientIsn + 5000, .flags = kSyn, .window = 64240};
  client_says(syn);
  EXPECT_TRUE(heard(kBack).empty());
  const Talk challenge = heard_one(kFront);
  EXPECT_EQ(challenge.flags, kAck);
  EXPECT_EQ(challenge.seq, cookie_);
  EXPECT_EQ(challenge.ack, kClientIsn + 1);
  EXPECT_EQ(state(), ConnState::established);
  // A client that has forgotten the connection resets it, and its next SYN begins another.
  client_says(client_talk(kRst, kClientIsn + 1, 0));
  EXPECT_EQ(heard_one(kBack).flags, kRst);
  client_says(syn);
  EXPECT_EQ(heard_one(kFront).flags, kSynAck);
  EXPECT_EQ(state(), ConnState::free);
}

TEST_P(Proxy, late_syn_does_not_end_what_both_sides_have_closed) {
  splice();
  client_says(client_talk(kFinAck, kClientIsn + 1, cookie_ + 1));
  backend_says(backend_talk(kFinAck, kBackendIsn + 1, our_isn_ + 2));
  heard(kBack);
  heard(kFront);
  EXPECT_EQ(state(), ConnState::time_wait);
  client_says({.flow = to_vip(), .seq = kClientIsn, .flags = kSyn, .window = 64240});
  EXPECT_EQ(heard_one(kFront).flags, kAck);
  EXPECT_EQ(state(), ConnState::time_wait);
  client_says({.flow = to_vip(), .seq = kClientIsn + 70'000, .flags = kSyn, .window = 64240});
  EXPECT_EQ(heard_one(kFront).flags, kSynAck);
}

// The SYN ends the old connection while the reset is still on its way in the same burst.
TEST_P(Proxy, reset_reaches_the_backend_although_a_new_connection_follows) {
  splice();
  const BackendSlot backend = bed_.only_connection()->backend;
  const uint64_t before = bed_.backend_total(backend, &BackendCounters::forward_packets);
  bed_.send(kFront, from_client(packet_of(client_talk(kRst, kClientIsn + 1, 0))));
  send_syn();
  const Talk reset = heard_one(kBack);
  EXPECT_EQ(reset.flags, kRst);
  EXPECT_EQ(reset.seq, our_isn_ + 1);
  EXPECT_EQ(bed_.backend_total(backend, &BackendCounters::forward_packets), before + 1);
  EXPECT_EQ(bed_.backend_total(backend, &BackendCounters::active), 0u);
  send_ack();
  EXPECT_EQ(state(), ConnState::connect);
}

TEST_P(Proxy, half_close_lets_the_other_side_go_on) {
  splice();
  client_says(client_talk(kFinAck, kClientIsn + 1, cookie_ + 1));
  EXPECT_EQ(heard_one(kBack).flags, kFinAck);
  EXPECT_EQ(state(), ConnState::client_fin);
  backend_says(backend_talk(kAck, kBackendIsn + 1, our_isn_ + 2, hello_text()));
  EXPECT_EQ(heard_one(kFront).ack, kClientIsn + 2);
  backend_says(backend_talk(kFinAck, kBackendIsn + 6, our_isn_ + 2));
  EXPECT_EQ(heard_one(kFront).seq, cookie_ + 6);
  EXPECT_EQ(state(), ConnState::time_wait);
}

// Until the splice nobody but us would see it.
TEST_P(Proxy, corrupt_segment_of_the_handshake_is_dropped) {
  const auto corrupt = [](wire::Bytes frame) {
    frame.back() ^= 1;
    return frame;
  };
  send_syn();
  send_ack();
  bed_.expect_drop(kFront, corrupt(from_client(packet_of(client_talk(kRst, kClientIsn + 1, 0)))),
                   DropReason::bad_l4_checksum);
  for (const uint8_t flags : {kRstAck, kSynAck})
    bed_.expect_drop(kBack, corrupt(from_backend(packet_of(backend_talk(flags, kBackendIsn, our_isn_ + 1)))),
                     DropReason::bad_l4_checksum);
  EXPECT_EQ(state(), ConnState::connect);
  send_syn_ack();
  EXPECT_EQ(state(), ConnState::established);
}

TEST_P(Proxy, probe_of_the_closed_window_is_answered) {
  send_syn();
  send_ack();
  client_says(client_talk(kAck, kClientIsn, cookie_ + 1));
  const Talk answer = heard_one(kFront);
  EXPECT_EQ(answer.flags, kAck);
  EXPECT_EQ(answer.window, 0);
  EXPECT_EQ(answer.ack, kClientIsn + 1);
}

// The ACK of the handshake was lost; a client with something to say probes until its window opens.
TEST_P(Proxy, probe_alone_proves_the_client) {
  send_syn();
  client_says(client_talk(kAck, kClientIsn, cookie_ + 1));
  EXPECT_EQ(take_syn().flags, kSyn);
  EXPECT_EQ(state(), ConnState::connect);
}

TEST_P(Proxy, syn_ack_again_is_acknowledged_again) {
  splice();
  send_syn_ack();
  const Talk answer = heard_one(kBack);
  EXPECT_EQ(answer.flags, kAck);
  EXPECT_EQ(answer.seq, our_isn_ + 1);
  EXPECT_TRUE(heard(kFront).empty());
}

// The client was promised timestamps before anybody could know the backend.
TEST_P(Proxy, backend_without_timestamps_gets_none_and_the_client_has_its_own) {
  send_syn();
  send_ack();
  Talk answer = backend_talk(kSynAck, kBackendIsn, our_isn_ + 1);
  answer.options = {.mss = 1400};  // neither SACK nor window scale
  backend_says(answer);
  const Talk to_backend = heard_one(kBack);
  EXPECT_FALSE(to_backend.options.timestamps);
  EXPECT_EQ(to_backend.window, 65535);  // 512 << 9 is more
  EXPECT_TRUE(heard_one(kFront).options.timestamps);

  Talk data = client_talk(kAck, kClientIsn + 1, cookie_ + 1, hello_text());
  data.options.ts_value = kClientClock + 40;
  data.options.sack = {{cookie_ + 1, cookie_ + 2}};
  client_says(data);
  const Talk forward = heard_one(kBack);
  EXPECT_FALSE(forward.options.timestamps);
  EXPECT_TRUE(forward.options.sack.empty());
  EXPECT_EQ(forward.payload, hello_text());

  bed_.pass(100);
  Talk reply = backend_talk(kAck, kBackendIsn + 1, our_isn_ + 6, {1, 2, 3});
  reply.options = {};
  reply.window = 12800;
  backend_says(reply);
  const Talk reverse = heard_one(kFront);
  EXPECT_TRUE(reverse.options.timestamps);
  EXPECT_GE(reverse.options.ts_value - cookie_clock_, 100u);
  EXPECT_EQ(reverse.options.ts_echo, kClientClock + 40);
  EXPECT_EQ(reverse.payload, (wire::Bytes{1, 2, 3}));
  EXPECT_EQ(reverse.window, 12800 >> kOwnWindowScale);
}

}  // namespace
}  // namespace millrace
