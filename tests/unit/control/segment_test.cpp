// segment_test.cpp: joining and refusing segments, the lock, directory, counters, rates and the slab's connections.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <random>

#include "controlplane/link/conn_scan.h"
#include "controlplane/link/directory.h"
#include "controlplane/link/live_counters.h"
#include "controlplane/link/monotonic.h"
#include "controlplane/link/owner_lock.h"
#include "controlplane/link/rate_sampler.h"
#include "controlplane/link/segment_join.h"
#include "tests/unit/control/sample_config.h"

namespace millrace::control {
namespace {

using testing::HasSubstr;

struct Joined : testing::Test {
  TempDir dir;
  std::string path = dir.path("segment");
  FakeDataplane fake{path};
};
using join_segment_ = Joined;
using directory_ = Joined;
using live_counters_ = Joined;
using RateSampler_ = Joined;
using scan_connections_ = Joined;

TEST_F(join_segment_, good_one) {
  const SegmentJoin joined = join_segment(path);
  ASSERT_TRUE(joined.segment) << joined.problem;
  EXPECT_EQ(joined.segment->worker_count(), 2u);
  EXPECT_EQ(joined.segment->connection_count(), 2048u);
  EXPECT_EQ(joined.segment->slab().size(), 2048u);
  EXPECT_EQ(joined.segment->splices().size(), 2048u);
  EXPECT_EQ(joined.segment->services().size(), kServiceMax);
  EXPECT_TRUE(joined.segment->is_file(path));
  joined.segment->beat(77, 5);
  EXPECT_EQ(fake.header().control_heartbeat_ms.load(), 77u);
  EXPECT_EQ(fake.header().control_pid.load(), 5u);
}

TEST_F(join_segment_, one_without_splices) {
  FakeDataplane plain(dir.path("plain"), 2, 2048, false);
  const SegmentJoin joined = join_segment(dir.path("plain"));
  ASSERT_TRUE(joined.segment) << joined.problem;
  EXPECT_EQ(joined.segment->slab().size(), 2048u);
  EXPECT_TRUE(joined.segment->splices().empty());
}

TEST_F(join_segment_, each_lie_of_the_header_is_refused) {
  using Lie = std::function<void(SegmentHeader&)>;
  const auto section = [](SegmentHeader& header, SectionKind kind) -> Section& {
    return header.sections[static_cast<size_t>(kind)];
  };
  const std::vector<Lie> lies = {
      [](SegmentHeader& h) { h.magic ^= 1; },
      [](SegmentHeader& h) { h.abi_version += 1; },
      [](SegmentHeader& h) { h.layout ^= 1; },
      [](SegmentHeader& h) { h.segment_bytes += 4096; },
      [](SegmentHeader& h) { h.worker_count = 0; },
      [](SegmentHeader& h) { h.worker_count = kWorkerMax + 1; },
      [](SegmentHeader& h) { h.worker_count = 3; },
      [](SegmentHeader& h) { h.port_count = kPortMax + 1; },
      [](SegmentHeader& h) { h.tsc_hz = 0; },
      [](SegmentHeader& h) { h.connection_count = 0; },
      [](SegmentHeader& h) { h.connection_count = UINT32_MAX; },
      [](SegmentHeader& h) { h.connection_count = 4096; },
      [&](SegmentHeader& h) { section(h, SectionKind::slab).offset = 0; },
      [&](SegmentHeader& h) { section(h, SectionKind::slab).offset += 64; },
      [&](SegmentHeader& h) { section(h, SectionKind::slab).offset = h.segment_bytes; },
      [&](SegmentHeader& h) { section(h, SectionKind::slab).offset = ~uint64_t{4095}; },
      [&](SegmentHeader& h) { section(h, SectionKind::slab).bytes = ~uint64_t{0}; },
      [&](SegmentHeader& h) { section(h, SectionKind::slab).bytes -= 128; },
      [&](SegmentHeader& h) { section(h, SectionKind::slab).element_bytes = 64; },
      [&](SegmentHeader& h) { section(h, SectionKind::command_ring).element_count *= 2; },
      [&](SegmentHeader& h) { section(h, SectionKind::command_ring).bytes = 4096; },
      [&](SegmentHeader& h) {
        section(h, SectionKind::event_ring).offset = section(h, SectionKind::command_ring).offset;
      },
      [&](SegmentHeader& h) { section(h, SectionKind::backend_counters).element_count -= 1; },
      [&](SegmentHeader& h) { section(h, SectionKind::splices).element_count -= 1; },
      [&](SegmentHeader& h) { section(h, SectionKind::splices).element_count *= 2; },
      [&](SegmentHeader& h) { section(h, SectionKind::splices).bytes -= 64; },
  };
  for (size_t i = 0; i < lies.size(); ++i) {
    FakeDataplane liar(dir.path("lie" + std::to_string(i)));
    lies[i](liar.header());
    const SegmentJoin joined = join_segment(dir.path("lie" + std::to_string(i)));
    EXPECT_FALSE(joined.segment) << "lie " << i;
    EXPECT_THAT(joined.problem, HasSubstr("refused: ")) << "lie " << i;
  }
}

TEST_F(join_segment_, random_headers_never_crash) {
  std::minstd_rand random(1);
  auto* bytes = reinterpret_cast<uint8_t*>(&fake.header());
  const std::vector<uint8_t> good(bytes, bytes + sizeof(SegmentHeader));
  for (int round = 0; round < 2000; ++round) {
    std::copy(good.begin(), good.end(), bytes);
    for (int flips = 0; flips < 3; ++flips) bytes[random() % sizeof(SegmentHeader)] = static_cast<uint8_t>(random());
    const SegmentJoin joined = join_segment(path);
    if (!joined.segment) continue;
    // What was let in must hold what it says, to the last byte.
    EXPECT_EQ(joined.segment->slab().size(), 2048u);
    EXPECT_TRUE(joined.segment->splices().empty() || joined.segment->splices()[2047].tries == 0);
    EXPECT_EQ(joined.segment->backend_counters(1, kBackendMax - 1).connections.read(), 0u);
    EXPECT_TRUE(read_services(*joined.segment).empty());
  }
}

TEST_F(join_segment_, no_segment_at_all) {
  EXPECT_THAT(join_segment(dir.path("none")).problem, HasSubstr("start millrace-dataplane"));
  std::ofstream(dir.path("short")) << "x";
  EXPECT_THAT(join_segment(dir.path("short")).problem, HasSubstr("too short"));
  ASSERT_EQ(mkfifo(dir.path("fifo").c_str(), 0600), 0);
  EXPECT_THAT(join_segment(dir.path("fifo")).problem, HasSubstr("not a regular file"));
  ASSERT_EQ(symlink(path.c_str(), dir.path("link").c_str()), 0);
  EXPECT_FALSE(join_segment(dir.path("link")).segment);
}

TEST_F(join_segment_, replaced_file_is_seen) {
  const SegmentJoin joined = join_segment(path);
  std::filesystem::rename(path, path + ".old");
  EXPECT_FALSE(joined.segment->is_file(path));
}

TEST(OwnerLock, second_one_names_the_first) {
  TempDir dir;
  const std::string path = dir.path("segment");
  std::string problem;
  std::optional<OwnerLock> first = OwnerLock::take(path, problem);
  ASSERT_TRUE(first) << problem;
  EXPECT_FALSE(OwnerLock::take(path, problem));
  EXPECT_THAT(problem, HasSubstr("another millraced (pid " + std::to_string(getpid()) + ") already controls"));
  first.reset();
  EXPECT_TRUE(OwnerLock::take(path, problem));
}

TEST(OwnerLock, sees_the_dataplane_and_a_deleted_file) {
  TempDir dir;
  const std::string path = dir.path("segment");
  std::string problem;
  std::optional<OwnerLock> lock = OwnerLock::take(path, problem);
  ASSERT_TRUE(lock);
  EXPECT_FALSE(lock->dataplane_lives());
  {
    FakeDataplane fake(path);
    EXPECT_TRUE(lock->dataplane_lives());
  }
  EXPECT_FALSE(lock->dataplane_lives());
  EXPECT_FALSE(lock->is_stale());
  std::filesystem::remove(path + ".lock");
  EXPECT_TRUE(lock->is_stale());
}

TEST_F(directory_, rows_by_slot) {
  fake.set_service(3, "web");
  fake.set_service(4, "old", 2);
  fake.set_backend(9, 3, endpoint("10.0.0.1:80"));
  const SegmentJoin joined = join_segment(path);
  const std::vector<ServiceRow> services = read_services(*joined.segment);
  ASSERT_EQ(services.size(), 2u);
  EXPECT_EQ(services[0].slot, ServiceSlot{3});
  EXPECT_EQ(services[0].name, "web");
  EXPECT_TRUE(services[0].configured);
  EXPECT_EQ(read_service(*joined.segment, ServiceSlot{4})->name, "old");
  EXPECT_FALSE(read_service(*joined.segment, ServiceSlot{5}));
  EXPECT_FALSE(read_service(*joined.segment, kNoService));
  EXPECT_FALSE(services[1].configured);
  const std::vector<BackendRow> backends = read_backends(*joined.segment);
  ASSERT_EQ(backends.size(), 1u);
  EXPECT_EQ(backends[0].service, ServiceSlot{3});
  EXPECT_EQ(format_endpoint(backends[0].endpoint), "10.0.0.1:80");
}

TEST_F(directory_, impossible_rows_are_left_out) {
  fake.set_service(0, "half-written");
  fake.section<ServiceInfo>(SectionKind::service_directory)[0].version.store(1);
  fake.set_service(1, "");
  fake.set_service(2, "bad\x01name");
  fake.set_service(3, "unterminated");
  std::memset(fake.section<ServiceInfo>(SectionKind::service_directory)[3].name, 'x', kNameBytes);
  fake.set_service(4, "strange", 77);
  fake.set_backend(0, kServiceMax, endpoint("10.0.0.1:80"));
  fake.set_backend(1, 0, {parse_ip("10.0.0.1").value(), Be16{}});
  const SegmentJoin joined = join_segment(path);
  EXPECT_TRUE(read_services(*joined.segment).empty());
  EXPECT_TRUE(read_backends(*joined.segment).empty());
}

TEST_F(live_counters_, sum_over_workers) {
  fake.backend_counters(0, 7).connections.add(3);
  fake.backend_counters(1, 7).connections.add(4);
  fake.backend_counters(1, 8).connections.add(100);
  auto* services = fake.section<ServiceCounters>(SectionKind::service_counters);
  services[3].refused.add(2);
  services[kServiceMax + 3].refused.add(3);
  services[kServiceMax + 3].syn_floods.add(1);
  services[kServiceMax + 3].denied.add(4);
  services[kServiceMax + 3].evicted.add(6);
  services[kServiceMax + 3].limited.add(8);
  auto* workers = fake.section<WorkerCounters>(SectionKind::worker_counters);
  workers[1].dropped[static_cast<size_t>(DropReason::land)].add(5);
  workers[1].connections_opened.add(9);
  workers[1].connections_closed.add(2);
  workers[0].connections_closed.add(2);
  const SegmentJoin joined = join_segment(path);
  EXPECT_EQ(sum_backend(*joined.segment, BackendSlot{7}).connections, 7u);
  EXPECT_EQ(sum_backend(*joined.segment, kNoBackend).connections, 0u);
  EXPECT_EQ(sum_service(*joined.segment, ServiceSlot{3}).refused, 5u);
  EXPECT_EQ(sum_service(*joined.segment, ServiceSlot{3}).syn_floods, 1u);
  EXPECT_EQ(sum_service(*joined.segment, ServiceSlot{3}).denied, 4u);
  EXPECT_EQ(sum_service(*joined.segment, ServiceSlot{3}).evicted, 6u);
  EXPECT_EQ(sum_service(*joined.segment, ServiceSlot{3}).limited, 8u);
  const std::vector<WorkerLive> live = read_workers(*joined.segment);
  ASSERT_EQ(live.size(), 2u);
  EXPECT_EQ(live[1].dropped_total(), 5u);
  EXPECT_EQ(live[1].connections_open(), 7u);
  EXPECT_EQ(live[0].connections_open(), 0u) << "closed ahead of opened is no huge number";
}

TEST_F(live_counters_, stages_and_what_came_between_two_readings) {
  auto* workers = fake.section<WorkerCounters>(SectionKind::worker_counters);
  StageCounters& lookup = workers[1].stages[static_cast<size_t>(Stage::lookup)];
  StageCounters& act = workers[1].stages[static_cast<size_t>(Stage::act)];
  lookup.cycles.set(1000);
  lookup.packets.set(10);
  act.cycles.set(50);
  const SegmentJoin joined = join_segment(path);
  EXPECT_EQ(joined.segment->tsc_hz(), 2'000'000'000u);
  const std::vector<StagesLive> was = read_stages(*joined.segment);
  ASSERT_EQ(was.size(), 2u);
  EXPECT_EQ(was[1][static_cast<size_t>(Stage::lookup)].cycles, 1000u);
  EXPECT_EQ(was[0][static_cast<size_t>(Stage::lookup)].cycles, 0u);
  lookup.cycles.add(300);
  lookup.packets.add(4);
  act.cycles.set(20);
  const std::vector<StagesLive> between = stages_between(was, read_stages(*joined.segment));
  ASSERT_EQ(between.size(), 2u);
  EXPECT_EQ(between[1][static_cast<size_t>(Stage::lookup)].cycles, 300u);
  EXPECT_EQ(between[1][static_cast<size_t>(Stage::lookup)].packets, 4u);
  EXPECT_EQ(between[1][static_cast<size_t>(Stage::act)].cycles, 0u) << "a counter that goes back is no huge number";
}

TEST_F(RateSampler_, per_second_between_two_readings) {
  const std::shared_ptr<const Segment> segment = join_segment(path).segment;
  auto& worker = fake.section<WorkerCounters>(SectionKind::worker_counters)[0];
  worker.rx_packets.set(100);
  RateSampler sampler;
  sampler.sample(segment, 1000);
  EXPECT_TRUE(sampler.rates().empty());
  worker.rx_packets.set(1100);
  worker.rx_bytes.set(250);
  worker.busy_cycles.set(25);
  worker.total_cycles.set(100);
  sampler.sample(segment, 3000);
  ASSERT_EQ(sampler.rates().size(), 2u);
  EXPECT_DOUBLE_EQ(sampler.rates()[0].rx_packets, 500);
  EXPECT_DOUBLE_EQ(sampler.rates()[0].rx_bits, 1000);
  EXPECT_DOUBLE_EQ(sampler.rates()[0].busy_ratio, 0.25);
  EXPECT_DOUBLE_EQ(sampler.rates()[1].rx_packets, 0);
  worker.rx_packets.set(0);
  sampler.sample(segment, 4000);
  EXPECT_DOUBLE_EQ(sampler.rates()[0].rx_packets, 0) << "a counter that goes back has no rate";
  sampler.sample(nullptr, 5000);
  EXPECT_TRUE(sampler.rates().empty());
}

ConnEntry& open_entry(FakeDataplane& fake, uint32_t index, uint16_t service, const std::string& client,
                      const std::string& backend) {
  ConnEntry& entry = fake.section<ConnEntry>(SectionKind::slab)[index];
  const Endpoint from = endpoint(client);
  const Endpoint to = endpoint(backend);
  entry.generation.store(2);
  entry.state = ConnState::established;
  entry.family = from.addr.family();
  entry.proto = Proto::tcp;
  entry.mode = Mode::fullnat;
  entry.service = ServiceSlot{service};
  entry.owner = WorkerIndex{1};
  entry.opened_ms = static_cast<uint32_t>(monotonic_ms() - 5000);
  entry.client_seen_ms = entry.backend_seen_ms = static_cast<uint32_t>(monotonic_ms() - 1000);
  entry.client_port = from.port;
  entry.backend_port = to.port;
  if (from.addr.is_ipv4()) {
    entry.client4 = from.addr.ipv4();
    entry.backend4 = to.addr.ipv4();
  } else {
    entry.client6 = from.addr.bytes;
    entry.backend6 = to.addr.bytes;
  }
  return entry;
}

ConnScan scan(const std::shared_ptr<const Segment>& segment, const ConnFilter& filter, size_t limit, bool count) {
  boost::asio::io_context loop;
  ConnScan result;
  boost::asio::co_spawn(loop, scan_connections(segment, filter, limit, count),
                        [&](std::exception_ptr error, ConnScan scanned) {
                          EXPECT_FALSE(error);
                          result = std::move(scanned);
                        });
  loop.run();
  return result;
}

TEST_F(scan_connections_, filters) {
  fake.set_service(1, "web");
  open_entry(fake, 0, 1, "192.0.2.7:4000", "10.0.0.1:80");
  open_entry(fake, 5, 1, "192.0.2.7:4001", "10.0.0.2:80");
  open_entry(fake, 2047, 2, "[2001:db8::7]:4000", "[fd00::1]:80");
  const auto segment = std::shared_ptr<const Segment>(join_segment(path).segment);
  EXPECT_EQ(scan(segment, {}, 100, false).rows.size(), 3u);
  EXPECT_EQ(scan(segment, {.service = "web"}, 100, false).matched, 2u);
  EXPECT_EQ(scan(segment, {.service = "none"}, 100, false).matched, 0u);
  EXPECT_EQ(scan(segment, {.backend = endpoint("10.0.0.2:80")}, 100, false).matched, 1u);
  EXPECT_EQ(scan(segment, {.client = parse_ip("192.0.2.7")}, 100, false).matched, 2u);
  EXPECT_EQ(scan(segment, {.client = parse_ip("192.0.2.7"), .client_port = 4001}, 100, false).matched, 1u);
  const ConnScan ipv6 = scan(segment, {.client = parse_ip("2001:db8::7")}, 100, false);
  ASSERT_EQ(ipv6.rows.size(), 1u);
  EXPECT_EQ(format_endpoint(ipv6.rows[0].backend), "[fd00::1]:80");
  EXPECT_EQ(ipv6.rows[0].index, ConnIndex{2047});
  EXPECT_EQ(ipv6.rows[0].service, "") << "slot 2 has no name";
  EXPECT_GE(ipv6.rows[0].age_ms, 5000u);
  EXPECT_LT(ipv6.rows[0].client_idle_ms, 5000u);
}

TEST_F(scan_connections_, limit_and_count) {
  for (uint32_t i = 0; i < 10; ++i) open_entry(fake, i * 100, 1, "192.0.2.7:4000", "10.0.0.1:80");
  const auto segment = std::shared_ptr<const Segment>(join_segment(path).segment);
  const ConnScan listed = scan(segment, {}, 4, false);
  EXPECT_EQ(listed.rows.size(), 4u);
  EXPECT_FALSE(listed.complete);
  EXPECT_TRUE(scan(segment, {}, 10, false).complete);
  const ConnScan counted = scan(segment, {}, 0, true);
  EXPECT_EQ(counted.matched, 10u);
  EXPECT_TRUE(counted.rows.empty());
}

TEST_F(scan_connections_, proxied_ones_come_with_their_splice) {
  ConnEntry& entry = open_entry(fake, 7, 1, "192.0.2.7:4000", "10.0.0.1:80");
  entry.mode = Mode::proxy;
  entry.spliced = 1;
  entry.state = ConnState::connect;
  Splice& splice = fake.section<Splice>(SectionKind::splices)[7];
  splice.forward_seq_delta = 0xffff'fff0;
  splice.reverse_window_shift = -3;
  splice.tries = 2;
  open_entry(fake, 8, 1, "192.0.2.7:4001", "10.0.0.1:80");
  const auto segment = std::shared_ptr<const Segment>(join_segment(path).segment);
  const ConnScan result = scan(segment, {.client = parse_ip("192.0.2.7")}, 100, false);
  ASSERT_EQ(result.rows.size(), 2u);
  EXPECT_EQ(result.rows[0].mode, Mode::proxy);
  EXPECT_EQ(conn_state_name(result.rows[0].state), "connect");
  ASSERT_TRUE(result.rows[0].splice);
  EXPECT_EQ(result.rows[0].splice->forward_seq_delta, 0xffff'fff0u);
  EXPECT_EQ(result.rows[0].splice->reverse_window_shift, -3);
  EXPECT_EQ(result.rows[0].splice->tries, 2);
  EXPECT_FALSE(result.rows[1].splice);
}

TEST_F(scan_connections_, entries_that_claim_a_splice_where_there_is_none) {
  FakeDataplane plain(dir.path("plain"), 2, 2048, false);
  open_entry(plain, 7, 1, "192.0.2.7:4000", "10.0.0.1:80").spliced = 1;
  const auto segment = std::shared_ptr<const Segment>(join_segment(dir.path("plain")).segment);
  const ConnScan result = scan(segment, {}, 100, false);
  ASSERT_EQ(result.rows.size(), 1u);
  EXPECT_FALSE(result.rows[0].splice);
}

TEST_F(scan_connections_, impossible_entries_are_left_out) {
  open_entry(fake, 0, 1, "192.0.2.7:4000", "10.0.0.1:80").generation.store(3);
  open_entry(fake, 1, 1, "192.0.2.7:4000", "10.0.0.1:80").state = ConnState{200};
  open_entry(fake, 2, 1, "192.0.2.7:4000", "10.0.0.1:80").family = Family{9};
  open_entry(fake, 3, 1, "192.0.2.7:4000", "10.0.0.1:80").proto = Proto{9};
  open_entry(fake, 4, 1, "192.0.2.7:4000", "10.0.0.1:80").state = ConnState::free;
  open_entry(fake, 5, 0xffff, "192.0.2.7:4000", "10.0.0.1:80");
  open_entry(fake, 6, 1, "192.0.2.7:4000", "10.0.0.1:80").mode = Mode{6};
  open_entry(fake, 7, 1, "192.0.2.7:4000", "10.0.0.1:80").spliced = 2;
  const auto segment = std::shared_ptr<const Segment>(join_segment(path).segment);
  const ConnScan result = scan(segment, {}, 100, false);
  ASSERT_EQ(result.rows.size(), 1u);
  EXPECT_EQ(result.rows[0].index, ConnIndex{5});
}

}  // namespace
}  // namespace millrace::control
