#include "dataplane/pick/blocklist.h"

#include <gtest/gtest.h>

#include "tests/unit/pick/pick_targets.h"

namespace millrace {
namespace {

TEST(Blocklist, holds_what_lies_in_any_prefix_of_its_family) {
  const Blocklist list({{ip("203.0.113.0"), 24}, {ip("10.1.2.3"), 32}, {ip("2001:db8:bad::"), 48}});
  for (const char* in : {"203.0.113.0", "203.0.113.255", "10.1.2.3", "2001:db8:bad::", "2001:db8:bad:ffff::1"})
    EXPECT_TRUE(list.holds(ip(in))) << in;
  for (const char* out : {"203.0.112.255", "203.0.114.0", "10.1.2.2", "10.1.2.4", "2001:db8:bac:ffff::", "::1"})
    EXPECT_FALSE(list.holds(ip(out))) << out;
}

TEST(Blocklist, prefixes_may_repeat_and_hold_each_other) {
  const Blocklist list({{ip("10.1.0.0"), 16}, {ip("10.0.0.0"), 8}, {ip("10.1.0.0"), 16}, {ip("10.1.2.3"), 32}});
  EXPECT_TRUE(list.holds(ip("10.1.2.3")));
  EXPECT_TRUE(list.holds(ip("10.1.2.4")));
  EXPECT_TRUE(list.holds(ip("10.255.255.255")));
  EXPECT_FALSE(list.holds(ip("11.0.0.0")));
  EXPECT_EQ(list.prefixes().size(), 4u);
}

TEST(Blocklist, all_of_one_family_are_none_of_the_other) {
  EXPECT_FALSE(Blocklist({{ip("::"), 0}}).holds(ip("192.0.2.1")));
  EXPECT_TRUE(Blocklist({{ip("::"), 0}}).holds(ip("ffff::1")));
  EXPECT_FALSE(Blocklist({{ip("0.0.0.0"), 0}}).holds(ip("2001:db8::1")));
}

TEST(compile_blocklist, nobody_is_null) {
  EXPECT_EQ(compile_blocklist({}), nullptr);
  EXPECT_NE(compile_blocklist({{ip("10.0.0.0"), 8}}), nullptr);
}

}  // namespace
}  // namespace millrace
