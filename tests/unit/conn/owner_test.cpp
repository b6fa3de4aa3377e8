#include "dataplane/conn/owner.h"

#include <gtest/gtest.h>
#include <rte_ip.h>
#include <rte_thash.h>

#include <algorithm>
#include <random>
#include <set>
#include <stdexcept>
#include <vector>

#include "tests/unit/conn/test_entries.h"

namespace millrace {
namespace {

// The verification suite of the Microsoft RSS specification, "RSS hashing with TCP ports".
constexpr std::array<uint8_t, kRssKeyBytes> kMicrosoftKey = {
    0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67, 0x25, 0x3d, 0x43, 0xa3,
    0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb, 0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3,
    0x80, 0x30, 0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa};

std::vector<uint8_t> rss_input(const Endpoint& src, const Endpoint& dst) {
  std::vector<uint8_t> input;
  const auto append = [&](const uint8_t* bytes, size_t count) { input.insert(input.end(), bytes, bytes + count); };
  const size_t skipped = src.addr.is_ipv4() ? 12 : 0;
  append(src.addr.bytes.data() + skipped, 16 - skipped);
  append(dst.addr.bytes.data() + skipped, 16 - skipped);
  append(reinterpret_cast<const uint8_t*>(&src.port.raw), 2);
  append(reinterpret_cast<const uint8_t*>(&dst.port.raw), 2);
  return input;
}

TEST(ToeplitzTable_part, agrees_with_the_microsoft_verification_suite) {
  const struct {
    const char *dst, *src;
    uint32_t hash;
  } rows[] = {
      {"161.142.100.80:1766", "66.9.149.187:2794", 0x51ccc178},
      {"65.69.140.83:4739", "199.92.111.2:14230", 0xc626b0ea},
      {"12.22.207.184:38024", "24.19.198.95:12898", 0x5c2b394a},
      {"209.142.163.6:2217", "38.27.205.30:48228", 0xafc7327f},
      {"202.188.127.2:1303", "153.39.163.191:44251", 0x10e828a2},
      {"[3ffe:2501:200:3::1]:1766", "[3ffe:2501:200:1fff::7]:2794", 0x40207d3d},
      {"[ff02::1]:4739", "[3ffe:501:8::260:97ff:fe40:efab]:14230", 0xdde51bbf},
      {"[fe80::200:f8ff:fe21:67cf]:38024", "[3ffe:1900:4545:3:200:f8ff:fe21:67cf]:44251", 0x02d1feef},
  };
  static const ToeplitzTable table{kMicrosoftKey};
  for (const auto& row : rows) {
    const auto input = rss_input(parse_endpoint(row.src).value(), parse_endpoint(row.dst).value());
    EXPECT_EQ(table.part(0, input), row.hash) << row.dst;
  }
}

// Random endpoints of one family, the same in every run.
class RandomEndpoints {
 public:
  explicit RandomEndpoints(Family family) : family_(family) {}
  Endpoint next() {
    Endpoint endpoint;
    if (family_ == Family::ipv4) {
      endpoint.addr = IpAddr::from_ipv4(Be32{static_cast<uint32_t>(random_())});
    } else {
      for (uint8_t& byte : endpoint.addr.bytes) byte = static_cast<uint8_t>(random_());
      endpoint.addr.bytes[0] = 0x20;  // never IPv4-mapped
    }
    endpoint.port.raw = static_cast<uint16_t>(random_());
    return endpoint;
  }

 private:
  Family family_;
  std::mt19937 random_{4711};
};

class OwnerOfFamily : public testing::TestWithParam<Family> {
 protected:
  RandomEndpoints random_{GetParam()};
};
using Owner_rss_hash = OwnerOfFamily;
using Owner_dst_port_part = OwnerOfFamily;
using Owner_of_fullnat = OwnerOfFamily;
using Owner_of_nat_client = OwnerOfFamily;

const auto kFamilies = testing::Values(Family::ipv4, Family::ipv6);
const auto kFamilyName = [](const auto& info) { return info.param == Family::ipv4 ? "ipv4" : "ipv6"; };
INSTANTIATE_TEST_SUITE_P(families, Owner_rss_hash, kFamilies, kFamilyName);

TEST_P(Owner_rss_hash, agrees_with_rte_softrss_be) {
  alignas(16) std::array<uint8_t, kRssKeyBytes> converted;
  rte_convert_rss_key(reinterpret_cast<const uint32_t*>(kRssKey.data()), reinterpret_cast<uint32_t*>(converted.data()),
                      kRssKeyBytes);
  for (int i = 0; i < 2000; ++i) {
    const Endpoint src = random_.next(), dst = random_.next();
    std::vector<uint8_t> input = rss_input(src, dst);
    std::vector<uint32_t> words(input.size() / 4);
    for (size_t word = 0; word < words.size(); ++word) {
      std::memcpy(&words[word], input.data() + 4 * word, 4);
      words[word] = rte_be_to_cpu_32(words[word]);
    }
    const uint32_t expected = rte_softrss_be(words.data(), static_cast<uint32_t>(words.size()), converted.data());
    ASSERT_EQ(Owner::rss_hash(src.addr, src.port, dst.addr, dst.port), expected);
  }
}

// Changes one field of a packet in steps and counts which RETA entries come up.
template <typename Change>
size_t reta_entries_hit(RandomEndpoints& random, Change&& change) {
  const Endpoint src = random.next(), dst = random.next();
  std::set<uint32_t> hit;
  for (unsigned i = 0; i < kRetaSize; ++i) {
    Endpoint s = src, d = dst;
    change(i, s, d);
    hit.insert(Owner::rss_hash(s.addr, s.port, d.addr, d.port) % kRetaSize);
  }
  return hit.size();
}

TEST_P(Owner_rss_hash, key_spreads_any_aligned_128_of_one_field_over_all_reta_entries) {
  const auto low_bits = [](IpAddr& addr, unsigned i) {
    addr.bytes[15] = static_cast<uint8_t>((addr.bytes[15] & 0x80) | i);
  };
  const auto port = [](Be16& p, unsigned base_mask, unsigned i) {
    p = Be16::from_host(static_cast<uint16_t>((p.host() & base_mask) | i));
  };
  for (int round = 0; round < 20; ++round) {
    EXPECT_EQ(reta_entries_hit(random_, [&](unsigned i, Endpoint& s, Endpoint&) { low_bits(s.addr, i); }), kRetaSize);
    EXPECT_EQ(reta_entries_hit(random_, [&](unsigned i, Endpoint&, Endpoint& d) { low_bits(d.addr, i); }), kRetaSize);
    EXPECT_EQ(reta_entries_hit(random_, [&](unsigned i, Endpoint& s, Endpoint&) { port(s.port, ~0x7fu, i); }),
              kRetaSize);
    EXPECT_EQ(reta_entries_hit(random_, [&](unsigned i, Endpoint&, Endpoint& d) { port(d.port, ~0x7fu, i); }),
              kRetaSize);
    // Linux takes source ports of one parity only.
    EXPECT_EQ(reta_entries_hit(random_, [&](unsigned i, Endpoint& s, Endpoint&) { port(s.port, ~0xfeu, 2 * i); }),
              kRetaSize);
  }
}

INSTANTIATE_TEST_SUITE_P(families, Owner_dst_port_part, kFamilies, kFamilyName);

TEST_P(Owner_dst_port_part, is_what_the_port_adds_to_the_hash) {
  for (int i = 0; i < 2000; ++i) {
    const Endpoint src = random_.next(), dst = random_.next();
    EXPECT_EQ(Owner::rss_hash(src.addr, src.port, dst.addr, dst.port),
              Owner::rss_hash(src.addr, src.port, dst.addr, Be16{}) ^ Owner::dst_port_part(GetParam(), dst.port));
  }
  EXPECT_EQ(Owner::dst_port_part(GetParam(), Be16{}), 0u);
}

TEST_P(Owner_dst_port_part, any_aligned_power_of_two_of_ports_takes_all_values_of_as_many_hash_bits) {
  for (unsigned size = 2; size <= kRetaSize; size *= 2)
    for (unsigned base = 0; base < 65536; base += size) {
      std::set<uint32_t> values;
      for (unsigned i = 0; i < size; ++i)
        values.insert(Owner::dst_port_part(GetParam(), Be16::from_host(static_cast<uint16_t>(base + i))) % size);
      ASSERT_EQ(values.size(), size) << "ports from " << base;
    }
}

INSTANTIATE_TEST_SUITE_P(families, Owner_of_fullnat, kFamilies, kFamilyName);

TEST_P(Owner_of_fullnat, spreads_clients_evenly_over_3_workers) {
  const Owner owner(3, {});
  const Endpoint vip = random_.next();
  unsigned packets[3] = {};
  for (int i = 0; i < 30'000; ++i) {
    const Endpoint client = random_.next();
    ++packets[raw(owner.of_fullnat(client.addr, client.port, vip.addr, vip.port))];
  }
  // A third each of 128 entries is 42 or 43 of them, and 30,000 draws deviate by about 82.
  for (unsigned count : packets) EXPECT_NEAR(count, 10'000, 500);
}

INSTANTIATE_TEST_SUITE_P(families, Owner_of_nat_client, kFamilies, kFamilyName);

TEST_P(Owner_of_nat_client, hangs_on_the_client_alone_and_spreads) {
  const Owner owner(4, {});
  unsigned packets[4] = {};
  for (int i = 0; i < 10'000; ++i) {
    const Endpoint client = random_.next();
    ++packets[raw(owner.of_nat_client(client.addr, client.port))];
  }
  for (unsigned count : packets) EXPECT_NEAR(count, 2500, 250);
}

TEST(Owner_construct, repeats_the_redirection_table) {
  const std::vector<uint8_t> reta = {2, 0, 1, 1, 0};
  const Owner owner(3, reta);
  for (uint32_t hash = 0; hash < 1000; ++hash)
    EXPECT_EQ(raw(owner.of_hash(hash)), reta[hash % kRetaSize % reta.size()]) << hash;
}

TEST(Owner_construct, deals_the_entries_in_turn_without_a_table) {
  const Owner owner(5, {});
  EXPECT_EQ(owner.worker_count(), 5u);
  for (uint32_t hash = 0; hash < 1000; ++hash) EXPECT_EQ(raw(owner.of_hash(hash)), hash % kRetaSize % 5);
}

TEST(Owner_limit_reta, looks_up_no_more_bits_than_the_shortest_table) {
  Owner owner(5, {});
  owner.limit_reta(512);
  EXPECT_EQ(raw(owner.of_hash(127)), 127 % 5) << "a longer one changes nothing";
  owner.limit_reta(64);
  for (uint32_t hash = 0; hash < 1000; ++hash) EXPECT_EQ(raw(owner.of_hash(hash)), hash % 64 % 5) << hash;
}

TEST(Owner_construct, gives_one_worker_everything) {
  const Owner owner(1, {});
  for (uint32_t hash = 0; hash < 1000; ++hash) EXPECT_EQ(raw(owner.of_hash(hash * 2654435761u)), 0);
}

TEST(Owner_construct, refuses_what_cannot_be) {
  const std::vector<uint8_t> names_worker_2 = {0, 1, 2};
  const std::vector<uint8_t> too_long(kRetaSize + 1, 0);
  EXPECT_THROW(Owner(0, {}), std::invalid_argument);
  EXPECT_THROW(Owner(65, {}), std::invalid_argument);
  EXPECT_THROW(Owner(2, names_worker_2), std::invalid_argument);
  EXPECT_THROW(Owner(2, too_long), std::invalid_argument);
  EXPECT_NO_THROW(Owner(64, {}));
}

}  // namespace
}  // namespace millrace
