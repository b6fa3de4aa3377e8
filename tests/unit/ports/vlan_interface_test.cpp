// vlan_interface_test.cpp: VLAN interfaces as the dataplane makes them on a TAP; here on a veth, which is the same to the kernel.
#include "dataplane/ports/vlan_interface.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <net/if.h>

#include <stdexcept>

#include "tests/unit/ports/veth_pair.h"

namespace millrace {
namespace {

using testing::AllOf;
using testing::HasSubstr;

// What it says; empty where it makes the interface.
std::string refusal(const std::string& device, uint16_t vlan, const std::string& name) {
  try {
    make_vlan_interface(if_nametoindex(device.c_str()), vlan, name);
  } catch (const std::runtime_error& failure) {
    return failure.what();
  }
  return {};
}

TEST(Make_vlan_interface, is_up_and_found_by_its_id_or_the_kernel_lacks_the_module) {
  const VethPair net;
  const std::string said = refusal(VethPair::kHere, 100, "front.100");
  if (!said.empty()) {
    EXPECT_THAT(said, AllOf(HasSubstr("front.100"), HasSubstr("`modprobe 8021q`")));
    EXPECT_EQ(if_nametoindex("front.100"), 0u);
    return;
  }
  EXPECT_EQ(find_vlan_interface(VethPair::kHere, 100, "").name, "front.100");  // throws for one that is down
  net.run("ip link delete dev here");
  EXPECT_EQ(if_nametoindex("front.100"), 0u);
}

TEST(Make_vlan_interface, a_name_that_is_taken_says_how_to_free_it) {
  const VethPair net;
  net.run("ip link add taken type veth peer name takenfar");
  EXPECT_THAT(refusal(VethPair::kHere, 100, "taken"),
              AllOf(HasSubstr("`ip link delete dev taken`"), HasSubstr("`interface`")));
}

}  // namespace
}  // namespace millrace
