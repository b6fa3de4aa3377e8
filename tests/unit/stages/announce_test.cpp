#include "dataplane/stages/announce.h"

#include <gtest/gtest.h>

#include <set>

#include "tests/unit/stages/testbed.h"

namespace millrace {
namespace {

using wire::addr;
using wire::Bytes;

// The addresses that the frames claim; empty for a frame that claims none.
std::multiset<std::string> claimed(const std::vector<Bytes>& frames, const MacAddr& mac) {
  std::multiset<std::string> out;
  for (const Bytes& frame : frames) {
    EXPECT_EQ(Bytes(frame.begin() + 6, frame.begin() + 12), Bytes(mac.bytes.begin(), mac.bytes.end()));
    if (wire::get16(frame, 12) == 0x0806) {
      IpAddr sender = addr("0.0.0.0");
      std::copy_n(frame.begin() + 28, 4, sender.bytes.begin() + 12);
      out.insert(format_ip(sender));
    } else {
      EXPECT_EQ(frame.at(54), 136);
      EXPECT_EQ(wire::wrong_checksum(frame), "");
      IpAddr target;
      std::copy_n(frame.begin() + 62, 16, target.bytes.begin());
      out.insert(format_ip(target));
    }
  }
  return out;
}

const std::multiset<std::string> kAll = {"203.0.113.10", "2001:db8:2::10", "10.0.0.100", "fd00::100"};

TEST(Announce, every_address_on_every_port_once_a_configuration) {
  TestbedOptions options;
  options.workers = 2;
  Testbed bed(options);
  bed.pass(100);
  EXPECT_TRUE(bed.received(kFront).empty());
  bed.configure({TestService{}});
  bed.pass(100);
  EXPECT_EQ(claimed(bed.received(kFront), kFrontMac), kAll);
  EXPECT_EQ(claimed(bed.received(kBack), kBackMac), kAll);
  EXPECT_EQ(bed.total(&WorkerCounters::originated), 8u);
  bed.pass(1000);
  EXPECT_TRUE(bed.received(kFront).empty());
}

TEST(Announce, one_address_a_millisecond) {
  Testbed bed;
  bed.configure({TestService{}});
  const uint64_t before = bed.worker().clock.now_ms();
  bed.run();
  EXPECT_LE(bed.received(kFront).size(), bed.worker().clock.now_ms() - before + 1);
}

TEST(Announce, addresses_of_the_kernel_are_left_to_it) {
  TestbedOptions options;
  options.snat_kernel_owned = true;
  Testbed bed(options);
  bed.configure({TestService{}});
  bed.pass(100);
  EXPECT_EQ(claimed(bed.received(kFront), kFrontMac), (std::multiset<std::string>{"203.0.113.10", "2001:db8:2::10"}));
}

}  // namespace
}  // namespace millrace
