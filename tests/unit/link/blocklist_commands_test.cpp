// blocklist_commands_test.cpp: what the command reader takes and refuses of the blocklist.
#include <gtest/gtest.h>

#include "dataplane/link/command_reader.h"
#include "tests/unit/link/commands.h"

namespace millrace {
namespace {

using R = RejectReason;

// Positions: 0 begin, 1 prefixes, 2 more of them.
enum Position : size_t { kBegin, kFirst, kSecond };
std::vector<Command> good() {
  return TestTransaction(5)
      .blocked({{ip("203.0.113.0"), 24}, {ip("2001:db8:bad::"), 48}})
      .blocked({{ip("10.1.2.3"), 32}})
      .commands();
}

TEST(CommandReader_blocklist, takes_all_messages_as_one_list) {
  const DesiredModel model = TestTransaction(5)
                                 .blocked({{ip("203.0.113.0"), 24}, {ip("2001:db8:bad::"), 48}})
                                 .blocked({{ip("10.1.2.3"), 32}})
                                 .model();
  for (const char* in : {"203.0.113.9", "2001:db8:bad::1", "10.1.2.3"}) EXPECT_TRUE(model.blocklist->holds(ip(in)));
  EXPECT_FALSE(model.blocklist->holds(ip("10.1.2.4")));
}

TEST(CommandReader_blocklist, none_is_null) { EXPECT_EQ(TestTransaction(5).model().blocklist, nullptr); }

TEST(CommandReader_blocklist, refuses_fields_out_of_range) {
  expect_bad_fields(good(), kFirst, &Command::Body::blocked_prefixes,
                    {[](auto& c) { c.count = 0; }, [](auto& c) { c.count = kBlockedPrefixesPerCommand + 1; },
                     [](auto& c) { c.count = 1; },  // a prefix behind the last
                     [](auto& c) { c.reserved = 1; }, [](auto& c) { c.prefixes[0].bits = 33; },
                     [](auto& c) { c.prefixes[0].bits = 23; },  // 203.0.113.0/23 has a host bit
                     [](auto& c) { c.prefixes[1].bits = 129; }, [](auto& c) { c.prefixes[1].bits = 47; }});
}

TEST(CommandReader_blocklist, refuses_counts_that_differ) {
  expect_counted(good(), &BeginCommand::blocked_prefix_count, kSecond);
}

TEST(CommandReader_blocklist, refuses_more_than_the_limit) {
  std::vector<Command> commands = good();
  commands[kBegin].body.begin.blocked_prefix_count = kBlockedPrefixMax + 1;
  EXPECT_EQ(refusal(commands, kBegin), R::too_many);
}

TEST(CommandReader_blocklist, comes_after_everything_else) {
  std::vector<Command> commands =
      TestTransaction(5).blocked({{ip("10.0.0.0"), 8}}).snat_range(0, "10.72.0.10", "10.72.0.13").commands();
  EXPECT_EQ(refusal(commands, 2), R::bad_order);
}

}  // namespace
}  // namespace millrace
