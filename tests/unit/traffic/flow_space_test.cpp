#include "perf/traffic/flow_space.h"

#include <gtest/gtest.h>

#include <set>
#include <utility>

namespace millrace::traffic {
namespace {

constexpr uint64_t kSeed = 7;

TEST(FlowSpace, IsOneToOne) {
  for (const auto& [prefix, bits] : {std::pair{"198.18.0.0", 30u}, {"2001:2::", 125u}, {"198.18.7.9", 32u}}) {
    const FlowSpace space(*parse_ip(prefix), bits, kSeed);
    std::set<std::pair<IpAddr, uint16_t>> seen;
    for (uint32_t id = 0; id < space.size(); ++id) {
      const Endpoint client = space.client(id);
      seen.emplace(client.addr, client.port.raw);
      ASSERT_EQ(space.id_of(client), id) << prefix;
    }
    EXPECT_EQ(seen.size(), space.size()) << prefix;
  }
}

TEST(FlowSpace, FindsIdsOfTheLargestSpace) {
  const FlowSpace space(*parse_ip("198.18.0.0"), 15, kSeed);
  EXPECT_EQ(space.size(), uint64_t{1} << 32);
  for (uint64_t id = 0; id < space.size(); id += 1'000'003)
    ASSERT_EQ(space.id_of(space.client(static_cast<uint32_t>(id))), id);
}

TEST(FlowSpace, StaysInItsPrefix) {
  const FlowSpace space(*parse_ip("198.18.0.0"), 15, kSeed);
  for (uint32_t id = 0; id < 100'000; ++id) {
    const Endpoint client = space.client(id);
    ASSERT_EQ(client.addr.bytes[12], 198);
    ASSERT_EQ(client.addr.bytes[13] & 0xfe, 18);
    ASSERT_GE(client.port.host(), 1024);
  }
}

TEST(FlowSpace, KnowsStrangers) {
  const FlowSpace space(*parse_ip("198.18.0.0"), 15, kSeed);
  EXPECT_FALSE(space.id_of(*parse_endpoint("198.20.0.0:2000")));
  EXPECT_FALSE(space.id_of(*parse_endpoint("198.18.0.0:1023")));
  EXPECT_FALSE(space.id_of(*parse_endpoint("198.18.0.0:33792")));
  EXPECT_FALSE(space.id_of(*parse_endpoint("[2001:2::1]:2000")));
}

TEST(FlowSpace, OtherSeedsOtherOrder) {
  const FlowSpace one(*parse_ip("198.18.0.0"), 15, 1), two(*parse_ip("198.18.0.0"), 15, 2);
  unsigned same = 0;
  for (uint32_t id = 0; id < 1000; ++id) same += one.client(id) == two.client(id);
  EXPECT_LT(same, 10u);
}

}  // namespace
}  // namespace millrace::traffic
