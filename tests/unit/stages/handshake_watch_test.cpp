// handshake_watch_test.cpp: what balance = "fastest" knows of its backends.
#include "dataplane/stages/handshake_watch.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "tests/unit/stages/testbed.h"

namespace millrace {
namespace {

constexpr BackendSlot kBackend{0};

class HandshakeWatch : public testing::Test {
 protected:
  void serve(Balance balance) {
    TestbedOptions options;
    options.services = {TestService{.backends = {"10.0.0.1:8080"}, .balance = balance}};
    bed_ = std::make_unique<Testbed>(options);
    const Seen out =
        seen(bed_->forwarded(kFront, from_client(tcp_packet(flow("192.0.2.10", 7, "203.0.113.10", 80), kSyn)), kBack));
    reply_ = {out.dst, out.src, out.dst_port, out.src_port};
  }
  void backend_says(uint8_t flags) { bed_->forwarded(kBack, from_backend(tcp_packet(reply_, flags)), kFront); }
  uint32_t known_us() {
    Worker& worker = bed_->worker();
    return worker.pick.handshakes.read(kBackend, worker.clock.now32_ms());
  }

  std::unique_ptr<Testbed> bed_;
  wire::Flow reply_;
};

TEST_F(HandshakeWatch, measures_from_syn_to_syn_ack) {
  serve(Balance::fastest);
  EXPECT_EQ(known_us(), 0u);
  usleep(20'000);
  backend_says(kSynAck);
  EXPECT_GE(known_us(), 19'900u);
  EXPECT_LT(known_us(), 900'000u);
  // Once.
  const uint32_t first = known_us();
  usleep(5'000);
  backend_says(kSynAck);
  EXPECT_EQ(known_us(), first);
}

TEST_F(HandshakeWatch, longer_than_its_ticks_go) {
  serve(Balance::fastest);
  bed_->pass(5'000);
  backend_says(kSynAck);
  EXPECT_EQ(known_us(), kFailedHandshakeUs);
}

TEST_F(HandshakeWatch, a_refusal_is_slow) {
  serve(Balance::fastest);
  backend_says(kRstAck);
  EXPECT_EQ(known_us(), kFailedHandshakeUs);
}

TEST_F(HandshakeWatch, silence_is_slow) {
  serve(Balance::fastest);
  bed_->pass(SettingsCommand{}.syn_sent_timeout_ms + 500);
  EXPECT_EQ(bed_->only_connection(), nullptr);
  EXPECT_EQ(known_us(), kFailedHandshakeUs);
}

TEST_F(HandshakeWatch, other_schedulers_measure_nothing) {
  serve(Balance::p2c);
  backend_says(kSynAck);
  EXPECT_EQ(known_us(), 0u);
}

}  // namespace
}  // namespace millrace
