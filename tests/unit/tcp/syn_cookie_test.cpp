// Everything random here is seeded: a test either always passes or never. How seldom an unlucky seed would fail a sound
// implementation stands at each bound.
#include "dataplane/tcp/syn_cookie.h"

#include <gtest/gtest.h>

#include <array>
#include <bit>
#include <cmath>
#include <random>
#include <set>
#include <string>
#include <vector>

namespace millrace {
namespace {

constexpr CookieSecret kSecret = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
constexpr std::array<uint16_t, 8> kMssSteps = {216, 536, 1220, 1360, 1400, 1440, 1460, 8940};
constexpr uint64_t kNow = 1000 * uint64_t{kCookieEpochMs} + 5;
constexpr uint32_t kIsn = 0xffff'fff0;
constexpr CookieFacts kFacts{.mss = 1460, .window_scale = 7, .sack = true};
constexpr unsigned kFactValues = 512;  // of nine bits: MSS, SACK, scale, epoch

Tuple tuple(const char* src, uint16_t src_port, const char* dst, uint16_t dst_port) {
  return {.src = parse_ip(src).value(),
          .dst = parse_ip(dst).value(),
          .src_port = Be16::from_host(src_port),
          .dst_port = Be16::from_host(dst_port),
          .proto = Proto::tcp};
}
const Tuple kSyn4 = tuple("192.0.2.10", 4000, "203.0.113.10", 80);
const Tuple kSyn6 = tuple("2001:db8:1::10", 4000, "2001:db8:2::10", 80);

std::vector<CookieFacts> all_facts() {
  std::vector<CookieFacts> all;
  for (const uint16_t mss : kMssSteps)
    for (unsigned scale = 0; scale <= 15; ++scale)
      for (const bool sack : {false, true})
        all.push_back(
            {.mss = mss, .window_scale = scale == 15 ? kNoWindowScale : static_cast<uint8_t>(scale), .sack = sack});
  return all;
}

void expect_told(const std::optional<CookieFacts>& told, const CookieFacts& facts) {
  ASSERT_TRUE(told.has_value());
  EXPECT_EQ(told->mss, facts.mss);
  EXPECT_EQ(told->window_scale, facts.window_scale);
  EXPECT_EQ(told->sack, facts.sack);
}

// Of counts that should be equal. With k counts its mean is k - 1 and its deviation sqrt(2 (k - 1)).
double chi_square(const std::vector<unsigned>& counts) {
  double total = 0, sum = 0;
  for (const unsigned count : counts) total += count;
  const double expected = total / static_cast<double>(counts.size());
  for (const unsigned count : counts) sum += (count - expected) * (count - expected) / expected;
  return sum;
}

// Within five deviations: less than one sound implementation in a million falls out.
void expect_even(const std::vector<unsigned>& counts) {
  const double mean = static_cast<double>(counts.size()) - 1;
  EXPECT_NEAR(chi_square(counts), mean, 5 * std::sqrt(2 * mean));
}

TEST(SynCookies, tells_every_combination_of_facts) {
  const SynCookies cookies(kSecret, kNow);
  for (const Tuple& syn : {kSyn4, kSyn6})
    for (const CookieFacts& facts : all_facts()) {
      expect_told(cookies.check(syn, kIsn, cookies.make(syn, kIsn, facts)), facts);
      ASSERT_FALSE(testing::Test::HasFailure()) << facts.mss << ' ' << +facts.window_scale << ' ' << facts.sack;
    }
}

TEST(SynCookies, rounds_the_mss_down_and_what_is_below_all_to_the_lowest) {
  const SynCookies cookies(kSecret, kNow);
  for (uint32_t mss = 0; mss <= 0xffff; ++mss) {
    uint16_t wanted = kMssSteps[0];
    for (const uint16_t step : kMssSteps)
      if (step <= mss) wanted = step;
    const CookieFacts facts{.mss = static_cast<uint16_t>(mss), .window_scale = 3, .sack = false};
    const auto told = cookies.check(kSyn4, mss, cookies.make(kSyn4, mss, facts));
    ASSERT_TRUE(told.has_value()) << mss;
    ASSERT_EQ(told->mss, wanted) << mss;
  }
}

TEST(SynCookies, refuses_another_client_and_another_vip) {
  const SynCookies cookies(kSecret, kNow);
  const uint32_t cookie4 = cookies.make(kSyn4, kIsn, kFacts), cookie6 = cookies.make(kSyn6, kIsn, kFacts);
  for (const Tuple& other :
       {tuple("192.0.2.11", 4000, "203.0.113.10", 80), tuple("192.0.2.10", 4001, "203.0.113.10", 80),
        tuple("192.0.2.10", 4000, "203.0.113.11", 80), tuple("192.0.2.10", 4000, "203.0.113.10", 81),
        tuple("203.0.113.10", 4000, "192.0.2.10", 80), tuple("192.0.2.10", 80, "203.0.113.10", 4000),
        tuple("203.0.113.10", 80, "192.0.2.10", 4000), kSyn6})
    EXPECT_FALSE(cookies.check(other, kIsn, cookie4)) << format_endpoint({other.src, other.src_port});
  for (unsigned bit = 0; bit < 128; ++bit)
    for (const bool of_source : {false, true}) {
      Tuple other = kSyn6;
      (of_source ? other.src : other.dst).bytes[bit / 8] ^= static_cast<uint8_t>(1u << bit % 8);
      EXPECT_FALSE(cookies.check(other, kIsn, cookie6)) << "bit " << bit;
    }
}

TEST(SynCookies, refuses_another_sequence_number) {
  const SynCookies cookies(kSecret, kNow);
  const uint32_t cookie = cookies.make(kSyn4, kIsn, kFacts);
  for (unsigned bit = 0; bit < 32; ++bit) EXPECT_FALSE(cookies.check(kSyn4, kIsn ^ 1u << bit, cookie)) << bit;
  for (const uint32_t off : {1u, 2u, ~0u, ~1u}) EXPECT_FALSE(cookies.check(kSyn4, kIsn + off, cookie)) << off;
}

TEST(SynCookies, refuses_every_flip_of_one_bit_or_two) {
  const SynCookies cookies(kSecret, kNow);
  for (const Tuple& syn : {kSyn4, kSyn6}) {
    const uint32_t cookie = cookies.make(syn, kIsn, kFacts);
    for (unsigned one = 0; one < 32; ++one)
      for (unsigned two = 0; two <= one; ++two)
        EXPECT_FALSE(cookies.check(syn, kIsn, cookie ^ (1u << one | 1u << two))) << one << ' ' << two;
    // The ACK of a SYN-ACK acknowledges one more than the cookie.
    for (const uint32_t off : {1u, ~0u}) EXPECT_FALSE(cookies.check(syn, kIsn, cookie + off));
  }
}

TEST(SynCookies, refuses_another_secret) {
  const uint32_t cookie = SynCookies(kSecret, kNow).make(kSyn4, kIsn, kFacts);
  for (unsigned bit = 0; bit < 8 * kSecret.size(); ++bit) {
    CookieSecret other = kSecret;
    other[bit / 8] ^= static_cast<uint8_t>(1u << bit % 8);
    EXPECT_FALSE(SynCookies(other, kNow).check(kSyn4, kIsn, cookie)) << "bit " << bit;
  }
}

// Workers share the master, not the object; their epochs begin with the clock, not with them.
TEST(SynCookies, accepts_what_another_object_of_the_same_secret_made) {
  SynCookies old(kSecret, kNow - 5 * uint64_t{kCookieEpochMs});
  const SynCookies young(kSecret, kNow);
  old.advance(kNow);
  expect_told(young.check(kSyn4, kIsn, old.make(kSyn4, kIsn, kFacts)), kFacts);
  expect_told(old.check(kSyn6, kIsn, young.make(kSyn6, kIsn, kFacts)), kFacts);
}

TEST(SynCookies, cookie_is_good_for_an_epoch_and_refused_after_two) {
  constexpr uint64_t kEpoch = kCookieEpochMs;
  for (const uint64_t start : {uint64_t{0}, 7 * kEpoch, 8 * kEpoch, (uint64_t{1} << 32) - kEpoch})
    for (const uint64_t into : {uint64_t{0}, uint64_t{1}, kEpoch / 2, kEpoch - 1}) {
      SynCookies cookies(kSecret, start + into);
      const uint32_t cookie = cookies.make(kSyn4, kIsn, kFacts);
      for (uint64_t age = 0; into + age < 6 * kEpoch; age += kEpoch / 8) {
        cookies.advance(start + into + age);
        EXPECT_EQ(cookies.check(kSyn4, kIsn, cookie).has_value(), into + age < 2 * kEpoch)
            << "made at " << start << " + " << into << ", " << age << " ms old";
      }
    }
}

TEST(SynCookies, the_youngest_that_a_cookie_is_refused_is_an_epoch_old) {
  SynCookies cookies(kSecret, kCookieEpochMs - 1);
  const uint32_t cookie = cookies.make(kSyn4, kIsn, kFacts);
  cookies.advance(2 * uint64_t{kCookieEpochMs} - 1);
  EXPECT_TRUE(cookies.check(kSyn4, kIsn, cookie));
  cookies.advance(2 * uint64_t{kCookieEpochMs});
  EXPECT_FALSE(cookies.check(kSyn4, kIsn, cookie));
}

TEST(SynCookies, cookie_is_refused_after_a_sleep_over_many_epochs) {
  for (unsigned epochs = 2; epochs < 20; ++epochs) {
    SynCookies cookies(kSecret, kNow);
    const uint32_t cookie = cookies.make(kSyn4, kIsn, kFacts);
    cookies.advance(kNow + epochs * uint64_t{kCookieEpochMs});
    EXPECT_FALSE(cookies.check(kSyn4, kIsn, cookie)) << epochs;
  }
}

TEST(SynCookies, each_epoch_makes_other_cookies) {
  SynCookies cookies(kSecret, kNow);
  std::set<uint32_t> made;
  for (unsigned epoch = 0; epoch < 64; ++epoch) {
    cookies.advance(kNow + epoch * uint64_t{kCookieEpochMs});
    made.insert(cookies.make(kSyn4, kIsn, kFacts) >> 9);
  }
  EXPECT_EQ(made.size(), 64u);  // two equal ones: once in 4,000 seeds
}

// For one SYN there are 2^9 cookies: as many as there are facts and epochs.
TEST(SynCookies, no_two_facts_share_a_cookie) {
  for (const Tuple& syn : {kSyn4, kSyn6}) {
    SynCookies cookies(kSecret, kNow);
    std::set<uint32_t> made, told;
    for (const uint64_t now_ms : {kNow, kNow + kCookieEpochMs}) {
      cookies.advance(now_ms);
      for (const CookieFacts& facts : all_facts()) {
        const uint32_t cookie = cookies.make(syn, kIsn, facts);
        made.insert(cookie);
        told.insert((cookie & (kFactValues - 1)) ^ cookie >> 23);
      }
    }
    EXPECT_EQ(made.size(), kFactValues);
    EXPECT_EQ(told.size(), kFactValues) << "the header's drawing";
    for (const uint32_t cookie : made) EXPECT_TRUE(cookies.check(syn, kIsn, cookie));
  }
}

// Whoever guesses chooses what the cookie should tell; then one in 2^23 is right, and nothing is gained by trying other
// facts. (accept_client checks a segment of at most one byte for two sequence numbers: one in 2^22.)
TEST(SynCookies, of_all_that_tell_the_same_exactly_one_is_good) {
  const SynCookies cookies(kSecret, kNow);
  const uint32_t right = cookies.make(kSyn4, kIsn, kFacts);
  const uint32_t told = (right & (kFactValues - 1)) ^ right >> 23;
  unsigned good = 0;
  for (uint32_t upper = 0; upper < 1u << 23; ++upper) {
    const uint32_t guess = upper << 9 | (told ^ upper >> 14);
    if (!cookies.check(kSyn4, kIsn, guess)) continue;
    ++good;
    EXPECT_EQ(guess, right);
  }
  EXPECT_EQ(good, 1u);
}

// 2^22 guesses at random: 0.5 right ones are to be expected, eight or more once in ten million seeds.
TEST(SynCookies, random_guesses_are_right_once_in_two_to_the_23) {
  const SynCookies cookies(kSecret, kNow);
  std::mt19937 random(23);
  unsigned good = 0;
  for (unsigned guess = 0; guess < 1u << 22; ++guess) {
    const auto isn = static_cast<uint32_t>(random()), cookie = static_cast<uint32_t>(random());
    good += cookies.check(guess % 2 != 0 ? kSyn4 : kSyn6, isn, cookie).has_value();
  }
  EXPECT_LT(good, 8u);
}

// Facts that are always the same must not be seen in what a server sends: sequence numbers look alike random.
TEST(SynCookies, lower_nine_bits_are_spread_evenly) {
  constexpr unsigned kPerValue = 256;
  const SynCookies cookies(kSecret, kNow);
  for (const CookieFacts& facts :
       {kFacts, CookieFacts{.mss = 216}, CookieFacts{.mss = 8940, .window_scale = kNoWindowScale, .sack = true}}) {
    std::vector<unsigned> by_isn(kFactValues), by_client(kFactValues);
    for (uint32_t i = 0; i < kFactValues * kPerValue; ++i) {
      ++by_isn[cookies.make(kSyn4, i, facts) % kFactValues];
      Tuple client = kSyn4;
      client.src = IpAddr::from_ipv4(Be32::from_host(0x0a00'0000 + i));
      ++by_client[cookies.make(client, kIsn, facts) % kFactValues];
    }
    expect_even(by_isn);
    expect_even(by_client);
  }
}

TEST(SynCookies, every_byte_and_every_step_to_the_next_is_spread_evenly) {
  const SynCookies cookies(kSecret, kNow);
  std::array<std::vector<unsigned>, 4> bytes, steps;
  bytes.fill(std::vector<unsigned>(256));
  steps.fill(std::vector<unsigned>(256));
  uint32_t last = 0;
  for (uint32_t isn = 0; isn < 1u << 16; ++isn) {
    const uint32_t cookie = cookies.make(kSyn6, isn, kFacts);
    for (unsigned i = 0; i < 4; ++i) {
      ++bytes[i][cookie >> 8 * i & 255];
      ++steps[i][(cookie - last) >> 8 * i & 255];
    }
    last = cookie;
  }
  for (unsigned i = 0; i < 4; ++i) {
    expect_even(bytes[i]);
    expect_even(steps[i]);
  }
}

// One bit of the client's number changes half of the 23 bits: 11.5 on average; over 2^12 numbers the average's own
// deviation is 0.04.
TEST(SynCookies, each_bit_of_the_clients_number_changes_half_of_the_hash) {
  constexpr unsigned kTrials = 1u << 12;
  const SynCookies cookies(kSecret, kNow);
  std::mt19937 random(5);
  for (unsigned bit = 0; bit < 32; ++bit) {
    unsigned changed = 0;
    for (unsigned trial = 0; trial < kTrials; ++trial) {
      const auto isn = static_cast<uint32_t>(random());
      const uint32_t one = cookies.make(kSyn4, isn, kFacts), two = cookies.make(kSyn4, isn ^ 1u << bit, kFacts);
      changed += static_cast<unsigned>(std::popcount((one ^ two) >> 9));
    }
    EXPECT_NEAR(static_cast<double>(changed) / kTrials, 11.5, 0.25) << "bit " << bit;
  }
}

Endpoint at(const std::string& text) { return parse_endpoint(text).value(); }

TEST(backend_isn, grows_by_250_a_millisecond_for_one_pair) {
  SynCookies cookies(kSecret, kNow);
  for (const auto& [snat, backend] : {std::pair{at("10.0.0.100:10000"), at("10.0.0.1:8080")},
                                      std::pair{at("[fd00::100]:10000"), at("[fd00::1]:8080")}}) {
    const uint32_t first = cookies.backend_isn(snat, backend, kNow);
    // Over the end of the number space (after 4.8 hours), and of the clock's lower 32 bits.
    for (const uint64_t later_ms : {0ull, 1ull, 2ull, 1000ull, 17'179'869ull, 17'179'870ull, 1ull << 32, 1ull << 40}) {
      cookies.advance(kNow + later_ms);
      EXPECT_EQ(cookies.backend_isn(snat, backend, kNow + later_ms), first + static_cast<uint32_t>(250 * later_ms))
          << later_ms;
    }
  }
}

TEST(backend_isn, differs_between_pairs_and_secrets) {
  const SynCookies cookies(kSecret, kNow);
  std::set<uint32_t> isns;
  unsigned pairs = 0;
  const auto add = [&](const Endpoint& snat, const Endpoint& backend) {
    isns.insert(cookies.backend_isn(snat, backend, kNow));
    ++pairs;
  };
  for (uint16_t i = 0; i < 256; ++i) {
    const std::string number = std::to_string(i), port = std::to_string(10'000 + i);
    add(at("10.0.0.100:" + port), at("10.0.0.1:8080"));
    add(at("10.0.0.100:1"), at("10.0.0.1:" + port));
    add(at("10.0.1." + number + ":1"), at("10.0.0.1:1"));
    add(at("10.0.0.100:2"), at("10.0.1." + number + ":1"));
    add(at("[fd00::100]:" + port), at("[fd00::1]:8080"));
    add(at("[fd00::1:" + number + "]:1"), at("[fd00::1]:1"));
  }
  add(at("10.0.0.1:8080"), at("10.0.0.100:10000"));
  EXPECT_EQ(isns.size(), pairs);  // two equal ones: once in 4,000 seeds

  CookieSecret other = kSecret;
  other[15] ^= 0x80;
  EXPECT_NE(SynCookies(other, kNow).backend_isn(at("10.0.0.100:1"), at("10.0.0.1:1"), kNow),
            cookies.backend_isn(at("10.0.0.100:1"), at("10.0.0.1:1"), kNow));
}

// The numbers of neighbours say nothing of each other.
TEST(backend_isn, steps_from_port_to_port_are_spread_evenly) {
  const SynCookies cookies(kSecret, kNow);
  std::array<std::vector<unsigned>, 4> steps;
  steps.fill(std::vector<unsigned>(256));
  uint32_t last = 0;
  for (uint32_t port = 1; port <= 0xffff; ++port) {
    const Endpoint snat{parse_ip("10.0.0.100").value(), Be16::from_host(static_cast<uint16_t>(port))};
    const uint32_t isn = cookies.backend_isn(snat, at("10.0.0.1:8080"), kNow);
    for (unsigned i = 0; i < 4; ++i) ++steps[i][(isn - last) >> 8 * i & 255];
    last = isn;
  }
  for (const std::vector<unsigned>& counts : steps) expect_even(counts);
}

TEST(random_cookie_secret, is_another_each_time) {
  std::set<CookieSecret> secrets;
  for (unsigned i = 0; i < 16; ++i) secrets.insert(random_cookie_secret());
  EXPECT_EQ(secrets.size(), 16u);
  EXPECT_FALSE(secrets.contains(CookieSecret{}));
}

}  // namespace
}  // namespace millrace
