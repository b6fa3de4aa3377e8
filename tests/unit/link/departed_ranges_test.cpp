#include "dataplane/link/departed_ranges.h"

#include <gtest/gtest.h>

#include "tests/unit/link/commands.h"
#include "tests/unit/link/workers.h"

namespace millrace {
namespace {

class DepartedRangesTest : public testing::Test {
 protected:
  static SnatRangeCommand range(const std::string& addr, uint16_t port_first = 1024, uint16_t port_last = 2047) {
    return {.pool = 0, .port_first = port_first, .port_last = port_last, .first = ip(addr), .last = ip(addr)};
  }
  void change(const std::vector<SnatRangeCommand>& before, const std::vector<SnatRangeCommand>& after) {
    departed_.commit(departed_.after_change(before, after));
    workers_.all_quiet();
  }
  void connect(size_t index, const std::string& addr, uint16_t number, Mode mode = Mode::fullnat) {
    ConnEntry& entry = slab_[index];
    entry.state = ConnState::established;
    entry.mode = mode;
    entry.family = ip(addr).family();
    if (ip(addr).is_ipv4())
      entry.snat4 = ip(addr).ipv4();
    else
      entry.snat6 = ip(addr).bytes;
    entry.snat_port = port(number);
  }

  TestWorkers workers_;
  std::vector<ConnEntry> slab_ = std::vector<ConnEntry>(kSweepEntries + 10);
  DepartedRanges departed_{workers_.qsbr(), slab_};
};

using DepartedRanges_after_change = DepartedRangesTest;
using DepartedRanges_sweep = DepartedRangesTest;

TEST_F(DepartedRanges_after_change, keeps_what_is_gone_and_forgets_what_is_back) {
  change({range("10.0.0.1"), range("10.0.0.2")}, {range("10.0.0.2")});
  ASSERT_EQ(departed_.ranges().size(), 1u);
  EXPECT_EQ(departed_.ranges()[0].first, ip("10.0.0.1"));
  change({range("10.0.0.2")}, {range("10.0.0.1")});
  ASSERT_EQ(departed_.ranges().size(), 1u);
  EXPECT_EQ(departed_.ranges()[0].first, ip("10.0.0.2"));
}

TEST_F(DepartedRanges_after_change, a_range_with_other_ports_is_another) {
  change({range("10.0.0.1", 1024, 2047)}, {range("10.0.0.1", 1024, 1500)});
  EXPECT_EQ(departed_.ranges().size(), 1u);
}

TEST_F(DepartedRanges_after_change, is_bounded) {
  std::vector<SnatRangeCommand> many;
  for (unsigned i = 0; i < kDepartedRangeMax + 5; ++i) many.push_back(range("10.0.0." + std::to_string(i + 1)));
  change(many, {});
  EXPECT_EQ(departed_.ranges().size(), kDepartedRangeMax);
  EXPECT_EQ(departed_.ranges().back().first, many.back().first);
}

TEST_F(DepartedRanges_sweep, ends_those_without_a_connection_after_a_whole_pass) {
  connect(kSweepEntries + 3, "10.0.0.2", 1500);
  change({range("10.0.0.1"), range("10.0.0.2"), range("fd00::1")}, {});
  EXPECT_FALSE(departed_.sweep());  // the first piece
  EXPECT_TRUE(departed_.sweep());
  ASSERT_EQ(departed_.ranges().size(), 1u);
  EXPECT_EQ(departed_.ranges()[0].first, ip("10.0.0.2"));
  EXPECT_FALSE(departed_.sweep());
  EXPECT_FALSE(departed_.sweep());  // still used
  slab_[kSweepEntries + 3].state = ConnState::free;
  EXPECT_FALSE(departed_.sweep());
  EXPECT_TRUE(departed_.sweep());
  EXPECT_TRUE(departed_.ranges().empty());
}

TEST_F(DepartedRanges_sweep, only_ports_of_the_range_and_connections_with_our_address_count) {
  connect(0, "10.0.0.1", 2048);
  connect(1, "10.0.0.1", 1023);
  connect(2, "10.0.0.1", 1500, Mode::nat);
  connect(3, "fd00::1", 2047);
  connect(4, "fd00::2", 2047, Mode::proxy);
  change({range("10.0.0.1"), range("fd00::1"), range("fd00::2")}, {});
  departed_.sweep();
  EXPECT_TRUE(departed_.sweep());
  ASSERT_EQ(departed_.ranges().size(), 2u);
  EXPECT_EQ(departed_.ranges()[0].first, ip("fd00::1"));
  EXPECT_EQ(departed_.ranges()[1].first, ip("fd00::2"));
}

TEST_F(DepartedRanges_sweep, waits_for_workers_that_may_still_open_with_the_range) {
  departed_.commit(departed_.after_change({range("10.0.0.1")}, {}));
  for (unsigned i = 0; i < 5; ++i) EXPECT_FALSE(departed_.sweep());
  connect(0, "10.0.0.1", 1500);
  workers_.all_quiet();
  for (unsigned i = 0; i < 5; ++i) EXPECT_FALSE(departed_.sweep());
  EXPECT_EQ(departed_.ranges().size(), 1u);
}

}  // namespace
}  // namespace millrace
