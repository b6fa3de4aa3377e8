#include "dataplane/stages/path_mtu.h"

#include <gtest/gtest.h>

namespace millrace {
namespace {

constexpr BackendSlot kSlot{7};

TEST(PathMtus, without_news_is_the_ports) {
  PathMtus mtus;
  EXPECT_EQ(mtus.limit(kSlot, 1500, 0), 1500u);
  EXPECT_EQ(mtus.limit(kSlot, 9000, UINT32_MAX / 2 + 5), 9000u);
}

TEST(PathMtus, goes_down_only_and_for_one_backend) {
  PathMtus mtus;
  EXPECT_TRUE(mtus.learn(kSlot, 1400, 1000));
  EXPECT_FALSE(mtus.learn(kSlot, 1400, 1000));
  EXPECT_FALSE(mtus.learn(kSlot, 1450, 1000));
  EXPECT_EQ(mtus.limit(kSlot, 1500, 1000), 1400u);
  EXPECT_EQ(mtus.limit(kSlot, 1300, 1000), 1300u) << "the port is narrower still";
  EXPECT_EQ(mtus.limit(BackendSlot{8}, 1500, 1000), 1500u);
  EXPECT_TRUE(mtus.learn(kSlot, 1300, 1000));
  EXPECT_EQ(mtus.limit(kSlot, 1500, 1000), 1300u);
}

TEST(PathMtus, forgets_after_ten_minutes_RFC_1191_section_6_3) {
  for (const Ms start : {Ms{0}, Ms{0} - 1000}) {
    PathMtus mtus;
    mtus.learn(kSlot, 1400, start);
    EXPECT_EQ(mtus.limit(kSlot, 1500, start + kPathMtuMs - 1), 1400u);
    EXPECT_EQ(mtus.limit(kSlot, 1500, start + kPathMtuMs), 1500u);
    EXPECT_TRUE(mtus.learn(kSlot, 1450, start + kPathMtuMs)) << "what was known before does not count";
  }
}

TEST(believed_mtu, has_a_floor) {
  EXPECT_EQ(believed_mtu(Family::ipv4, 0), 576);
  EXPECT_EQ(believed_mtu(Family::ipv4, 68), 576);
  EXPECT_EQ(believed_mtu(Family::ipv4, 1400), 1400);
  EXPECT_EQ(believed_mtu(Family::ipv6, 576), 1280);
  EXPECT_EQ(believed_mtu(Family::ipv6, 1'000'000), 65535);
}

}  // namespace
}  // namespace millrace
