#include "tests/fuzz/worker_bench.h"

#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_eth_ring.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_ring_elem.h>

#include <algorithm>
#include <iterator>

#include "dataplane/pick/host_table.h"
#include "dataplane/pick/pick_tables.h"
#include "dataplane/stages/handover.h"
#include "dataplane/stages/stages.h"
#include "dataplane/worker.h"

namespace millrace {
namespace {

constexpr unsigned kRingSlots = 256;
constexpr uint32_t kTimeoutMs = 1000;
constexpr uint16_t kSnatPort = 1024;
constexpr unsigned kEndTurnsMin = 2;
constexpr unsigned kEndTurnsMinProxied = 16;  // until a gate for SYNs forgets that it was open
// A round of the timer wheel: a connection finds out only there that its timeout is shorter now.
constexpr unsigned kEndTurnsMax = 256;
constexpr const char* kBackends[] = {"10.0.0.1", "10.0.0.2", "fd00::1", "fd00::2"};

void start_eal() {
  static char arguments[][16] = {"fuzz",        "--no-huge",      "-m", "256", "--no-pci",
                                 "--no-shconf", "--no-telemetry", "-l", "0",   "--log-level=4"};
  char* argv[std::size(arguments) + 1] = {};
  for (size_t i = 0; i < std::size(arguments); ++i) argv[i] = arguments[i];
  REQUIRE(rte_eal_init(std::size(arguments), argv) >= 0);
}

Route route(const char* prefix, uint8_t bits, unsigned port) {
  return {.prefix = parse_ip(prefix).value(), .prefix_bits = bits, .port = static_cast<PortIndex>(port)};
}

std::shared_ptr<const HostTable> host_table(const BenchService& service, const HostTable::Targets& targets) {
  std::vector<HostTable::Row> rows;
  for (const std::string& name : service.names) {
    rows.push_back({HostPattern::compile(HostMatching::exact, name).pattern, targets});
    REQUIRE(rows.back().pattern != nullptr);
  }
  const std::optional<HostTable::Targets> unexpected =
      service.takes_unexpected_names ? std::optional(targets) : std::nullopt;
  return std::make_shared<HostTable>(HostMatching::exact, std::move(rows), unexpected);
}

}  // namespace

WorkerBench::WorkerBench(const BenchOptions& options) {
  start_eal();
  routes_ = std::make_unique<RouteTable>(std::vector{route("192.0.2.0", 24, 0), route("10.0.0.0", 24, 1),
                                                     route("2001:db8:1::", 64, 0), route("fd00::", 64, 1)},
                                         1);
  state_.tsc_hz = rte_get_tsc_hz();
  state_.owner = std::make_unique<Owner>(1, std::span<const uint8_t>{});
  state_.mbuf_pool =
      rte_pktmbuf_pool_create("fuzz", 1023, 0, kMbufPrivateBytes, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
  REQUIRE(state_.mbuf_pool != nullptr);
  state_.neighbours = std::make_unique<NeighbourTable>();
  state_.handover = {nullptr};
  state_.notes = {rte_ring_create_elem("notes", sizeof(WorkerNote), kNoteRingSlots, SOCKET_ID_ANY, 0)};
  state_.slab = {slab_.get(), kSlabCount};
  state_.splices = {splices_.get(), kSlabCount};
  state_.worker_info = {&worker_info_, 1};
  state_.worker_counters = {&counters_, 1};
  state_.service_counters = {services_.get()};
  state_.backend_counters = {backends_.get()};
  state_.backend_counters_own = {backends_.get()};
  state_.backend_handshakes = {handshakes_.get()};
  state_.service_lifetimes = {lifetimes_.get()};
  for (unsigned port = 0; port < 2; ++port) open_port(port, options.mtu_bytes[port]);
  fill_snapshot(options);
  state_.snapshot.store(&snapshot_, std::memory_order_release);
  state_.routes.store(routes_.get(), std::memory_order_release);
  for (const char* addr : {"192.0.2.10", "2001:db8:1::10"}) resolve(0, addr);
  for (const char* addr : kBackends)
    if (std::ranges::count(options.silent_backends, addr) == 0) resolve(1, addr);
  worker_.reset(make_worker(state_, WorkerIndex{0}).release());
  worker_->announced_generation = snapshot_.generation;
  worker_->announce_next = UINT32_MAX;
}

void WorkerBench::put(unsigned port, std::span<const uint8_t> frame) {
  rte_mbuf* mbuf = rte_pktmbuf_alloc(state_.mbuf_pool);
  REQUIRE(mbuf != nullptr);
  std::copy(frame.begin(), frame.end(), rte_pktmbuf_append(mbuf, static_cast<uint16_t>(frame.size())));
  REQUIRE(rte_ring_enqueue(rx_[port], mbuf) == 0);
}

void WorkerBench::pass(uint32_t ms) {
  worker_->clock.anchor(rte_rdtsc(), worker_->clock.now_ms() + ms);
  turn();
}

void WorkerBench::configure(bool services) {
  state_.snapshot.store(services ? &snapshot_ : &empty_, std::memory_order_release);
}

void WorkerBench::end_input() {
  configure(true);
  const unsigned turns_min = snapshot_.any_spliced ? kEndTurnsMinProxied : kEndTurnsMin;
  for (unsigned i = 0; i < kEndTurnsMax && (i < turns_min || worker_->slab.used() != 0); ++i) pass(2 * kHoldMs);
  worker_->pick.next = {};
  WorkerNote note;
  while (rte_ring_dequeue_elem(state_.notes[0], &note, sizeof note) == 0) {
  }
  REQUIRE(worker_->slab.used() == 0);
  REQUIRE(counters_.held.read() == 0);
  REQUIRE(counters_.connections_opened.read() == counters_.connections_closed.read());
  REQUIRE(rte_mempool_in_use_count(state_.mbuf_pool) == 0);
}

void WorkerBench::open_port(unsigned index, uint16_t mtu_bytes) {
  const std::string name = "port" + std::to_string(index);
  rx_[index] = rte_ring_create((name + "rx").c_str(), kRingSlots, SOCKET_ID_ANY, 0);
  tx_[index] = rte_ring_create((name + "tx").c_str(), kRingSlots, SOCKET_ID_ANY, 0);
  const int made = rte_eth_from_rings(name.c_str(), &rx_[index], 1, &tx_[index], 1, SOCKET_ID_ANY);
  REQUIRE(made >= 0);
  Port port;
  port.index = static_cast<PortIndex>(index);
  port.kind = DeviceKind::ring;
  port.dpdk_port = static_cast<uint16_t>(made);
  port.kernel_sees_all = true;
  port.mac = MacAddr{{2, 0, 0, 0, 0, static_cast<uint8_t>(index)}};
  port.mtu_bytes = mtu_bytes;
  const rte_eth_conf settings{};
  REQUIRE(rte_eth_dev_configure(port.dpdk_port, 1, 1, &settings) == 0);
  REQUIRE(rte_eth_rx_queue_setup(port.dpdk_port, 0, kRingSlots, SOCKET_ID_ANY, nullptr, state_.mbuf_pool) == 0);
  REQUIRE(rte_eth_tx_queue_setup(port.dpdk_port, 0, kRingSlots, SOCKET_ID_ANY, nullptr) == 0);
  REQUIRE(rte_eth_dev_start(port.dpdk_port) == 0);
  state_.ports.push_back(port);
}

void WorkerBench::resolve(unsigned port, const std::string& addr) {
  const uint16_t index = state_.neighbours->add(static_cast<PortIndex>(port), parse_ip(addr).value());
  state_.neighbours->set_resolved(index, MacAddr{{2, 0, 0, 0, 1, 1}});
}

void WorkerBench::add_service(unsigned number, const BenchService& service) {
  auto tables = std::make_shared<ServiceTables>();
  tables->slot = static_cast<ServiceSlot>(number);
  tables->proto = service.proto;
  tables->mode = service.mode;
  tables->balance = Balance::roundrobin;
  tables->snat_pool = service.mode == Mode::nat ? kNoSnatPool : uint16_t{0};
  tables->syn_proxy = service.syn_proxy;
  tables->syn_rate = service.syn_rate;
  tables->client_idle_timeout_ms = tables->backend_idle_timeout_ms = kTimeoutMs;
  tables->connect_timeout_ms = tables->hello_timeout_ms = kTimeoutMs;
  std::vector<PickCandidate> candidates;
  for (const char* addr : kBackends) {
    const auto slot = static_cast<BackendSlot>(number * std::size(kBackends) + candidates.size());
    const Be16 port = Be16::from_host(static_cast<uint16_t>(kBenchBackendPort + number));
    candidates.push_back({.target = {.addr = parse_ip(addr).value(),
                                     .port = port,
                                     .slot = slot,
                                     .proxy_protocol = service.proxy_protocol},
                          .eligible = true});
    state_.eligible.set(slot, true);
    if (service.mode == Mode::nat) snapshot_.vips.add_nat_backend({parse_ip(addr).value(), port, service.proto});
  }
  tables->ipv4 = build_pick_table(tables->balance, Family::ipv4, candidates);
  tables->ipv6 = build_pick_table(tables->balance, Family::ipv6, candidates);
  if (!service.names.empty()) tables->hosts = host_table(service, {tables->ipv4, tables->ipv6});
  for (const char* addr : {"203.0.113.10", "2001:db8:2::10"}) {
    const IpAddr vip = parse_ip(addr).value();
    snapshot_.vips.add_service({vip, Be16::from_host(service.port), service.proto}, tables->slot);
    snapshot_.vips.add_address(vip, {.is_vip = true});
  }
  snapshot_.any_spliced |= service.mode == Mode::proxy || service.syn_proxy != SynProxy::off;
  snapshot_.services[number] = std::move(tables);
}

void WorkerBench::fill_snapshot(const BenchOptions& options) {
  // The same generation, since what a new one announces is no matter here.
  snapshot_.generation = empty_.generation = 1;
  snapshot_.services.resize(kServiceMax);
  empty_.services.resize(kServiceMax);
  SettingsCommand& settings = snapshot_.settings;
  settings.syn_sent_timeout_ms = settings.syn_received_timeout_ms = settings.fin_wait_timeout_ms = kTimeoutMs;
  settings.time_wait_timeout_ms = settings.closed_timeout_ms = kTimeoutMs;
  empty_.settings = settings;
  for (unsigned number = 0; number < options.services.size(); ++number) add_service(number, options.services[number]);
  for (const char* text : {"10.0.0.100", "fd00::100"}) {
    const IpAddr addr = parse_ip(text).value();
    const auto last = static_cast<uint16_t>(kSnatPort + options.snat_ports - 1);
    SnatPool& pool = snapshot_.snat_pools[0];
    (addr.is_ipv4() ? pool.ipv4 : pool.ipv6).push_back({addr, addr, kSnatPort, last});
    snapshot_.vips.add_snat_range(addr, addr, kSnatPort, last);
    snapshot_.vips.add_address(addr, {.is_snat = true});
  }
}

void WorkerBench::turn() {
  worker_turn(*worker_);
  check_equation();
  for (unsigned port = 0; port < 2; ++port) {
    void* object = nullptr;
    while (rte_ring_dequeue(tx_[port], &object) == 0) hear(port, static_cast<rte_mbuf*>(object));
  }
}

void WorkerBench::check_equation() const {
  uint64_t dropped = 0;
  for (const Counter& counter : counters_.dropped) dropped += counter.read();
  REQUIRE(counters_.rx_packets.read() + counters_.handed_in.read() + counters_.originated.read() ==
          counters_.tx_packets.read() + counters_.handed_out.read() + counters_.diverted.read() +
              counters_.absorbed.read() + dropped + counters_.held.read());
}

// What leaves must look sound to the next host.
void WorkerBench::hear(unsigned port, rte_mbuf* mbuf) {
  PacketInfo info;
  FlowKey4 key4;
  FlowKey6 key6;
  parse_frame(*mbuf, info, key4, key6);
  // A SYN may be one that we cut.
  const bool fragment =
      info.kind == PacketKind::fragment || (info.kind == PacketKind::suspect && info.reason == DropReason::fragment);
  REQUIRE(fragment || info.kind == PacketKind::flow || info.kind == PacketKind::icmp || info.kind == PacketKind::arp);
  if (on_sent) on_sent(port, {rte_pktmbuf_mtod(mbuf, const uint8_t*), rte_pktmbuf_data_len(mbuf)});
  rte_pktmbuf_free(mbuf);
}

}  // namespace millrace
