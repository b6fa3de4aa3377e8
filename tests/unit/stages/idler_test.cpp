#include "dataplane/idler.h"

#include <gtest/gtest.h>
#include <rte_rcu_qsbr.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <chrono>

#include "dataplane/stages/worker_context.h"
#include "tests/unit/stages/testbed.h"

namespace millrace {
namespace {

constexpr unsigned kTurns = 1000;

// A worker whose every queue has a socket; data written to far() is a packet for it.
class IdlerTest : public testing::Test {
 protected:
  IdlerTest() {
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, pair_.data()), 0);
    bed_.state().idle = IdlePolicy::adaptive;
    for (Port& port : bed_.state().ports) port.queue_socket.fill(near());
    rte_rcu_qsbr_thread_register(bed_.state().qsbr, 0);
    rte_rcu_qsbr_thread_online(bed_.state().qsbr, 0);
  }
  ~IdlerTest() override {
    rte_rcu_qsbr_thread_offline(bed_.state().qsbr, 0);
    rte_rcu_qsbr_thread_unregister(bed_.state().qsbr, 0);
    for (const int fd : pair_) close(fd);
  }

  int near() const { return pair_[0]; }
  int far() const { return pair_[1]; }

  static std::chrono::milliseconds empty_turns(Idler& idler) {
    const auto begin = std::chrono::steady_clock::now();
    for (unsigned i = 0; i < kTurns; ++i) idler.after_turn(0);
    return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - begin);
  }

  Testbed bed_;
  std::array<int, 2> pair_{-1, -1};
};

TEST_F(IdlerTest, waits_a_millisecond_a_turn_while_nothing_comes) {
  Idler idler(bed_.worker());
  ASSERT_TRUE(idler.waits_for_packets());
  EXPECT_GE(empty_turns(idler).count(), kTurns);
}

TEST_F(IdlerTest, a_packet_ends_the_wait_at_once) {
  ASSERT_EQ(write(far(), "p", 1), 1);
  Idler idler(bed_.worker());
  EXPECT_LT(empty_turns(idler).count(), kTurns / 2);
}

TEST_F(IdlerTest, a_turn_with_packets_is_followed_by_the_next) {
  Idler idler(bed_.worker());
  const auto begin = std::chrono::steady_clock::now();
  for (unsigned i = 0; i < kTurns; ++i) idler.after_turn(1);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::milliseconds(kTurns / 2));
}

TEST_F(IdlerTest, one_queue_without_a_socket_must_be_polled) {
  bed_.state().ports.back().queue_socket.fill(-1);
  EXPECT_FALSE(Idler(bed_.worker()).waits_for_packets());
}

TEST_F(IdlerTest, busy_never_waits) {
  bed_.state().idle = IdlePolicy::busy;
  Idler idler(bed_.worker());
  EXPECT_LT(empty_turns(idler).count(), kTurns / 2);
}

TEST_F(IdlerTest, what_it_is_told_counts_instead_of_how_it_was_started) {
  Idler idler(bed_.worker());
  bed_.tell({.idle = IdlePolicy::busy});
  EXPECT_LT(empty_turns(idler).count(), kTurns / 2);
  bed_.state().idle = IdlePolicy::busy;
  bed_.tell({.idle = IdlePolicy::adaptive});
  EXPECT_GE(empty_turns(idler).count(), kTurns);
}

TEST(Idler, a_handover_ring_must_be_polled) {
  TestbedOptions options;
  options.workers = 2;
  Testbed bed(options);
  for (Port& port : bed.state().ports) port.queue_socket.fill(0);
  EXPECT_FALSE(Idler(bed.worker()).waits_for_packets());
}

}  // namespace
}  // namespace millrace
