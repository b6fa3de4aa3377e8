#include "dataplane/pick/vip_table.h"

#include <gtest/gtest.h>

#include "tests/unit/pick/pick_targets.h"

namespace millrace {
namespace {

VipKey key(const std::string& addr, uint16_t number, Proto proto = Proto::tcp) {
  return {.addr = ip(addr), .port = port(number), .proto = proto};
}

TEST(VipTable_find_service, knows_address_port_and_protocol_apart) {
  VipTable table;
  EXPECT_TRUE(table.add_service(key("10.0.0.1", 80), ServiceSlot{1}));
  EXPECT_TRUE(table.add_service(key("10.0.0.1", 80, Proto::udp), ServiceSlot{2}));
  EXPECT_TRUE(table.add_service(key("10.0.0.1", 81), ServiceSlot{3}));
  EXPECT_TRUE(table.add_service(key("fd00::1", 80), ServiceSlot{4}));
  EXPECT_EQ(table.find_service(key("10.0.0.1", 80)), ServiceSlot{1});
  EXPECT_EQ(table.find_service(key("10.0.0.1", 80, Proto::udp)), ServiceSlot{2});
  EXPECT_EQ(table.find_service(key("10.0.0.1", 81)), ServiceSlot{3});
  EXPECT_EQ(table.find_service(key("fd00::1", 80)), ServiceSlot{4});
  EXPECT_EQ(table.find_service(key("10.0.0.2", 80)), kNoService);
}

TEST(VipTable_find_service, of_an_empty_table_is_none) {
  EXPECT_EQ(VipTable().find_service(key("10.0.0.1", 80)), kNoService);
}

TEST(VipTable_add_service, refuses_a_taken_key) {
  VipTable table;
  EXPECT_TRUE(table.add_service(key("10.0.0.1", 80), ServiceSlot{1}));
  EXPECT_FALSE(table.add_service(key("10.0.0.1", 80), ServiceSlot{2}));
  EXPECT_EQ(table.find_service(key("10.0.0.1", 80)), ServiceSlot{1});
  EXPECT_EQ(table.services().size(), 1u);
}

TEST(VipTable_find_service, finds_every_one_of_many) {
  VipTable table;
  for (uint16_t i = 0; i < 10'000; ++i) ASSERT_TRUE(table.add_service(key("10.0.0.1", i + 1), ServiceSlot{i}));
  for (uint16_t i = 0; i < 10'000; ++i) ASSERT_EQ(table.find_service(key("10.0.0.1", i + 1)), ServiceSlot{i});
  EXPECT_EQ(table.find_service(key("10.0.0.1", 10'001)), kNoService);
}

TEST(VipTable_add_address, joins_flags) {
  VipTable table;
  table.add_address(ip("10.0.0.1"), {.is_vip = true});
  table.add_address(ip("10.0.0.1"), {.is_snat = true, .kernel_owned = true});
  const std::optional<OwnedAddress> owned = table.find_address(ip("10.0.0.1"));
  ASSERT_TRUE(owned);
  EXPECT_TRUE(owned->is_vip && owned->is_snat && owned->kernel_owned);
  EXPECT_EQ(table.addresses().size(), 1u);
  EXPECT_FALSE(table.find_address(ip("10.0.0.2")));
}

TEST(VipTable_add_nat_backend, keeps_each_once) {
  VipTable table;
  table.add_nat_backend(key("10.0.1.1", 80));
  table.add_nat_backend(key("10.0.1.1", 80));
  EXPECT_EQ(table.nat_backends().size(), 1u);
  EXPECT_TRUE(table.is_nat_backend(key("10.0.1.1", 80)));
  EXPECT_FALSE(table.is_nat_backend(key("10.0.1.1", 81)));
}

TEST(VipTable_is_snat, covers_the_range_and_nothing_around_it) {
  VipTable table;
  table.add_snat_range(ip("10.0.0.254"), ip("10.0.1.1"), 1024, 2047);
  EXPECT_EQ(table.snat_rows().size(), 4u);
  EXPECT_TRUE(table.is_snat(ip("10.0.0.255"), port(1024)));
  EXPECT_TRUE(table.is_snat(ip("10.0.1.0"), port(2047)));
  EXPECT_FALSE(table.is_snat(ip("10.0.0.253"), port(1024)));
  EXPECT_FALSE(table.is_snat(ip("10.0.1.2"), port(1024)));
  EXPECT_FALSE(table.is_snat(ip("10.0.1.0"), port(1023)));
  EXPECT_FALSE(table.is_snat(ip("10.0.1.0"), port(2048)));
}

TEST(VipTable_is_snat, an_address_may_have_two_ranges) {
  VipTable table;
  table.add_snat_range(ip("fd00::1"), ip("fd00::1"), 100, 199);
  table.add_snat_range(ip("fd00::1"), ip("fd00::2"), 300, 399);
  EXPECT_TRUE(table.is_snat(ip("fd00::1"), port(150)));
  EXPECT_TRUE(table.is_snat(ip("fd00::1"), port(350)));
  EXPECT_FALSE(table.is_snat(ip("fd00::1"), port(250)));
  EXPECT_FALSE(table.is_snat(ip("fd00::2"), port(150)));
}

}  // namespace
}  // namespace millrace
