// parse_fuzz.cpp: arbitrary frames through the packet path.
// Input:  frames, each with two bytes before it: flags (kFlag…) and length. They come in one after the other, so that
// an
//         input can open a connection and misuse it.
// Checks: the readers touch nothing outside a frame (AddressSanitizer, memory of exact size); a whole worker_turn over
//         ring ports keeps the counter equation, sends only sound frames, and in the end has lost no connection and no
//         packet buffer.
#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_eth_ring.h>
#include <rte_ethdev.h>
#include <rte_ip.h>
#include <rte_mbuf.h>
#include <rte_rcu_qsbr.h>
#include <rte_ring_elem.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <memory>
#include <span>
#include <vector>

#include "dataplane/pick/pick_tables.h"
#include "dataplane/stages/checksum.h"
#include "dataplane/stages/handover.h"
#include "dataplane/stages/icmp_error.h"
#include "dataplane/stages/link_answers.h"
#include "dataplane/stages/stages.h"
#include "dataplane/stages/worker_context.h"
#include "dataplane/worker.h"

namespace millrace {
namespace {

constexpr uint8_t kFlagBackPort = 1;      // comes in by the second port
constexpr uint8_t kFlagFixChecksums = 2;  // the fuzzer need not guess them
constexpr unsigned kRingSlots = 256;
constexpr uint32_t kTimeoutMs = 1000;
constexpr uint16_t kSnatPort = 1024;  // only one, since where the walk of a pool begins is random
constexpr uint32_t kSlabCount = 1024;

#define REQUIRE(condition)                                                 \
  do {                                                                     \
    if (!(condition)) {                                                    \
      std::fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
      std::abort();                                                        \
    }                                                                      \
  } while (0)

void start_eal() {
  static char arguments[][16] = {"parse_fuzz",  "--no-huge",      "-m", "256", "--no-pci",
                                 "--no-shconf", "--no-telemetry", "-l", "0",   "--log-level=4"};
  char* argv[std::size(arguments) + 1] = {};
  for (size_t i = 0; i < std::size(arguments); ++i) argv[i] = arguments[i];
  REQUIRE(rte_eal_init(std::size(arguments), argv) >= 0);
}

// One worker between two ring ports with a fullnat and a nat service for TCP and UDP, both families.
class Bench {
 public:
  Bench() {
    state_.tsc_hz = rte_get_tsc_hz();
    state_.owner = std::make_unique<Owner>(1, std::span<const uint8_t>{});
    state_.mbuf_pool =
        rte_pktmbuf_pool_create("fuzz", 1023, 0, kMbufPrivateBytes, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
    REQUIRE(state_.mbuf_pool != nullptr);
    state_.neighbours = std::make_unique<NeighbourTable>();
    state_.handover = {nullptr};
    state_.notes = {rte_ring_create_elem("notes", sizeof(WorkerNote), kNoteRingSlots, SOCKET_ID_ANY, 0)};
    state_.slab = {slab_.get(), kSlabCount};
    state_.worker_info = {&worker_info_, 1};
    state_.worker_counters = {&counters_, 1};
    state_.service_counters = {services_.get()};
    state_.backend_counters = {backends_.get()};
    state_.backend_counters_own = {backends_.get()};
    open_port(0);
    open_port(1);
    fill_snapshot();
    state_.snapshot.store(&snapshot_, std::memory_order_release);
    state_.routes.store(&routes_, std::memory_order_release);
    for (const char* addr : {"192.0.2.10", "2001:db8:1::10"}) resolve(0, addr);
    for (const char* addr : {"10.0.0.1", "fd00::1"}) resolve(1, addr);  // 10.0.0.2 and fd00::2 never answer
    worker_.reset(make_worker(state_, WorkerIndex{0}).release());
    worker_->announced_generation = snapshot_.generation;
    worker_->announce_next = UINT32_MAX;
  }

  void send(unsigned port, std::span<const uint8_t> frame) {
    rte_mbuf* mbuf = rte_pktmbuf_alloc(state_.mbuf_pool);
    REQUIRE(mbuf != nullptr);
    std::copy(frame.begin(), frame.end(), rte_pktmbuf_append(mbuf, static_cast<uint16_t>(frame.size())));
    REQUIRE(rte_ring_enqueue(rx_[port], mbuf) == 0);
    turn();
  }

  // Lets everything run out, so that the next input finds the same state.
  void end_input() {
    for (unsigned i = 0; i < 64 && (i < 2 || worker_->slab.used() != 0); ++i) {
      const uint64_t tsc = rte_rdtsc();
      worker_->clock.anchor(tsc, worker_->clock.now_ms() + 2 * kHoldMs);
      turn();
    }
    worker_->cursors = {};
    WorkerNote note;
    while (rte_ring_dequeue_elem(state_.notes[0], &note, sizeof note) == 0) {
    }
    REQUIRE(worker_->slab.used() == 0);
    REQUIRE(counters_.held.read() == 0);
    REQUIRE(counters_.connections_opened.read() == counters_.connections_closed.read());
    REQUIRE(rte_mempool_in_use_count(state_.mbuf_pool) == 0);
  }

 private:
  void open_port(unsigned index) {
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
    port.mtu_bytes = index == 0 ? 1500 : 200;  // smaller than the largest input
    const rte_eth_conf settings{};
    REQUIRE(rte_eth_dev_configure(port.dpdk_port, 1, 1, &settings) == 0);
    REQUIRE(rte_eth_rx_queue_setup(port.dpdk_port, 0, kRingSlots, SOCKET_ID_ANY, nullptr, state_.mbuf_pool) == 0);
    REQUIRE(rte_eth_tx_queue_setup(port.dpdk_port, 0, kRingSlots, SOCKET_ID_ANY, nullptr) == 0);
    REQUIRE(rte_eth_dev_start(port.dpdk_port) == 0);
    state_.ports.push_back(port);
  }

  void resolve(unsigned port, const char* addr) {
    const uint16_t index = state_.neighbours->add(static_cast<PortIndex>(port), parse_ip(addr).value());
    state_.neighbours->set_resolved(index, MacAddr{{2, 0, 0, 0, 1, 1}});
  }

  void add_service(unsigned number, Proto proto, Mode mode, uint16_t port) {
    auto tables = std::make_shared<ServiceTables>();
    tables->slot = static_cast<ServiceSlot>(number);
    tables->proto = proto;
    tables->mode = mode;
    tables->balance = Balance::roundrobin;
    tables->snat_pool = mode == Mode::fullnat ? uint16_t{0} : kNoSnatPool;
    tables->client_idle_timeout_ms = tables->backend_idle_timeout_ms = kTimeoutMs;
    std::vector<PickCandidate> candidates;
    for (const char* addr : {"10.0.0.1", "10.0.0.2", "fd00::1", "fd00::2"}) {
      const auto slot = static_cast<BackendSlot>(number * 4 + candidates.size());
      const Be16 backend_port = Be16::from_host(static_cast<uint16_t>(8000 + number));
      candidates.push_back(
          {.target = {.addr = parse_ip(addr).value(), .port = backend_port, .slot = slot}, .eligible = true});
      state_.eligible.set(slot, true);
      if (mode == Mode::nat) snapshot_.vips.add_nat_backend({parse_ip(addr).value(), backend_port, proto});
    }
    tables->ipv4 = build_pick_table(tables->balance, Family::ipv4, candidates);
    tables->ipv6 = build_pick_table(tables->balance, Family::ipv6, candidates);
    for (const char* addr : {"203.0.113.10", "2001:db8:2::10"}) {
      snapshot_.vips.add_service({parse_ip(addr).value(), Be16::from_host(port), proto}, tables->slot);
      snapshot_.vips.add_address(parse_ip(addr).value(), {.is_vip = true});
    }
    snapshot_.services[number] = std::move(tables);
  }

  void fill_snapshot() {
    snapshot_.generation = 1;
    snapshot_.services.resize(kServiceMax);
    SettingsCommand& settings = snapshot_.settings;
    settings.syn_sent_timeout_ms = settings.syn_received_timeout_ms = settings.fin_wait_timeout_ms = kTimeoutMs;
    settings.time_wait_timeout_ms = settings.closed_timeout_ms = kTimeoutMs;
    add_service(0, Proto::tcp, Mode::fullnat, 80);
    add_service(1, Proto::udp, Mode::fullnat, 80);
    add_service(2, Proto::tcp, Mode::nat, 81);
    add_service(3, Proto::udp, Mode::nat, 81);
    for (const char* text : {"10.0.0.100", "fd00::100"}) {
      const IpAddr addr = parse_ip(text).value();
      SnatPool& pool = snapshot_.snat_pools[0];
      (addr.is_ipv4() ? pool.ipv4 : pool.ipv6).push_back({addr, addr, kSnatPort, kSnatPort});
      snapshot_.vips.add_snat_range(addr, addr, kSnatPort, kSnatPort);
      snapshot_.vips.add_address(addr, {.is_snat = true});
    }
  }

  void turn() {
    worker_turn(*worker_);
    check_equation();
    for (rte_ring* ring : tx_) {
      void* object = nullptr;
      while (rte_ring_dequeue(ring, &object) == 0) check_sent(static_cast<rte_mbuf*>(object));
    }
  }

  void check_equation() const {
    uint64_t dropped = 0;
    for (const Counter& counter : counters_.dropped) dropped += counter.read();
    REQUIRE(counters_.rx_packets.read() + counters_.handed_in.read() + counters_.originated.read() ==
            counters_.tx_packets.read() + counters_.handed_out.read() + counters_.diverted.read() + counters_.absorbed.read() +
                dropped + counters_.held.read());
  }

  // What left must look sound to the next host.
  static void check_sent(rte_mbuf* mbuf) {
    PacketInfo info;
    FlowKey4 key4;
    FlowKey6 key6;
    parse_frame(*mbuf, info, key4, key6);
    REQUIRE(info.kind == PacketKind::flow || info.kind == PacketKind::icmp || info.kind == PacketKind::arp);
    rte_pktmbuf_free(mbuf);
  }

  std::unique_ptr<ConnEntry[]> slab_{new ConnEntry[kSlabCount]()};
  WorkerInfo worker_info_{};
  WorkerCounters counters_{};
  std::unique_ptr<ServiceCounters[]> services_{new ServiceCounters[kServiceMax]()};
  std::unique_ptr<BackendCounters[]> backends_{new BackendCounters[kBackendMax]()};
  rte_ring* rx_[2] = {};
  rte_ring* tx_[2] = {};
  Snapshot snapshot_;
  RouteTable routes_{{{.prefix = parse_ip("192.0.2.0").value(), .prefix_bits = 24, .port = PortIndex{0}},
                      {.prefix = parse_ip("10.0.0.0").value(), .prefix_bits = 24, .port = PortIndex{1}},
                      {.prefix = parse_ip("2001:db8:1::").value(), .prefix_bits = 64, .port = PortIndex{0}},
                      {.prefix = parse_ip("fd00::").value(), .prefix_bits = 64, .port = PortIndex{1}}},
                     1};
  ProcessState state_;
  std::unique_ptr<Worker> worker_;
};

// The readers alone, over memory that ends where the frame ends.
void read_frame(std::span<const uint8_t> bytes) {
  const std::unique_ptr<uint8_t[]> memory(new uint8_t[bytes.size()]);
  std::copy(bytes.begin(), bytes.end(), memory.get());
  rte_mbuf mbuf{};
  mbuf.buf_addr = memory.get();
  mbuf.buf_len = mbuf.data_len = static_cast<uint16_t>(bytes.size());
  mbuf.pkt_len = static_cast<uint32_t>(bytes.size());
  mbuf.nb_segs = 1;
  PacketInfo info;
  FlowKey4 key4;
  FlowKey6 key6;
  parse_frame(mbuf, info, key4, key6);
  IpAddr target;
  IcmpError error;
  if (info.kind == PacketKind::arp) read_arp(mbuf, target);
  if (info.kind != PacketKind::icmp) return;
  read_icmp_error(mbuf, error);
  if (info.family == Family::ipv6) read_solicitation(mbuf, target);
}

// Makes the checksums of a frame right as far as its headers make sense.
void fix_checksums(std::vector<uint8_t>& frame) {
  constexpr size_t kL3 = sizeof(rte_ether_hdr);
  if (frame.size() < kL3 + sizeof(rte_ipv6_hdr)) return;
  const bool ipv4 = frame[12] == 0x08 && frame[13] == 0x00;
  auto& ip4 = *reinterpret_cast<rte_ipv4_hdr*>(&frame[kL3]);
  const auto& ip6 = *reinterpret_cast<const rte_ipv6_hdr*>(&frame[kL3]);
  const size_t header_bytes = ipv4 ? ip4.ihl * 4u : sizeof ip6;
  const size_t ip_bytes = ipv4 ? Be16{ip4.total_length}.host() : sizeof ip6 + Be16{ip6.payload_len}.host();
  if (header_bytes < sizeof ip4 || ip_bytes < header_bytes || kL3 + ip_bytes > frame.size()) return;
  if (ipv4) ip4.hdr_checksum = ipv4_header_checksum(ip4);
  const uint8_t proto = ipv4 ? ip4.next_proto_id : ip6.proto;
  uint8_t* l4 = &frame[kL3] + header_bytes;
  const auto l4_bytes = static_cast<uint16_t>(ip_bytes - header_bytes);
  const size_t field_at = proto == IPPROTO_TCP ? 16 : proto == IPPROTO_UDP ? 6 : 2;
  if (l4_bytes < field_at + sizeof(uint16_t)) return;
  std::memset(l4 + field_at, 0, sizeof(uint16_t));
  uint16_t sum = checksum_sum(l4, l4_bytes);
  if (proto != IPPROTO_ICMP)
    sum = checksum_add(sum, ipv4 ? pseudo_header_sum(ip4, proto, l4_bytes) : pseudo_header_sum(ip6, proto, l4_bytes));
  const auto field = static_cast<uint16_t>(~sum);
  std::memcpy(l4 + field_at, &field, sizeof field);
}

}  // namespace
}  // namespace millrace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace millrace;
  static Bench& bench = []() -> Bench& {
    start_eal();
    return *new Bench;
  }();
  for (size_t at = 0; at + 2 <= size;) {
    const uint8_t flags = data[at];
    const size_t bytes = std::min<size_t>(data[at + 1], size - at - 2);
    std::vector<uint8_t> frame(data + at + 2, data + at + 2 + bytes);
    at += 2 + bytes;
    if (flags & kFlagFixChecksums) fix_checksums(frame);
    read_frame(frame);
    bench.send(flags & kFlagBackPort, frame);
  }
  bench.end_input();
  return 0;
}
