#include "dataplane/conn/conn_table.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "millrace/limits.h"
#include "tests/unit/conn/test_entries.h"

namespace millrace {
namespace {

ConnRef find_forward(const ConnTable& table, const ConnEntry& entry) {
  return entry.family == Family::ipv4 ? table.find4(forward_key4(entry)) : table.find6(forward_key6(entry));
}
ConnRef find_reverse(const ConnTable& table, const ConnEntry& entry) {
  return entry.family == Family::ipv4 ? table.find4(reverse_key4(entry)) : table.find6(reverse_key6(entry));
}
bool leads_to(const ConnTable& table, const ConnEntry& entry, uint32_t index) {
  const ConnRef forward = find_forward(table, entry), reverse = find_reverse(table, entry);
  return forward.index == ConnIndex{index} && forward.direction == Direction::forward &&
         reverse.index == ConnIndex{index} && reverse.direction == Direction::reverse;
}
bool is_absent(const ConnTable& table, const ConnEntry& entry) {
  return !find_forward(table, entry).found() && !find_reverse(table, entry).found();
}

TEST(ConnTable_keys, are_the_packets_as_client_and_backend_send_them) {
  ConnEntry entry{};
  set_addresses(entry, test_ip("198.51.100.7"), test_ip("203.0.113.10"), test_ip("10.72.0.10"), test_ip("10.72.1.1"));
  entry.proto = Proto::udp;
  entry.client_port = Be16::from_host(1);
  entry.vip_port = Be16::from_host(2);
  entry.snat_port = Be16::from_host(3);
  entry.backend_port = Be16::from_host(4);
  EXPECT_EQ(forward_key4(entry), (FlowKey4{test_ip("198.51.100.7").ipv4(), test_ip("203.0.113.10").ipv4(),
                                           Be16::from_host(1), Be16::from_host(2), 17}));
  EXPECT_EQ(reverse_key4(entry), (FlowKey4{test_ip("10.72.1.1").ipv4(), test_ip("10.72.0.10").ipv4(),
                                           Be16::from_host(4), Be16::from_host(3), 17}));

  set_addresses(entry, test_ip("2001:db8::7"), test_ip("2001:db8::10"), test_ip("fd72::10"), test_ip("fd72::21"));
  EXPECT_EQ(forward_key6(entry), (FlowKey6{test_ip("2001:db8::7").bytes, test_ip("2001:db8::10").bytes,
                                           Be16::from_host(1), Be16::from_host(2), 17}));
  EXPECT_EQ(reverse_key6(entry), (FlowKey6{test_ip("fd72::21").bytes, test_ip("fd72::10").bytes, Be16::from_host(4),
                                           Be16::from_host(3), 17}));
}

class ConnTableOfFamily : public testing::TestWithParam<Family> {
 protected:
  ConnTable table_{1024, 0, 0};

  bool insert(uint32_t number) {
    ConnEntry entry{};
    fill_entry(entry, GetParam(), number);
    return table_.insert(entry, ConnIndex{number});
  }
};
using ConnTable_insert = ConnTableOfFamily;
using ConnTable_erase = ConnTableOfFamily;
using ConnTable_find_burst = ConnTableOfFamily;

const auto kFamilies = testing::Values(Family::ipv4, Family::ipv6);
const auto kFamilyName = [](const auto& info) { return info.param == Family::ipv4 ? "ipv4" : "ipv6"; };
INSTANTIATE_TEST_SUITE_P(families, ConnTable_insert, kFamilies, kFamilyName);
INSTANTIATE_TEST_SUITE_P(families, ConnTable_erase, kFamilies, kFamilyName);
INSTANTIATE_TEST_SUITE_P(families, ConnTable_find_burst, kFamilies, kFamilyName);

TEST_P(ConnTable_insert, leads_both_directions_to_the_index) {
  for (uint32_t index : {0u, 1u, 77u, kConnectionMax - 1}) {
    ConnEntry entry{};
    fill_entry(entry, GetParam(), index % 1000);
    EXPECT_TRUE(is_absent(table_, entry));
    ASSERT_TRUE(table_.insert(entry, ConnIndex{index}));
    EXPECT_TRUE(leads_to(table_, entry, index));
    table_.erase(entry);
  }
}

TEST_P(ConnTable_insert, keeps_protocols_apart) {
  ConnEntry tcp{}, udp{};
  fill_entry(tcp, GetParam(), 1);
  fill_entry(udp, GetParam(), 1);
  udp.proto = Proto::udp;
  ASSERT_TRUE(table_.insert(tcp, ConnIndex{1}));
  EXPECT_TRUE(is_absent(table_, udp));
  ASSERT_TRUE(table_.insert(udp, ConnIndex{2}));
  EXPECT_TRUE(leads_to(table_, tcp, 1));
  EXPECT_TRUE(leads_to(table_, udp, 2));
}

TEST_P(ConnTable_insert, refuses_a_client_tuple_that_is_in_and_changes_nothing) {
  ConnEntry old_entry{}, new_entry{};
  fill_entry(old_entry, GetParam(), 1);
  fill_entry(new_entry, GetParam(), 1);
  new_entry.snat_port = Be16::from_host(9);
  ASSERT_TRUE(table_.insert(old_entry, ConnIndex{1}));
  EXPECT_FALSE(table_.insert(new_entry, ConnIndex{2}));
  EXPECT_TRUE(leads_to(table_, old_entry, 1));
  EXPECT_FALSE(find_reverse(table_, new_entry).found());
}

// Mode nat: one client port, through two VIPs, to one backend. Both replies would look the same.
TEST_P(ConnTable_insert, refuses_a_backend_tuple_that_is_in_and_changes_nothing) {
  ConnEntry old_entry{}, new_entry{};
  fill_entry(old_entry, GetParam(), 1);
  fill_entry(new_entry, GetParam(), 1);
  new_entry.vip_port = Be16::from_host(9);
  ASSERT_TRUE(table_.insert(old_entry, ConnIndex{1}));
  EXPECT_FALSE(table_.insert(new_entry, ConnIndex{2}));
  EXPECT_TRUE(leads_to(table_, old_entry, 1));
  EXPECT_FALSE(find_forward(table_, new_entry).found());
}

TEST_P(ConnTable_insert, refuses_a_connection_whose_two_directions_are_one) {
  ConnEntry entry{};
  const IpAddr one = GetParam() == Family::ipv4 ? test_ip("10.0.0.1") : test_ip("fd72::1");
  set_addresses(entry, one, one, one, one);
  entry.proto = Proto::tcp;
  entry.client_port = entry.vip_port = entry.snat_port = entry.backend_port = Be16::from_host(80);
  EXPECT_FALSE(table_.insert(entry, ConnIndex{1}));
  EXPECT_TRUE(is_absent(table_, entry));
}

// Of both parities of room, so that it is once the forward key and once the reverse key that finds none.
TEST_P(ConnTable_insert, leaves_neither_direction_in_when_full) {
  for (const uint32_t capacity : {1024u, 1028u}) {
    ConnTable table(capacity, 1, 0);
    ConnEntry entry{};
    uint32_t inserted = 0;
    for (;; ++inserted) {
      fill_entry(entry, GetParam(), inserted);
      if (!table.insert(entry, ConnIndex{inserted})) break;
    }
    EXPECT_GE(inserted, capacity);
    EXPECT_LT(inserted, 2 * capacity);
    EXPECT_TRUE(is_absent(table, entry));
    // The rest still stands, and one that goes makes room for one.
    for (uint32_t i = 0; i < inserted; ++i) {
      fill_entry(entry, GetParam(), i);
      ASSERT_TRUE(leads_to(table, entry, i));
    }
    table.erase(entry);
    fill_entry(entry, GetParam(), inserted);
    EXPECT_TRUE(table.insert(entry, ConnIndex{5}));
    EXPECT_TRUE(leads_to(table, entry, 5));
  }
}

TEST_P(ConnTable_erase, takes_both_directions_of_that_connection_only) {
  ASSERT_TRUE(insert(1));
  ASSERT_TRUE(insert(2));
  ConnEntry one{}, two{};
  fill_entry(one, GetParam(), 1);
  fill_entry(two, GetParam(), 2);
  table_.erase(one);
  EXPECT_TRUE(is_absent(table_, one));
  EXPECT_TRUE(leads_to(table_, two, 2));
  EXPECT_TRUE(table_.insert(one, ConnIndex{3})) << "the tuple is free again";
  EXPECT_TRUE(leads_to(table_, one, 3));
}

// Even places of the burst hit, in turn forward and reverse; odd ones miss.
TEST_P(ConnTable_find_burst, sets_every_ref_of_any_burst_size) {
  std::vector<TableKey> keys(kBurstMax);
  for (uint32_t i = 0; i < kBurstMax; ++i) {
    ConnEntry entry{};
    fill_entry(entry, GetParam(), i);
    if (i % 2 == 0) {
      ASSERT_TRUE(table_.insert(entry, ConnIndex{1000 + i}));
    }
    const bool forward = i % 4 == 0;
    keys[i] = GetParam() == Family::ipv4 ? table_.table_key(forward ? forward_key4(entry) : reverse_key4(entry))
                                         : table_.table_key(forward ? forward_key6(entry) : reverse_key6(entry));
  }
  for (unsigned count = 0; count <= kBurstMax; ++count) {
    ConnRef refs[kBurstMax + 1];
    for (ConnRef& ref : refs) ref = ConnRef{ConnIndex{9}, Direction::reverse};
    table_.find_burst(keys.data(), count, refs);
    for (unsigned i = 0; i < count; ++i) {
      ASSERT_EQ(refs[i].found(), i % 2 == 0) << i << " of " << count;
      if (i % 2 != 0) continue;
      EXPECT_EQ(refs[i].index, ConnIndex{1000 + i});
      EXPECT_EQ(refs[i].direction, i % 4 == 0 ? Direction::forward : Direction::reverse);
    }
    EXPECT_EQ(refs[count].index, ConnIndex{9}) << "nothing past the burst is written";
  }
}

// An IPv6 tuple stands in the table as a digest; whether a hit is one, the entry tells.
TEST(ConnTable_is_key_of, compares_all_of_the_tuple) {
  ConnEntry entry{};
  fill_entry(entry, Family::ipv6, 1);
  for (const Direction direction : {Direction::forward, Direction::reverse}) {
    const FlowKey6 key = direction == Direction::forward ? forward_key6(entry) : reverse_key6(entry);
    EXPECT_TRUE(is_key_of(key, entry, direction));
    EXPECT_FALSE(is_key_of(key, entry, direction == Direction::forward ? Direction::reverse : Direction::forward));
    for (size_t i = 0; i < sizeof key; ++i) {
      FlowKey6 other = key;
      reinterpret_cast<uint8_t*>(&other)[i] ^= 0x10;
      EXPECT_FALSE(is_key_of(other, entry, direction)) << "byte " << i;
    }
  }
  const FlowKey6 key = forward_key6(entry);
  entry.family = Family::ipv4;
  EXPECT_FALSE(is_key_of(key, entry, Direction::forward));
}

TEST(ConnTable_table_key, every_bit_of_an_ipv6_tuple_counts) {
  const ConnTable table(1024, 0, 0), other_table(1024, 1, 0);
  ConnEntry entry{};
  fill_entry(entry, Family::ipv6, 1);
  const FlowKey6 key = forward_key6(entry);
  const TableKey digest = table.table_key(key);
  EXPECT_NE(digest.high >> 63, 0u) << "else it could be taken for an IPv4 tuple";
  EXPECT_NE(digest.low, other_table.table_key(key).low) << "every table has its own secret";
  for (size_t bit = 0; bit < 8 * sizeof key; ++bit) {
    FlowKey6 other = key;
    reinterpret_cast<uint8_t*>(&other)[bit / 8] ^= static_cast<uint8_t>(1u << bit % 8);
    const TableKey changed = table.table_key(other);
    EXPECT_FALSE(changed.low == digest.low && changed.high == digest.high) << "bit " << bit;
  }
}

TEST(ConnTable_families, do_not_see_each_other) {
  ConnTable table(1024, 0, 0);
  ConnEntry four{}, six{};
  fill_entry(four, Family::ipv4, 1);
  fill_entry(six, Family::ipv6, 1);
  ASSERT_TRUE(table.insert(four, ConnIndex{1}));
  EXPECT_TRUE(is_absent(table, six));
  ASSERT_TRUE(table.insert(six, ConnIndex{2}));
  EXPECT_TRUE(leads_to(table, four, 1));
  EXPECT_TRUE(leads_to(table, six, 2));
}

// What the slab has room for, the table must hold, in either family, also after much coming and going. The last
// capacity makes rte_hash's buckets as full as they can get: just below the next power of two.
class ConnTable_capacity : public testing::TestWithParam<std::tuple<uint32_t, Family>> {};
INSTANTIATE_TEST_SUITE_P(sizes, ConnTable_capacity,
                         testing::Combine(testing::Values(kConnectionMin, 10'000, 65'536, 116'504), kFamilies));

TEST_P(ConnTable_capacity, is_held) {
  const auto [capacity, family] = GetParam();
  ConnTable table(capacity, 0, 0);
  ConnEntry entry{};
  const auto fill_table = [&](uint32_t from) {
    for (uint32_t i = 0; i < capacity; ++i) {
      fill_entry(entry, family, from + i);
      ASSERT_TRUE(table.insert(entry, ConnIndex{i})) << "connection " << i << " of " << capacity;
    }
    for (uint32_t i = 0; i < capacity; ++i) {
      fill_entry(entry, family, from + i);
      ASSERT_TRUE(leads_to(table, entry, i));
    }
  };
  fill_table(0);
  // One goes, one comes, a whole turn; the table is full all the time.
  for (uint32_t i = 0; i < capacity; ++i) {
    fill_entry(entry, family, i);
    table.erase(entry);
    fill_entry(entry, family, capacity + i);
    ASSERT_TRUE(table.insert(entry, ConnIndex{i})) << "replacement " << i << " of " << capacity;
  }
  for (uint32_t i = 0; i < capacity; ++i) {
    fill_entry(entry, family, capacity + i);
    ASSERT_TRUE(leads_to(table, entry, i));
    table.erase(entry);
  }
  fill_table(2 * capacity);
}

TEST(ConnTable_construct, names_the_memory_that_it_would_need) {
  try {
    const ConnTable table(kConnectionMax, 0, 0);
    FAIL() << "no machine of this test has the memory";
  } catch (const std::runtime_error& error) {
    EXPECT_NE(std::string(error.what()).find("67108864 connections need"), std::string::npos) << error.what();
    EXPECT_NE(std::string(error.what()).find("MiB of hugepages"), std::string::npos) << error.what();
  }
}

TEST(ConnTable_construct, leaves_no_half_made_table_behind_and_names_the_clash) {
  auto first = std::make_unique<ConnTable>(1024, 7, 0);
  try {
    const ConnTable second(1024, 7, 0);
    FAIL() << "two tables of one name";
  } catch (const std::runtime_error& error) {
    EXPECT_NE(std::string(error.what()).find("connections_7"), std::string::npos) << error.what();
  }
  const ConnTable other(1024, 8, 0);
  first.reset();
  const ConnTable again(1024, 7, 0);
}

}  // namespace
}  // namespace millrace
