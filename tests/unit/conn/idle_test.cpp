#include "dataplane/conn/idle.h"

#include <gtest/gtest.h>

namespace millrace {
namespace {

constexpr uint32_t kMinute = 60'000;
const SettingsCommand kSettings{.syn_sent_timeout_ms = 1001,
                                .syn_received_timeout_ms = 1002,
                                .fin_wait_timeout_ms = 1003,
                                .time_wait_timeout_ms = 1004,
                                .closed_timeout_ms = 1005};

struct Seen {
  Ms opened, client, backend;
};

// due_ms of a connection, with every time moved by `shift`, and the answer moved back.
Ms due(ConnState state, Seen seen, uint32_t client_idle, uint32_t backend_idle, Ms shift = 0) {
  ConnEntry entry{};
  entry.state = state;
  entry.proto = state == ConnState::open || state == ConnState::counted ? Proto::udp : Proto::tcp;
  entry.opened_ms = seen.opened + shift;
  entry.client_seen_ms = seen.client + shift;
  entry.backend_seen_ms = seen.backend + shift;
  return due_ms(entry, client_idle, backend_idle, kSettings) - shift;
}

// At the clock's start, and where the times, or they and the answer, lie on two sides of its wrap.
class due_ms_shifted : public testing::TestWithParam<Ms> {};
INSTANTIATE_TEST_SUITE_P(clock, due_ms_shifted,
                         testing::Values(0, Ms(0) - 1000, Ms(0) - 2500, Ms(0) - 5000, Ms(1) << 31));

TEST_P(due_ms_shifted, established_ends_with_the_first_idle_timeout) {
  const Seen seen{.opened = 500, .client = 2000, .backend = 3000};
  EXPECT_EQ(due(ConnState::established, seen, 5000, 6000, GetParam()), 7000u);
  EXPECT_EQ(due(ConnState::established, seen, 5000, 1000, GetParam()), 4000u);
  EXPECT_EQ(due(ConnState::established, {500, 3000, 2000}, 9000, 9000, GetParam()), 11'000u);
}

TEST_P(due_ms_shifted, zero_sets_no_bound_for_its_side) {
  const Seen seen{.opened = 500, .client = 2000, .backend = 3000};
  EXPECT_EQ(due(ConnState::established, seen, 0, 6000, GetParam()), 9000u);
  EXPECT_EQ(due(ConnState::established, seen, 5000, 0, GetParam()), 7000u);
  EXPECT_EQ(due(ConnState::open, seen, 0, 6000, GetParam()), 9000u);
  EXPECT_EQ(due(ConnState::open, seen, 5000, 0, GetParam()), 7000u);
}

TEST_P(due_ms_shifted, without_any_bound_the_default_of_the_rfc_holds) {
  const Ms tcp = 124 * kMinute, udp = 5 * kMinute;
  EXPECT_EQ(due(ConnState::established, {500, 2000, 3000}, 0, 0, GetParam()), 3000 + tcp);
  EXPECT_EQ(due(ConnState::established, {500, 4000, 3000}, 0, 0, GetParam()), 4000 + tcp);
  EXPECT_EQ(due(ConnState::open, {500, 2000, 3000}, 0, 0, GetParam()), 3000 + udp);
}

TEST_P(due_ms_shifted, a_udp_session_whose_datagrams_are_counted_idles_as_any_other) {
  for (const Seen seen : {Seen{500, 2000, 3000}, Seen{500, 20'000, 500}})
    EXPECT_EQ(due(ConnState::counted, seen, 5000, 6000, GetParam()),
              due(ConnState::open, seen, 5000, 6000, GetParam()));
}

TEST(due_ms, a_udp_session_that_had_its_last_answer_is_due_at_once) {
  ConnEntry entry{};
  entry.state = ConnState::closed;
  entry.proto = Proto::udp;
  entry.client_seen_ms = 700;
  entry.backend_seen_ms = 900;
  EXPECT_EQ(due_ms(entry, 5000, 6000, kSettings), 900u);
}

TEST_P(due_ms_shifted, udp_without_reply_hangs_on_the_client_alone) {
  const Seen silent{.opened = 500, .client = 20'000, .backend = 500};
  EXPECT_EQ(due(ConnState::open, silent, 5000, 1000, GetParam()), 25'000u) << "the backend's silence ends nothing";
  EXPECT_EQ(due(ConnState::open, silent, 60 * kMinute, 1000, GetParam()), 20'000 + 5 * kMinute);
  EXPECT_EQ(due(ConnState::open, silent, 0, 1000, GetParam()), 20'000 + 5 * kMinute);
  EXPECT_EQ(due(ConnState::open, {500, 20'000, 501}, 5000, 1000, GetParam()), 1501u) << "a reply was seen";
}

TEST_P(due_ms_shifted, a_connection_that_was_just_opened_is_not_idle) {
  const Seen now{.opened = 2000, .client = 2000, .backend = 2000};
  EXPECT_EQ(due(ConnState::syn_sent, now, 1, 1, GetParam()), 3001u);
  EXPECT_EQ(due(ConnState::open, now, 700, 1, GetParam()), 2700u);
}

TEST_P(due_ms_shifted, other_states_run_from_the_later_packet_and_ignore_the_service) {
  const struct {
    ConnState state;
    uint32_t timeout_ms;
  } rows[] = {{ConnState::syn_sent, 1001},    {ConnState::syn_received, 1002}, {ConnState::client_fin, 1003},
              {ConnState::backend_fin, 1003}, {ConnState::time_wait, 1004},    {ConnState::closed, 1005}};
  for (const auto& row : rows) {
    EXPECT_EQ(due(row.state, {500, 2000, 3000}, 1, 1, GetParam()), 3000 + row.timeout_ms);
    EXPECT_EQ(due(row.state, {500, 3000, 2000}, 0, 0, GetParam()), 3000 + row.timeout_ms);
  }
}

TEST(due_ms, longest_allowed_timeouts_do_not_wrap_into_the_past) {
  constexpr uint32_t kWeek = 7 * 24 * 3600 * 1000;
  const Ms when = due(ConnState::established, {500, 2000, 3000}, kWeek, kWeek, Ms(0) - 10);
  EXPECT_TRUE(ms_after(when, 3000));
  EXPECT_EQ(when, 2000 + kWeek);
}

TEST(due_ms, of_a_direct_mode_hears_the_client_alone) {
  for (const ConnState state : {ConnState::established, ConnState::open}) {
    ConnEntry entry{};
    entry.mode = Mode::tunnel;
    entry.state = state;
    entry.opened_ms = entry.backend_seen_ms = 500;
    entry.client_seen_ms = 2000;
    EXPECT_EQ(due_ms(entry, 20 * kMinute, 1000, kSettings), 2000 + 20 * kMinute);
    EXPECT_GE(due_ms(entry, 0, 1000, kSettings), 2000 + 5 * kMinute) << "RFC 4787 REQ-5, RFC 5382 REQ-5";
  }
}

}  // namespace
}  // namespace millrace
