#include "tests/sim/middle.h"

#include <fmt/format.h>
#include <rte_cycles.h>
#include <rte_random.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "tests/sim/random.h"

namespace millrace::sim {
namespace {

constexpr unsigned kClientAddresses = 15;
constexpr uint32_t kClientPorts = 60'000;
constexpr uint16_t kFirstClientPort = 1024;
constexpr unsigned kBatchMax = 256;  // well below what the bed's rings hold
constexpr uint16_t kBackendPort = 8080;
// With a clock so slow no millisecond passes by itself.
constexpr uint64_t kFrozenHz = uint64_t{1} << 60;
constexpr uint64_t kBeforeWrapMs = 60'000;
constexpr uint64_t kJumpMsMax = uint64_t{1} << 30;  // what the timer wheel takes at once

// Addresses that follow each other, of both families.
class AddressRow {
 public:
  AddressRow(const char* first_ipv4, const char* first_ipv6)
      : first_ipv4_(parse_ip(first_ipv4).value()), first_ipv6_(parse_ip(first_ipv6).value()) {}
  IpAddr at(unsigned number, Family family) const {
    IpAddr addr = first(family);
    addr.bytes[15] = static_cast<uint8_t>(addr.bytes[15] + number);
    return addr;
  }
  unsigned number_of(const IpAddr& addr) const {
    IpAddr start = addr;
    start.bytes[15] = first(addr.family()).bytes[15];
    return start == first(addr.family()) ? static_cast<unsigned>(addr.bytes[15] - start.bytes[15]) : UINT32_MAX;
  }

 private:
  const IpAddr& first(Family family) const { return family == Family::ipv4 ? first_ipv4_ : first_ipv6_; }
  IpAddr first_ipv4_, first_ipv6_;
};
const AddressRow kClients("192.0.2.10", "2001:db8:1::10");
const AddressRow kBackends("10.0.0.1", "fd00::1");

TestbedOptions bed_options(const MiddleSettings& settings) {
  // The ports' numbers that the workers draw must be the same in the next run.
  rte_srand(settings.seed);
  TestbedOptions options;
  options.workers = settings.workers;
  options.connections = settings.entries;
  options.snat_port_last = 59'999;
  TestService& service = options.services[0];
  service.mode = settings.mode;
  service.syn_proxy = settings.syn_proxy;
  if (settings.syn_proxy == SynProxy::automatic) service.syn_rate = settings.syn_rate;
  service.proxy_protocol = settings.proxy_protocol;
  service.connect_timeout_ms = settings.connect_timeout_ms;
  service.backends.clear();
  for (const Family family : {Family::ipv4, Family::ipv6})
    for (unsigned i = 0; i < settings.backends; ++i)
      service.backends.push_back(format_endpoint({kBackends.at(i, family), Be16::from_host(kBackendPort)}));
  // Longer than anybody is silent on purpose, short enough to end whom the other side has left.
  service.client_idle_ms = service.backend_idle_ms = 100'000;
  return options;
}

}  // namespace

Endpoint vip_endpoint(Family family) {
  return parse_endpoint(family == Family::ipv4 ? "203.0.113.10:80" : "[2001:db8:2::10]:80").value();
}

Endpoint client_endpoint(uint32_t number, Family family) {
  return {kClients.at(number / kClientPorts, family),
          Be16::from_host(static_cast<uint16_t>(kFirstClientPort + number % kClientPorts))};
}

std::optional<uint32_t> client_number(const Endpoint& endpoint) {
  const unsigned row = kClients.number_of(endpoint.addr);
  if (row >= kClientAddresses || endpoint.port.host() < kFirstClientPort) return std::nullopt;
  return row * kClientPorts + endpoint.port.host() - kFirstClientPort;
}

Middle::Middle(const MiddleSettings& settings) : settings_(settings), bed_(bed_options(settings)) {
  for (unsigned i = 0; i < kClientAddresses; ++i)
    for (const Family family : {Family::ipv4, Family::ipv6})
      bed_.resolve(kFront, format_ip(kClients.at(i, family)), kClientMac);
  for (unsigned i = 0; i < settings.backends; ++i)
    for (const Family family : {Family::ipv4, Family::ipv6})
      bed_.resolve(kBack, format_ip(kBackends.at(i, family)), kBackendMac);
  uint64_t clock_ms = 0;
  for (unsigned i = 0; i < settings.workers; ++i) {
    Worker& worker = bed_.worker(i);
    clock_ms = std::max(clock_ms, worker.clock.now_ms());
    worker.clock = WorkerClock(kFrozenHz, rte_rdtsc(), worker.clock.now_ms());
  }
  start_ms_ = ((((clock_ms + kBeforeWrapMs) >> 32) + 1) << 32) - kBeforeWrapMs;
  while (clock_ms < start_ms_) {
    clock_ms = std::min(clock_ms + kJumpMsMax, start_ms_);
    anchor(clock_ms);
    bed_.run();
  }
  // Every worker accepts every other's cookies, and they are the same in the next run.
  CookieSecret secret{};
  std::memcpy(secret.data(), &settings.seed, sizeof settings.seed);
  for (unsigned i = 0; i < settings.workers; ++i) bed_.worker(i).cookies = SynCookies(secret, start_ms_);
}

void Middle::anchor(uint64_t clock_ms) {
  for (unsigned i = 0; i < settings_.workers; ++i) bed_.worker(i).clock.anchor(rte_rdtsc(), clock_ms);
}

void Middle::set_time(VirtualMs now_ms) {
  anchor(start_ms_ + now_ms);
  // Whose packets come first in this turn depends on the time alone, so that it is the same when one connection is
  // played again.
  for (unsigned i = 0; i < settings_.workers; ++i) {
    Worker& worker = bed_.worker(i);
    worker.source_next = static_cast<unsigned>(scramble(now_ms) % worker.sources.size());
  }
}

void Middle::put(PortIndex port, const Bytes& frame) {
  // Any queue, as a NIC that does not know the owner.
  bed_.send(port, frame, static_cast<uint16_t>(frame.back() % settings_.workers));
  if (++waiting_ == kBatchMax) flush();
}

void Middle::flush() {
  bed_.run();
  for (unsigned i = 0; i < settings_.workers; ++i)
    while (bed_.worker(i).expiries_left) bed_.run();
  waiting_ = 0;
  for (const PortIndex port : {kFront, kBack})
    for (Bytes& frame : bed_.received(port)) out_.push_back({port, std::move(frame)});
}

std::vector<MiddleFrame> Middle::turn() {
  flush();
  return std::exchange(out_, {});
}

std::optional<Endpoint> Middle::client_behind(const Endpoint& source, const Endpoint& backend) const {
  const auto is_it = [&](const ConnEntry& entry) {
    if (entry.state == ConnState::free || entry.family != source.addr.family()) return false;
    if (entry.snat_port != source.port || entry.backend_port != backend.port) return false;
    if (entry.family == Family::ipv4) return entry.snat4 == source.addr.ipv4() && entry.backend4 == backend.addr.ipv4();
    return entry.snat6 == source.addr.bytes && entry.backend6 == backend.addr.bytes;
  };
  const std::span<const ConnEntry> slab = const_cast<Testbed&>(bed_).state().slab;
  const auto entry = std::ranges::find_if(slab, is_it);
  if (entry == slab.end()) return std::nullopt;
  const IpAddr addr = entry->family == Family::ipv4 ? IpAddr::from_ipv4(entry->client4) : IpAddr{entry->client6};
  return Endpoint{addr, entry->client_port};
}

bool Middle::is_backend(const Endpoint& endpoint) const {
  return endpoint.port.host() == kBackendPort && kBackends.number_of(endpoint.addr) < settings_.backends;
}

uint64_t Middle::entries_in_use() {
  uint64_t used = 0;
  for (unsigned i = 0; i < settings_.workers; ++i) used += bed_.worker(i).slab.used();
  return used;
}

int Middle::faults() { return testing::UnitTest::GetInstance()->ad_hoc_test_result().total_part_count(); }

std::vector<std::pair<DropReason, uint64_t>> Middle::drops() {
  std::vector<std::pair<DropReason, uint64_t>> rows;
  for (uint32_t i = 0; i < kDropReasonCount; ++i) {
    const auto reason = static_cast<DropReason>(i);
    if (const uint64_t count = bed_.dropped(reason)) rows.emplace_back(reason, count);
  }
  return rows;
}

std::string Middle::counters() {
  return fmt::format("{} packets in, {} out, {} connections opened, {} closed, {} of them expired",
                     bed_.total(&WorkerCounters::rx_packets), bed_.total(&WorkerCounters::tx_packets),
                     bed_.total(&WorkerCounters::connections_opened), bed_.total(&WorkerCounters::connections_closed),
                     bed_.total(&WorkerCounters::connections_expired));
}

}  // namespace millrace::sim
