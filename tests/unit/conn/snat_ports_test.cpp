#include "dataplane/conn/snat_ports.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "tests/unit/conn/test_entries.h"

namespace millrace {
namespace {

SnatRange range(const char* first, const char* last, uint16_t port_first, uint16_t port_last) {
  return {test_ip(first), test_ip(last), port_first, port_last};
}

const SnatPool kPool{
    .ipv4 = {range("10.72.0.10", "10.72.0.11", 1000, 1049), range("10.72.9.255", "10.72.10.1", 65500, 65535)},
    .ipv6 = {range("fd72::ffff", "fd72::1:1", 1000, 1065), range("fd72::5", "fd72::5", 7, 7)}};
constexpr unsigned kPool4Size = 2 * 50 + 3 * 36;
constexpr unsigned kPool6Size = 3 * 66 + 1;

BackendTarget backend(const char* addr, uint16_t port = 80, uint16_t slot = 3) {
  return {test_ip(addr), Be16::from_host(port), BackendSlot{slot}, 1};
}
const BackendTarget kBackend4 = backend("10.72.1.1");
const BackendTarget kBackend6 = backend("fd72::21");

bool in_pool(const SnatPool& pool, const Endpoint& endpoint) {
  const auto& ranges = endpoint.addr.is_ipv4() ? pool.ipv4 : pool.ipv6;
  return std::any_of(ranges.begin(), ranges.end(), [&](const SnatRange& r) {
    return endpoint.addr >= r.first && endpoint.addr <= r.last && endpoint.port.host() >= r.port_first &&
           endpoint.port.host() <= r.port_last;
  });
}

// One worker: its table, its ports, and connections opened through them.
class TestWorker {
 public:
  TestWorker(unsigned self, const Owner& owner, uint64_t seed = 1)
      : table_(2048, self, 0), ports_(static_cast<WorkerIndex>(self), owner, seed) {}

  std::optional<Endpoint> find(const BackendTarget& target, const SnatPool& pool = kPool, Proto proto = Proto::tcp) {
    return ports_.find(pool, proto, target, table_, tries_);
  }
  // Finds a port and inserts a connection with it.
  std::optional<Endpoint> open(const BackendTarget& target, const SnatPool& pool = kPool, Proto proto = Proto::tcp) {
    const std::optional<Endpoint> snat = find(target, pool, proto);
    if (snat) {
      ConnEntry entry{};
      connect(entry, *snat, target, proto);
      EXPECT_TRUE(table_.insert(entry, ConnIndex{opened_})) << "the port was taken";
      ++opened_;
    }
    return snat;
  }
  void close(const Endpoint& snat, const BackendTarget& target) {
    ConnEntry entry{};
    connect(entry, snat, target, Proto::tcp);
    table_.erase(entry);
  }
  std::set<std::string> open_all(const BackendTarget& target, const SnatPool& pool = kPool) {
    std::set<std::string> opened;
    while (const std::optional<Endpoint> snat = open(target, pool)) {
      EXPECT_TRUE(in_pool(pool, *snat)) << format_endpoint(*snat);
      EXPECT_TRUE(opened.insert(format_endpoint(*snat)).second) << format_endpoint(*snat) << " twice";
    }
    return opened;
  }
  uint64_t tries() const { return tries_; }

 private:
  // The client is made from the SNAT endpoint and the backend's port: unique where they are.
  static void connect(ConnEntry& entry, const Endpoint& snat, const BackendTarget& target, Proto proto) {
    set_addresses(entry, snat.addr, test_ip(snat.addr.is_ipv4() ? "203.0.113.10" : "2001:db8::10"), snat.addr,
                  target.addr);
    entry.proto = proto;
    entry.client_port = entry.snat_port = snat.port;
    entry.vip_port = Be16::from_host(static_cast<uint16_t>(target.port.host() + 1000 * target.addr.bytes[15]));
    entry.backend_port = target.port;
  }

  ConnTable table_;
  SnatPorts ports_;
  uint32_t opened_ = 0;
  uint64_t tries_ = 0;
};

const Owner kOneWorker(1, {});

TEST(SnatPorts_find, gives_every_place_of_the_pool_once_and_then_nothing) {
  TestWorker worker(0, kOneWorker);
  EXPECT_EQ(worker.open_all(kBackend4).size(), kPool4Size);
  EXPECT_FALSE(worker.find(kBackend4));
  EXPECT_EQ(worker.open_all(kBackend6).size(), kPool6Size);
  EXPECT_FALSE(worker.find(kBackend6));
}

TEST(SnatPorts_find, counts_the_candidates_it_looked_up) {
  TestWorker worker(0, kOneWorker);
  for (unsigned i = 0; i < kPool4Size; ++i) ASSERT_TRUE(worker.open(kBackend4));
  EXPECT_EQ(worker.tries(), kPool4Size) << "a walk in order meets no taken port before the pool is full";
  EXPECT_FALSE(worker.find(kBackend4));
  EXPECT_EQ(worker.tries(), 2 * kPool4Size) << "looked at each place once, not again";
}

TEST(SnatPorts_find, gives_the_one_place_that_is_free) {
  TestWorker worker(0, kOneWorker);
  worker.open_all(kBackend4);
  for (const char* text : {"10.72.0.10:1000", "10.72.0.11:1049", "10.72.9.255:65535", "10.72.10.1:65500"}) {
    const Endpoint freed = parse_endpoint(text).value();
    worker.close(freed, kBackend4);
    EXPECT_EQ(worker.open(kBackend4), freed);
    EXPECT_FALSE(worker.find(kBackend4));
  }
}

TEST(SnatPorts_find, uses_a_freed_port_as_late_as_possible) {
  TestWorker worker(0, kOneWorker);
  std::vector<std::string> order;
  for (unsigned i = 0; i < 2 * kPool4Size; ++i) {
    const std::optional<Endpoint> snat = worker.open(kBackend4);
    ASSERT_TRUE(snat);
    worker.close(*snat, kBackend4);
    order.push_back(format_endpoint(*snat));
  }
  EXPECT_EQ(std::set(order.begin(), order.begin() + kPool4Size).size(), kPool4Size);
  EXPECT_TRUE(std::equal(order.begin(), order.begin() + kPool4Size, order.begin() + kPool4Size));
}

TEST(SnatPorts_find, shares_a_place_between_backends_and_between_protocols) {
  TestWorker worker(0, kOneWorker);
  EXPECT_EQ(worker.open_all(kBackend4).size(), kPool4Size);
  EXPECT_EQ(worker.open_all(backend("10.72.1.2", 80, 4)).size(), kPool4Size) << "another address";
  EXPECT_EQ(worker.open_all(backend("10.72.1.1", 81, 5)).size(), kPool4Size) << "another port";
  unsigned udp = 0;
  while (worker.open(kBackend4, kPool, Proto::udp)) ++udp;
  EXPECT_EQ(udp, kPool4Size);
}

// Two services with the same backend have two slots, but only one tuple space towards it.
TEST(SnatPorts_find, does_not_share_a_place_between_two_slots_of_one_endpoint) {
  TestWorker worker(0, kOneWorker);
  const BackendTarget first = backend("10.72.1.1", 80, 3), second = backend("10.72.1.1", 80, 4);
  for (unsigned i = 0; i < kPool4Size / 2; ++i) {
    ASSERT_TRUE(worker.open(first));
    ASSERT_TRUE(worker.open(second));
  }
  EXPECT_FALSE(worker.find(first));
  EXPECT_FALSE(worker.find(second));
}

TEST(SnatPorts_find, stops_after_its_tries_and_goes_on_from_there_the_next_time) {
  const SnatPool large{.ipv4 = {range("10.72.0.1", "10.72.0.1", 2001, 3000)}, .ipv6 = {}};
  TestWorker worker(0, kOneWorker);
  for (unsigned i = 0; i < 1000; ++i) ASSERT_TRUE(worker.open(kBackend4, large)) << i;
  uint64_t before = worker.tries();
  EXPECT_FALSE(worker.find(kBackend4, large));
  EXPECT_EQ(worker.tries() - before, kSnatTries);

  worker.close(parse_endpoint("10.72.0.1:2500").value(), kBackend4);
  unsigned calls = 1;
  while (!worker.find(kBackend4, large) && calls < 10) ++calls;
  EXPECT_LE(calls, 4u) << "1000 places, 256 a call";
}

TEST(SnatPorts_find, gives_up_when_no_reply_would_hash_home) {
  const std::vector<uint8_t> all_to_worker_0 = {0};
  const Owner owner(2, all_to_worker_0);
  const SnatPool huge{.ipv4 = {range("10.0.0.0", "10.0.15.255", 1024, 65535)}, .ipv6 = {}};
  TestWorker worker(1, owner);
  EXPECT_FALSE(worker.find(kBackend4, huge));
  EXPECT_EQ(worker.tries(), 0u);
}

TEST(SnatPorts_find, finds_nothing_in_a_pool_without_the_family) {
  TestWorker worker(0, kOneWorker);
  EXPECT_FALSE(worker.find(kBackend4, SnatPool{}));
  EXPECT_FALSE(worker.find(kBackend4, SnatPool{.ipv4 = {}, .ipv6 = kPool.ipv6}));
  EXPECT_FALSE(worker.find(kBackend6, SnatPool{.ipv4 = kPool.ipv4, .ipv6 = {}}));
}

TEST(SnatPorts_find, follows_a_pool_that_shrinks) {
  TestWorker worker(0, kOneWorker);
  for (unsigned i = 0; i < 150; ++i) ASSERT_TRUE(worker.open(kBackend4));
  const SnatPool small{.ipv4 = {range("10.72.0.77", "10.72.0.77", 5, 6)}, .ipv6 = {}};
  EXPECT_EQ(worker.open_all(kBackend4, small), (std::set<std::string>{"10.72.0.77:5", "10.72.0.77:6"}));
}

TEST(SnatPorts_find, takes_any_backend_slot) {
  TestWorker worker(0, kOneWorker);
  EXPECT_TRUE(worker.find(backend("10.72.1.1", 80, 0)));
  EXPECT_TRUE(worker.find(backend("10.72.1.1", 80, raw(kNoBackend))));
}

TEST(SnatPorts_construct, starts_elsewhere_for_each_backend_worker_and_run) {
  const SnatPool large{.ipv4 = {range("10.72.0.0", "10.72.0.15", 1024, 65535)}, .ipv6 = {}};
  const Owner owner(2, {});
  std::set<std::string> starts;
  for (uint64_t seed = 1; seed <= 4; ++seed)
    for (unsigned self = 0; self < 2; ++self) {
      TestWorker worker(self, owner, seed);
      for (uint16_t slot = 0; slot < 16; ++slot)
        starts.insert(format_endpoint(worker.find(backend("10.72.1.1", 80, slot), large).value()));
    }
  // 128 draws of a million: a clash is a matter of 1 in 120, two are bad luck no more.
  EXPECT_GE(starts.size(), 127u);
}

class SnatPorts_workers : public testing::TestWithParam<unsigned> {};
INSTANTIATE_TEST_SUITE_P(counts, SnatPorts_workers, testing::Values(2, 3, 4));

// The workers share a pool without a word to each other: what one may use no other may, nothing is left over, and
// every reply comes home.
TEST_P(SnatPorts_workers, divide_the_pool_by_the_hash_of_the_reply) {
  const Owner owner(GetParam(), {});
  for (const BackendTarget& target : {kBackend4, kBackend6, backend("10.72.1.2", 8080), backend("fd72::22", 443)}) {
    std::map<std::string, unsigned> user;
    for (unsigned self = 0; self < GetParam(); ++self) {
      TestWorker worker(self, owner);
      for (const std::string& snat : worker.open_all(target)) {
        EXPECT_TRUE(user.emplace(snat, self).second) << snat << " has two users";
        const Endpoint to = parse_endpoint(snat).value();
        EXPECT_EQ(raw(owner.of_fullnat(target.addr, target.port, to.addr, to.port)), self) << snat;
      }
    }
    EXPECT_EQ(user.size(), target.addr.is_ipv4() ? kPool4Size : kPool6Size);
  }
}

TEST_P(SnatPorts_workers, each_get_their_share_of_a_few_ports) {
  const Owner owner(GetParam(), {});
  const SnatPool few{.ipv4 = {range("10.72.0.1", "10.72.0.1", 1024, 1151)},
                     .ipv6 = {range("fd72::1", "fd72::1", 1024, 1151)}};
  for (unsigned self = 0; self < GetParam(); ++self) {
    TestWorker worker(self, owner);
    EXPECT_NEAR(worker.open_all(kBackend4, few).size(), 128 / GetParam(), 1);
    EXPECT_NEAR(worker.open_all(kBackend6, few).size(), 128 / GetParam(), 1);
  }
}

TEST(tunnel_source, uses_every_address_of_the_pool_evenly) {
  std::map<IpAddr, unsigned> uses;
  for (uint64_t hash = 0; hash < 5000; ++hash) ++uses[tunnel_source(kPool, Family::ipv4, hash)->addr];
  EXPECT_EQ(uses.size(), 5u);
  for (const auto& [addr, count] : uses) EXPECT_EQ(count, 1000u) << format_ip(addr);
  EXPECT_TRUE(in_pool(kPool, *tunnel_source(kPool, Family::ipv6, 2))) << "across a carry";
}

TEST(tunnel_source, takes_dynamic_ports_RFC_6335_where_the_pool_has_them) {
  const auto ports = [](uint16_t first, uint16_t last) {
    const SnatPool pool{.ipv4 = {range("10.72.0.10", "10.72.0.10", first, last)}, .ipv6 = {}};
    std::set<uint16_t> seen;
    for (uint64_t hash = 0; hash < 100'000; ++hash)
      seen.insert(tunnel_source(pool, Family::ipv4, hash << 32)->port.host());
    return std::pair(*seen.begin(), *seen.rbegin());
  };
  EXPECT_EQ(ports(1024, 65535), std::pair(uint16_t{49152}, uint16_t{65535}));
  EXPECT_EQ(ports(1024, 49151), std::pair(uint16_t{1024}, uint16_t{49151}));
  EXPECT_EQ(ports(60000, 60001), std::pair(uint16_t{60000}, uint16_t{60001}));
}

TEST(tunnel_source, has_none_without_an_address_of_the_family) {
  EXPECT_EQ(tunnel_source({.ipv4 = kPool.ipv4, .ipv6 = {}}, Family::ipv6, 1), std::nullopt);
}

}  // namespace
}  // namespace millrace
