#include "perf/micro/bed.h"

#include <rte_cycles.h>
#include <rte_rcu_qsbr.h>
#include <rte_ring_elem.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstdlib>
#include <optional>
#include <set>
#include <stdexcept>

#include "dataplane/pick/pick_tables.h"
#include "dataplane/tcp/tcp_state.h"
#include "tests/unit/stages/wire.h"

namespace millrace::perf {
namespace {

constexpr PortIndex kPort{0};
constexpr ServiceSlot kService{0};
constexpr unsigned kBackendCount = 16;
constexpr unsigned kClientsPerAddress = 32'768;  // ports 1024 and up
constexpr uint16_t kSnatPortFirst = 1024;
constexpr MacAddr kOwnMac{{2, 0, 0, 0, 0, 0x0f}};
constexpr MacAddr kRouterMac{{2, 0, 0, 0, 0, 0x01}};

const char* vip_text(Family family) { return family == Family::ipv4 ? "203.0.113.10" : "2001:db8:2::10"; }
IpAddr vip(Family family) { return parse_ip(vip_text(family)).value(); }

// `text` with its last byte moved on.
IpAddr numbered(const char* text, unsigned offset) {
  IpAddr addr = parse_ip(text).value();
  addr.bytes[14] = static_cast<uint8_t>(addr.bytes[14] + offset / 256);
  addr.bytes[15] = static_cast<uint8_t>(addr.bytes[15] + offset % 256);
  return addr;
}
IpAddr backend_addr(Family family, unsigned i) {
  return numbered(family == Family::ipv4 ? "10.72.1.1" : "fd72:0:0:1::1", i);
}
IpAddr snat_addr(Family family, unsigned i) { return numbered(family == Family::ipv4 ? "10.72.0.10" : "fd72::10", i); }
IpAddr client_addr(Family family, unsigned i) {
  return numbered(family == Family::ipv4 ? "198.18.0.1" : "2001:db8:1::1", i);
}

[[noreturn]] void wrong(const std::string& what) {
  throw std::runtime_error("the dataplane forwards wrongly: " + what);
}

bool same(const Tuple& a, const Tuple& b) {
  return a.src == b.src && a.dst == b.dst && a.src_port == b.src_port && a.dst_port == b.dst_port && a.proto == b.proto;
}
Tuple turned(const Tuple& tuple) { return {tuple.dst, tuple.src, tuple.dst_port, tuple.src_port, tuple.proto}; }

std::string text_of(const Tuple& tuple) {
  return format_endpoint({tuple.src, tuple.src_port}) + " -> " + format_endpoint({tuple.dst, tuple.dst_port});
}

// What came out, checked as far as it can be without knowing the connection.
Tuple checked_tuple(const std::vector<uint8_t>& frame) {
  const std::string fault = wire::wrong_checksum(frame);
  if (!fault.empty()) wrong(fault + " of " + text_of(read_tuple(frame)));
  const bool ipv4 = wire::get16(frame, 12) == 0x0800;
  if (frame.at(ipv4 ? 22 : 21) != 63) wrong("TTL of " + text_of(read_tuple(frame)));
  if (!std::equal(kOwnMac.bytes.begin(), kOwnMac.bytes.end(), frame.begin() + 6)) wrong("source MAC");
  return read_tuple(frame);
}

}  // namespace

Bed::Bed(const BedOptions& options)
    : options_(options), traffic_(options.family, options.proto, options.frame_bytes), worker_(nullptr, nullptr) {
  make_state();
  make_snapshot();
  make_network();
  worker_ = make_worker(state_, WorkerIndex{0});
  // Announcing the addresses is none of the benchmark's packets.
  worker_->announced_generation = snapshot_->generation;
  worker_->announce_next = UINT32_MAX;
  open_connections();
}

Bed::~Bed() {
  worker_.reset();
  for (rte_ring* notes : state_.notes) rte_ring_free(notes);
  std::free(state_.qsbr);
  if (!state_.slab.empty()) munmap(state_.slab.data(), state_.slab.size_bytes());
}

void Bed::make_state() {
  state_.tsc_hz = rte_get_tsc_hz();
  state_.idle = IdlePolicy::busy;
  state_.mbuf_pool = packet_pool();
  state_.owner = std::make_unique<Owner>(1, std::span<const uint8_t>{});
  state_.qsbr = static_cast<rte_rcu_qsbr*>(std::aligned_alloc(64, (rte_rcu_qsbr_get_memsize(1) + 63) & ~size_t{63}));
  rte_rcu_qsbr_init(state_.qsbr, 1);

  // Shared 4 KiB pages, as the segment's file in /dev/shm has them: TLB misses are part of the figure.
  const size_t entries = std::max<size_t>(1024, size_t{options_.flows} + options_.flows / 8);
  void* slab = mmap(nullptr, entries * sizeof(ConnEntry), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (slab == MAP_FAILED) throw std::runtime_error("no memory for the slab");
  state_.slab = {static_cast<ConnEntry*>(slab), entries};

  worker_info_.reset(new WorkerInfo[1]());
  worker_counters_.reset(new WorkerCounters[1]());
  service_counters_.reset(new ServiceCounters[kServiceMax]());
  backend_counters_.reset(new BackendCounters[kBackendMax]());
  state_.worker_info = {worker_info_.get(), 1};
  state_.worker_counters = {worker_counters_.get(), 1};
  state_.service_counters = {service_counters_.get()};
  state_.backend_counters = {backend_counters_.get()};
  state_.backend_counters_own = {backend_counters_.get()};
  state_.handover = {nullptr};
  rte_ring* notes = rte_ring_create_elem("bed_notes", sizeof(WorkerNote), kNoteRingSlots, SOCKET_ID_ANY,
                                         RING_F_SP_ENQ | RING_F_SC_DEQ);
  if (notes == nullptr) throw std::runtime_error("no memory for a ring");
  state_.notes = {notes};
}

void Bed::make_snapshot() {
  auto tables = std::make_shared<ServiceTables>();
  tables->slot = kService;
  tables->proto = options_.proto;
  tables->mode = options_.mode;
  tables->balance = Balance::roundrobin;
  tables->snat_pool = options_.mode == Mode::fullnat ? uint16_t{0} : kNoSnatPool;
  tables->client_idle_timeout_ms = tables->backend_idle_timeout_ms = 3'600'000;
  std::vector<PickCandidate> candidates;
  snapshot_ = std::make_unique<Snapshot>();
  for (unsigned i = 0; i < kBackendCount; ++i) {
    const auto slot = static_cast<BackendSlot>(i);
    const BackendTarget target{backend_addr(options_.family, i), Be16::from_host(8080), slot, 1};
    candidates.push_back({.target = target, .priority = 0, .eligible = true});
    state_.eligible.set(slot, true);
    if (options_.mode == Mode::nat) snapshot_->vips.add_nat_backend({target.addr, target.port, options_.proto});
  }
  PickTable& table = options_.family == Family::ipv4 ? tables->ipv4 : tables->ipv6;
  table = build_pick_table(tables->balance, options_.family, candidates);
  snapshot_->generation = 1;
  snapshot_->services.resize(kServiceMax);
  snapshot_->services[raw(kService)] = tables;
  snapshot_->vips.add_address(vip(options_.family), {.is_vip = true});
  snapshot_->vips.add_service({vip(options_.family), Be16::from_host(80), options_.proto}, kService);

  const IpAddr first = snat_addr(options_.family, 0);
  const IpAddr last = snat_addr(options_.family, 7);
  for (unsigned i = 0; i < 8; ++i) snapshot_->vips.add_address(snat_addr(options_.family, i), {.is_snat = true});
  snapshot_->vips.add_snat_range(first, last, kSnatPortFirst, 65535);
  SnatPool& pool = snapshot_->snat_pools[0];
  (options_.family == Family::ipv4 ? pool.ipv4 : pool.ipv6).push_back({first, last, kSnatPortFirst, 65535});
  state_.snapshot.store(snapshot_.get(), std::memory_order_release);
}

void Bed::make_network() {
  Port port;
  port.index = kPort;
  port.kind = DeviceKind::null;
  port.dpdk_port = memory_port().dpdk_port();
  port.mac = kOwnMac;
  port.name = "memory";
  port.device = "null";
  state_.ports = {port};

  const bool ipv4 = options_.family == Family::ipv4;
  const IpAddr router = parse_ip(ipv4 ? "192.0.2.1" : "2001:db8:9::1").value();
  const IpAddr any = ipv4 ? IpAddr::from_ipv4(Be32{}) : IpAddr{};
  const IpAddr lan = parse_ip(ipv4 ? "10.72.0.0" : "fd72::").value();
  routes_ = std::make_unique<RouteTable>(
      std::vector<Route>{{.prefix = any, .prefix_bits = 0, .port = kPort, .gateway = router},
                         {.prefix = lan, .prefix_bits = static_cast<uint8_t>(ipv4 ? 16 : 48), .port = kPort}},
      uint8_t{1});
  state_.routes.store(routes_.get(), std::memory_order_release);
  state_.neighbours = std::make_unique<NeighbourTable>();
  state_.neighbours->set_resolved(state_.neighbours->add(kPort, router), kRouterMac);
  for (unsigned i = 0; i < kBackendCount; ++i)
    state_.neighbours->set_resolved(state_.neighbours->add(kPort, backend_addr(options_.family, i)),
                                    MacAddr{{2, 0, 0, 0, 1, static_cast<uint8_t>(i)}});
}

// Sends one packet of each tuple through the worker; what comes out, in the same order.
std::vector<std::vector<uint8_t>> Bed::pass_through(const std::vector<Tuple>& tuples, uint8_t tcp_flags) {
  FrameDeck deck(options_.family, options_.proto, options_.frame_bytes);
  deck.reserve(tuples.size());
  for (const Tuple& tuple : tuples) deck.add(tuple, tcp_flags);
  memory_port().play_once(deck);
  while (worker_turn(*worker_) != 0) {
  }
  if (memory_port().caught().size() != tuples.size())
    wrong(std::to_string(tuples.size()) + " packets in, " + std::to_string(memory_port().caught().size()) + " out");
  return memory_port().caught();
}

void Bed::open_connections() {
  std::vector<Tuple> from_clients;
  for (uint32_t i = 0; i < options_.flows; ++i)
    from_clients.push_back({client_addr(options_.family, i / kClientsPerAddress), vip(options_.family),
                            Be16::from_host(static_cast<uint16_t>(1024 + i % kClientsPerAddress)), Be16::from_host(80),
                            options_.proto});
  std::vector<Tuple> to_backends;
  std::vector<Tuple> from_backends;
  for (const auto& frame : pass_through(from_clients, kTcpSyn)) to_backends.push_back(checked_tuple(frame));
  check_forward(to_backends);
  for (const Tuple& tuple : to_backends) from_backends.push_back(turned(tuple));

  const auto answers = pass_through(from_backends, kTcpSyn | kTcpAck);
  for (size_t i = 0; i < answers.size(); ++i)
    if (!same(checked_tuple(answers[i]), turned(from_clients[i]))) wrong("answer to " + text_of(from_clients[i]));
  const auto acknowledged = pass_through(from_clients, kTcpAck);
  for (size_t i = 0; i < acknowledged.size(); ++i)
    if (!same(checked_tuple(acknowledged[i]), to_backends[i])) wrong("second packet of " + text_of(from_clients[i]));

  // Enough frames that a burst of one flow is as long as any other.
  const size_t rounds = std::max<size_t>(1, 4096 / (2 * from_clients.size()));
  traffic_.reserve(rounds * 2 * from_clients.size());
  for (size_t round = 0; round < rounds; ++round)
    for (size_t i = 0; i < from_clients.size(); ++i) {
      traffic_.add(from_clients[i], kTcpAck);
      traffic_.add(from_backends[i], kTcpAck);
    }
  traffic_.shuffle(1);
  check_nothing_lost();
}

// Towards the backends: a backend of ours, a source as the mode wants it, and no two connections alike.
void Bed::check_forward(const std::vector<Tuple>& sent) {
  std::set<std::pair<std::pair<IpAddr, uint16_t>, IpAddr>> seen;
  for (const Tuple& tuple : sent) {
    const auto* known = snapshot_->services[0].get();
    const auto& targets = known->table(options_.family).targets;
    if (std::none_of(targets.begin(), targets.end(),
                     [&](const BackendTarget& t) { return t.addr == tuple.dst && t.port == tuple.dst_port; }))
      wrong("no backend: " + text_of(tuple));
    const bool snat = tuple.src >= snat_addr(options_.family, 0) && tuple.src <= snat_addr(options_.family, 7) &&
                      tuple.src_port.host() >= kSnatPortFirst;
    const bool client = tuple.src >= client_addr(options_.family, 0) && tuple.src_port.host() >= 1024;
    if (options_.mode == Mode::fullnat ? !snat : !client) wrong("source: " + text_of(tuple));
    if (!seen.insert({{tuple.src, tuple.src_port.host()}, tuple.dst}).second) wrong("used twice: " + text_of(tuple));
  }
}

void Bed::check_nothing_lost() const {
  for (uint32_t reason = 0; reason < kDropReasonCount; ++reason)
    if (const uint64_t count = worker_counters_[0].dropped[reason].read())
      wrong(std::to_string(count) + " packets dropped: " + std::string(kDropReasonNames[reason]));
  if (worker_counters_[0].diverted.read() + worker_counters_[0].held.read() != 0) wrong("packets diverted or held");
}

namespace {
std::optional<BedOptions> present_options;
std::unique_ptr<Bed> present;
}  // namespace

Bed& bed_for(const BedOptions& options) {
  if (!present || present_options != options) {
    take_down_bed();
    present = std::make_unique<Bed>(options);
    present_options = options;
  }
  return *present;
}

void take_down_bed() { present.reset(); }

}  // namespace millrace::perf
