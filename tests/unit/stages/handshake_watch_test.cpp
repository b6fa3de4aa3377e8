// handshake_watch_test.cpp: how long backends took to answer: their histograms, and what balance = "fastest" knows.
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
    bed_.reset();  // the names of its tables are its own while it lives
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
  const BackendHandshakes& histogram() { return bed_->worker().backend_handshakes[raw(kBackend)]; }
  // The bucket that holds the one measurement.
  uint32_t filled_bucket() {
    EXPECT_EQ(histogram().answered.read(), 1u);
    for (uint32_t bucket = 0; bucket < kHandshakeBuckets; ++bucket)
      if (histogram().buckets[bucket].load() == 1) return bucket;
    return kHandshakeBuckets;
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

TEST_F(HandshakeWatch, other_schedulers_need_no_average) {
  serve(Balance::p2c);
  backend_says(kSynAck);
  EXPECT_EQ(known_us(), 0u);
  EXPECT_EQ(histogram().answered.read(), 1u);
}

TEST_F(HandshakeWatch, fills_the_bucket_of_its_time) {
  serve(Balance::weight);
  usleep(20'000);
  backend_says(kSynAck);
  backend_says(kSynAck);
  const uint32_t bucket = filled_bucket();
  EXPECT_GE(bucket, handshake_bucket(19'900));
  EXPECT_LE(bucket, handshake_bucket(900'000));
  EXPECT_GE(histogram().sum_us.read(), 19'900u);
}

TEST_F(HandshakeWatch, fills_the_bucket_of_what_only_the_slow_clock_tells) {
  serve(Balance::weight);
  bed_->pass(3'000);
  backend_says(kSynAck);
  EXPECT_GE(filled_bucket(), handshake_bucket(2'990'000));
  EXPECT_LE(filled_bucket(), handshake_bucket(3'500'000));
}

TEST_F(HandshakeWatch, counts_no_refusal_and_no_silence) {
  serve(Balance::weight);
  backend_says(kRstAck);
  EXPECT_EQ(histogram().answered.read(), 0u);
  serve(Balance::weight);
  bed_->pass(SettingsCommand{}.syn_sent_timeout_ms + 500);
  EXPECT_EQ(bed_->only_connection(), nullptr);
  EXPECT_EQ(histogram().answered.read(), 0u);
}

TEST_F(HandshakeWatch, a_lifetime_ends_with_the_last_packet) {
  serve(Balance::weight);
  bed_->pass(3'000);
  backend_says(kSynAck);
  backend_says(kRstAck);
  bed_->pass(SettingsCommand{}.closed_timeout_ms + 500);
  ASSERT_EQ(bed_->only_connection(), nullptr);
  const ServiceLifetimes& lifetimes = bed_->worker().service_lifetimes[0];
  EXPECT_EQ(lifetimes.buckets[lifetime_bucket(3'000)].read(), 1u);
  EXPECT_GE(lifetimes.sum_ms.read(), 2'990u);
  EXPECT_LT(lifetimes.sum_ms.read(), 4'000u);
}

TEST(Histogram, buckets_are_without_gaps_and_in_order) {
  EXPECT_EQ(handshake_bucket(0), 0u);
  for (uint32_t bucket = 0; bucket + 1 < kHandshakeBuckets; ++bucket) {
    EXPECT_EQ(handshake_bucket(handshake_bucket_end_us(bucket) - 1), bucket);
    EXPECT_EQ(handshake_bucket(handshake_bucket_end_us(bucket)), bucket + 1);
  }
  EXPECT_EQ(handshake_bucket(UINT32_MAX), kHandshakeBuckets - 1);
  EXPECT_EQ(lifetime_bucket(0), 0u);
  for (uint32_t bucket = 0; bucket + 1 < kLifetimeBuckets; ++bucket) {
    const auto end_ms = static_cast<uint32_t>(lifetime_bucket_end_ms(bucket));
    EXPECT_EQ(lifetime_bucket(end_ms - 1), bucket);
    EXPECT_EQ(lifetime_bucket(end_ms), bucket + 1);
  }
  EXPECT_EQ(lifetime_bucket(UINT32_MAX), kLifetimeBuckets - 1);
}

TEST(Histogram, a_full_bucket_stays_full) {
  const auto row = std::make_unique<BackendHandshakes>();
  row->buckets[handshake_bucket(100)].store(UINT32_MAX);
  row->add(100);
  EXPECT_EQ(row->buckets[handshake_bucket(100)].load(), UINT32_MAX);
  EXPECT_EQ(row->answered.read(), 1u);
}

}  // namespace
}  // namespace millrace
