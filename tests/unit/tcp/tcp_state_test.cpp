#include "dataplane/tcp/tcp_state.h"

#include <gtest/gtest.h>

#include <initializer_list>
#include <utility>

namespace millrace {
namespace {

using enum ConnState;
constexpr Direction kClient = Direction::forward;
constexpr Direction kBackend = Direction::reverse;

TEST(tcp_event, ranks_rst_over_syn_over_fin) {
  EXPECT_EQ(tcp_event(kTcpSyn), TcpEvent::syn);
  EXPECT_EQ(tcp_event(kTcpSyn | kTcpPsh), TcpEvent::syn) << "TCP fast open carries data";
  EXPECT_EQ(tcp_event(kTcpSyn | 0xc0), TcpEvent::syn) << "ECE and CWR, RFC 3168";
  EXPECT_EQ(tcp_event(kTcpSyn | kTcpAck), TcpEvent::syn_ack);
  EXPECT_EQ(tcp_event(kTcpFin | kTcpAck), TcpEvent::fin);
  EXPECT_EQ(tcp_event(kTcpFin | kTcpPsh | kTcpAck), TcpEvent::fin);
  EXPECT_EQ(tcp_event(kTcpRst), TcpEvent::rst);
  EXPECT_EQ(tcp_event(kTcpRst | kTcpAck), TcpEvent::rst);
  EXPECT_EQ(tcp_event(kTcpRst | kTcpFin | kTcpAck), TcpEvent::rst);
  EXPECT_EQ(tcp_event(kTcpAck), TcpEvent::other);
  EXPECT_EQ(tcp_event(kTcpPsh | kTcpAck), TcpEvent::other);
  EXPECT_EQ(tcp_event(0), TcpEvent::other);
}

// The whole table, written down a second time: state, direction, then the state after syn, syn_ack, fin, rst, other.
TEST(next_state, is_this_table) {
  const struct {
    ConnState state;
    Direction direction;
    ConnState after[5];
  } rows[] = {
      {ConnState::free, kClient, {ConnState::free, ConnState::free, ConnState::free, ConnState::free, ConnState::free}},
      {ConnState::free,
       kBackend,
       {ConnState::free, ConnState::free, ConnState::free, ConnState::free, ConnState::free}},
      {syn_sent, kClient, {syn_sent, syn_sent, syn_sent, closed, syn_sent}},
      {syn_sent, kBackend, {syn_received, syn_received, syn_sent, closed, syn_sent}},
      {syn_received, kClient, {syn_received, established, client_fin, closed, established}},
      {syn_received, kBackend, {syn_received, syn_received, backend_fin, closed, syn_received}},
      {established, kClient, {established, established, client_fin, closed, established}},
      {established, kBackend, {established, established, backend_fin, closed, established}},
      {client_fin, kClient, {client_fin, client_fin, client_fin, closed, client_fin}},
      {client_fin, kBackend, {client_fin, client_fin, time_wait, closed, client_fin}},
      {backend_fin, kClient, {backend_fin, backend_fin, time_wait, closed, backend_fin}},
      {backend_fin, kBackend, {backend_fin, backend_fin, backend_fin, closed, backend_fin}},
      {time_wait, kClient, {time_wait, time_wait, time_wait, time_wait, time_wait}},
      {time_wait, kBackend, {time_wait, syn_received, time_wait, time_wait, time_wait}},
      {closed, kClient, {closed, closed, closed, closed, closed}},
      {closed, kBackend, {closed, closed, closed, closed, closed}},
      {open, kClient, {open, open, open, open, open}},
      {open, kBackend, {open, open, open, open, open}},
      {counted, kClient, {counted, counted, counted, counted, counted}},
      {counted, kBackend, {counted, counted, counted, counted, counted}},
      // A proxied handshake has rules of its own (proxy_handshake.h).
      {hello, kClient, {hello, hello, hello, hello, hello}},
      {hello, kBackend, {hello, hello, hello, hello, hello}},
      {connect, kClient, {connect, connect, connect, connect, connect}},
      {connect, kBackend, {connect, connect, connect, connect, connect}},
      {header, kClient, {header, header, header, header, header}},
      {header, kBackend, {header, header, header, header, header}},
  };
  static_assert(std::size(rows) == 2 * kConnStateCount);
  for (const auto& row : rows)
    for (unsigned event = 0; event < 5; ++event)
      EXPECT_EQ(next_state(row.state, row.direction, static_cast<TcpEvent>(event)), row.after[event])
          << "state " << unsigned{raw(row.state)} << " direction " << static_cast<unsigned>(row.direction) << " event "
          << event;
}

// Segments as they pass, from the state after the client's SYN.
ConnState after(std::initializer_list<std::pair<Direction, uint8_t>> segments) {
  ConnState state = syn_sent;
  for (const auto& [direction, flags] : segments) state = next_state(state, direction, tcp_event(flags));
  return state;
}

constexpr uint8_t kSynAck = kTcpSyn | kTcpAck;
constexpr uint8_t kFinAck = kTcpFin | kTcpAck;
constexpr uint8_t kData = kTcpPsh | kTcpAck;

TEST(next_state, follows_a_connection_that_the_client_closes) {
  EXPECT_EQ(after({{kBackend, kSynAck}, {kClient, kTcpAck}, {kClient, kData}, {kBackend, kData}}), established);
  EXPECT_EQ(after({{kBackend, kSynAck}, {kClient, kTcpAck}, {kClient, kFinAck}, {kBackend, kData}}), client_fin);
  EXPECT_EQ(
      after({{kBackend, kSynAck}, {kClient, kTcpAck}, {kClient, kFinAck}, {kBackend, kFinAck}, {kClient, kTcpAck}}),
      time_wait);
}

TEST(next_state, follows_a_connection_that_the_backend_closes) {
  EXPECT_EQ(after({{kBackend, kSynAck}, {kClient, kTcpAck}, {kBackend, kFinAck}, {kClient, kData}}), backend_fin);
  EXPECT_EQ(
      after({{kBackend, kSynAck}, {kClient, kTcpAck}, {kBackend, kFinAck}, {kClient, kFinAck}, {kBackend, kTcpAck}}),
      time_wait);
}

TEST(next_state, takes_lost_and_repeated_handshake_segments) {
  EXPECT_EQ(
      after({{kClient, kTcpSyn}, {kBackend, kSynAck}, {kClient, kTcpSyn}, {kBackend, kSynAck}, {kClient, kTcpAck}}),
      established);
  EXPECT_EQ(after({{kBackend, kSynAck}, {kClient, kData}}), established) << "the bare ACK was lost";
}

TEST(next_state, takes_a_simultaneous_connect) {
  EXPECT_EQ(after({{kBackend, kTcpSyn}, {kClient, kSynAck}, {kBackend, kSynAck}}), established);
}

TEST(next_state, takes_a_spoilt_state_for_closed) {
  EXPECT_EQ(next_state(static_cast<ConnState>(kConnStateCount), kClient, TcpEvent::syn), closed);
  EXPECT_EQ(next_state(static_cast<ConnState>(255), kBackend, TcpEvent::other), closed);
}

TEST(state_timeout_ms, comes_from_the_settings_or_the_rfcs) {
  const SettingsCommand settings{.syn_sent_timeout_ms = 1,
                                 .syn_received_timeout_ms = 2,
                                 .fin_wait_timeout_ms = 3,
                                 .time_wait_timeout_ms = 4,
                                 .closed_timeout_ms = 5};
  EXPECT_EQ(state_timeout_ms(syn_sent, settings), 1u);
  EXPECT_EQ(state_timeout_ms(syn_received, settings), 2u);
  EXPECT_EQ(state_timeout_ms(client_fin, settings), 3u);
  EXPECT_EQ(state_timeout_ms(backend_fin, settings), 3u);
  EXPECT_EQ(state_timeout_ms(time_wait, settings), 4u);
  EXPECT_EQ(state_timeout_ms(closed, settings), 5u);
  EXPECT_EQ(state_timeout_ms(established, settings), 7'440'000u);
  EXPECT_EQ(state_timeout_ms(open, settings), 300'000u);
  EXPECT_EQ(state_timeout_ms(ConnState::free, settings), 0u);
  EXPECT_EQ(state_timeout_ms(static_cast<ConnState>(200), settings), 0u) << "a spoilt state ends at once";
}

TEST(impossible_flags, are_those_that_no_stack_sends) {
  for (unsigned flags = 0; flags < 256; ++flags) {
    const bool syn = flags & kTcpSyn, fin = flags & kTcpFin, rst = flags & kTcpRst, ack = flags & kTcpAck;
    const bool impossible = (syn && fin) || (syn && rst) || (fin && !ack) || (!syn && !rst && !ack);
    EXPECT_EQ(impossible_flags(static_cast<uint8_t>(flags)), impossible) << "flags " << flags;
  }
  // The common ones by name, should the rule above ever be changed together with the code.
  for (uint8_t flags : {kTcpSyn, kSynAck, kTcpAck, kData, kFinAck, kTcpRst, uint8_t{kTcpRst | kTcpAck},
                        uint8_t{kTcpSyn | 0xc0}, uint8_t{kTcpFin | kTcpPsh | kTcpAck}})
    EXPECT_FALSE(impossible_flags(flags)) << unsigned{flags};
  for (uint8_t flags : {uint8_t{0}, kTcpFin, kTcpPsh, uint8_t{kTcpSyn | kTcpFin}, uint8_t{kTcpSyn | kTcpRst},
                        uint8_t{0xff}, uint8_t{0x29} /* Xmas: FIN, PSH, URG */})
    EXPECT_TRUE(impossible_flags(flags)) << unsigned{flags};
}

TEST(next_client_state, follows_what_the_client_alone_says) {
  const auto after = [](std::initializer_list<TcpEvent> events) {
    ConnState state = ConnState::syn_sent;
    for (const TcpEvent event : events) state = next_client_state(state, event);
    return state;
  };
  using enum TcpEvent;
  EXPECT_EQ(after({}), ConnState::syn_sent);
  EXPECT_EQ(after({syn, syn}), ConnState::syn_sent) << "retransmissions";
  EXPECT_EQ(after({other}), ConnState::established);
  EXPECT_EQ(after({other, syn}), ConnState::established) << "RFC 5961 section 4: the ends judge";
  EXPECT_EQ(after({other, fin}), ConnState::client_fin);
  EXPECT_EQ(after({other, fin, other}), ConnState::client_fin) << "acknowledges what the backend still sends";
  EXPECT_EQ(after({other, rst}), ConnState::closed);
  EXPECT_EQ(after({other, rst, other}), ConnState::established) << "the reset was blind";
}

TEST(client_reopens, once_the_client_has_closed_or_reset) {
  EXPECT_TRUE(client_reopens(ConnState::client_fin));
  EXPECT_TRUE(client_reopens(ConnState::closed));
  EXPECT_FALSE(client_reopens(ConnState::syn_sent));
  EXPECT_FALSE(client_reopens(ConnState::established));
}

}  // namespace
}  // namespace millrace
