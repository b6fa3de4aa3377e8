#include "dataplane/tcp/reset_check.h"

#include <gtest/gtest.h>

namespace millrace {
namespace {

constexpr Direction kClient = Direction::forward;
constexpr Direction kBackend = Direction::reverse;
constexpr uint32_t kClientNext = 0xfff0'1234;  // acknowledged by the backend
constexpr uint32_t kBackendNext = 0x0001'8000;

class reset_check : public testing::Test {
 protected:
  reset_check() {
    entry_.state = ConnState::established;
    remember_ack(entry_, kBackend, kClientNext);
    remember_ack(entry_, kClient, kBackendNext);
  }
  bool reset(Direction from, uint32_t seq) { return ends_connection(entry_, from, seq, true); }
  bool fin(Direction from, uint32_t seq) { return ends_connection(entry_, from, seq, false); }

  ConnEntry entry_{};
};

TEST_F(reset_check, takes_what_the_other_side_expects) {
  EXPECT_TRUE(reset(kClient, kClientNext));
  EXPECT_TRUE(fin(kClient, kClientNext));
  EXPECT_TRUE(reset(kBackend, kBackendNext));
  EXPECT_TRUE(fin(kBackend, kBackendNext));
}

TEST_F(reset_check, takes_what_lies_in_flight_and_wraps) {
  EXPECT_TRUE(reset(kClient, kClientNext + kClientResetReachBytes));
  EXPECT_TRUE(fin(kClient, kClientNext + kFinReachBytes)) << "past 2^32";
  EXPECT_TRUE(reset(kBackend, kBackendNext + kFinReachBytes));
}

TEST_F(reset_check, refuses_what_lies_behind_or_too_far_ahead) {
  EXPECT_FALSE(reset(kClient, kClientNext - 0x1'0000));
  EXPECT_FALSE(reset(kClient, kClientNext + kClientResetReachBytes + 0x1'0000));
  EXPECT_FALSE(reset(kBackend, kBackendNext - 0x1'0000));
  EXPECT_FALSE(fin(kClient, kClientNext + kFinReachBytes + 0x1'0000));
  EXPECT_FALSE(fin(kBackend, kBackendNext + 0x8000'0000));
}

// What a stranger hits who knows addresses and ports, but has to guess the number.
TEST_F(reset_check, lets_few_of_all_numbers_through) {
  unsigned hits = 0;
  for (uint32_t half = 0; half <= 0xffff; ++half) hits += reset(kClient, half << 16) ? 1 : 0;
  EXPECT_EQ(hits, (kClientResetReachBytes >> 16) + 1);
}

TEST_F(reset_check, knows_the_first_syn) {
  entry_.tcp_halves = {};
  entry_.state = ConnState::syn_sent;
  remember_syn(entry_, 0x7000'0000);
  EXPECT_TRUE(reset(kClient, 0x7000'0001));
  EXPECT_FALSE(reset(kClient, 0x6000'0001));
  EXPECT_TRUE(reset(kBackend, 0)) << "a refusal has no number of its own (RFC 9293 section 3.5.2)";
}

TEST_F(reset_check, tells_a_newer_syn_from_an_old_one) {
  for (const uint32_t end : {0u, 1u, 0x7fff'ffffu, 0xffff'0000u, 0xffff'ffffu}) {
    remember_client_end(entry_, end);
    EXPECT_TRUE(is_newer_syn(entry_, end));
    EXPECT_TRUE(is_newer_syn(entry_, end + 1));
    EXPECT_TRUE(is_newer_syn(entry_, end + 0x7fff'ffff));
    EXPECT_FALSE(is_newer_syn(entry_, end - 1));
    EXPECT_FALSE(is_newer_syn(entry_, end - 0x7fff'ffff));
  }
}

}  // namespace
}  // namespace millrace
