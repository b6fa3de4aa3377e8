// neighbours_test.cpp: entries keep their index, the word holds MAC, port and state, a full table refuses.
#include "dataplane/ports/neighbours.h"

#include <gtest/gtest.h>

#include <thread>

#include "millrace/conn_entry.h"

namespace millrace {
namespace {

constexpr MacAddr kMac{{0x02, 0xff, 0x80, 0x01, 0x00, 0xfe}};

IpAddr ip(const char* text) { return parse_ip(text).value(); }

IpAddr numbered(uint32_t number) { return IpAddr::from_ipv4(Be32::from_host(0x0a00'0000 + number)); }

TEST(NeighbourTable, Unknown_IsNotFound) {
  const NeighbourTable table;
  EXPECT_EQ(table.find(PortIndex{0}, ip("10.0.0.1")), kNoNeighbour);
  EXPECT_EQ(table.count(), 0);
}

TEST(NeighbourTable, Added_IsUnresolvedAndKeepsItsIndex) {
  NeighbourTable table;
  const uint16_t index = table.add(PortIndex{15}, ip("fe80::1"));
  ASSERT_NE(index, kNoNeighbour);
  EXPECT_EQ(table.add(PortIndex{15}, ip("fe80::1")), index);
  EXPECT_EQ(table.find(PortIndex{15}, ip("fe80::1")), index);
  EXPECT_EQ(table.count(), 1);
  EXPECT_FALSE(table.read(index).resolved());
  EXPECT_EQ(table.read(index).port(), PortIndex{15});
  EXPECT_EQ(table.entry(index).addr, ip("fe80::1"));
}

TEST(NeighbourTable, SameAddressOnTwoPorts_AreTwo) {
  NeighbourTable table;
  const uint16_t first = table.add(PortIndex{0}, ip("fe80::1"));
  const uint16_t second = table.add(PortIndex{1}, ip("fe80::1"));
  EXPECT_NE(first, second);
  table.set_resolved(first, kMac);
  EXPECT_FALSE(table.read(second).resolved());
}

TEST(NeighbourTable, ResolvedAndBack_ShowsMacPortAndState) {
  NeighbourTable table;
  const uint16_t index = table.add(PortIndex{9}, ip("10.0.0.1"));
  table.set_resolved(index, kMac);
  EXPECT_EQ(table.read(index).mac(), kMac);
  EXPECT_EQ(table.read(index).port(), PortIndex{9});
  EXPECT_TRUE(table.read(index).resolved());
  table.set_unresolved(index);
  EXPECT_FALSE(table.read(index).resolved());
  EXPECT_EQ(table.read(index).port(), PortIndex{9});
}

TEST(NeighbourTable, Full_RefusesNewAndKeepsOld) {
  NeighbourTable table;
  for (uint32_t i = 0; i < kNeighbourMax; ++i) ASSERT_EQ(table.add(PortIndex{1}, numbered(i)), i);
  EXPECT_EQ(table.add(PortIndex{1}, numbered(kNeighbourMax)), kNoNeighbour);
  EXPECT_EQ(table.add(PortIndex{1}, numbered(7)), 7);
  EXPECT_EQ(table.find(PortIndex{1}, numbered(kNeighbourMax - 1)), kNeighbourMax - 1);
}

// A reader that finds an entry sees its port, however early it looks.
TEST(NeighbourTable, ReaderBesideWriter_SeesWholeEntries) {
  NeighbourTable table;
  constexpr uint32_t kCount = 20'000;
  std::atomic<bool> go{false};
  unsigned wrong = 0;
  std::thread reader([&] {
    while (!go.load(std::memory_order_acquire)) {
    }
    for (uint32_t i = 0; i < kCount; ++i) {
      const uint16_t index = table.find(PortIndex{5}, numbered(i));
      if (index == kNoNeighbour) continue;
      const NextHop hop = table.read(index);
      wrong += hop.port() != PortIndex{5} || (hop.resolved() && hop.mac() != kMac);
    }
  });
  go.store(true, std::memory_order_release);
  for (uint32_t i = 0; i < kCount; ++i) table.set_resolved(table.add(PortIndex{5}, numbered(i)), kMac);
  reader.join();
  EXPECT_EQ(wrong, 0u);
}

}  // namespace
}  // namespace millrace
