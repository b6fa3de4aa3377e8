#include "tests/unit/stages/testbed.h"

#include <rte_cycles.h>
#include <rte_eth_ring.h>
#include <rte_ethdev.h>
#include <rte_mempool.h>
#include <rte_rcu_qsbr.h>
#include <rte_ring_elem.h>

#include <algorithm>
#include <cstdlib>
#include <stdexcept>

#include "dataplane/pick/pick_tables.h"
#include "dataplane/stages/handover.h"

namespace millrace {
namespace {

constexpr unsigned kRingSlots = 1024;

rte_mempool* shared_pool() {
  static rte_mempool* pool =
      rte_pktmbuf_pool_create("testbed", 8191, 0, kMbufPrivateBytes, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
  return pool;
}

}  // namespace

uint16_t Testbed::open_rings(const std::string& name, const Rings& rings) {
  const uint16_t queues = options_.queues;
  const int made = rte_eth_from_rings(name.c_str(), rings.rx.data(), queues, rings.tx.data(), queues, SOCKET_ID_ANY);
  EXPECT_GE(made, 0);
  const auto port = static_cast<uint16_t>(made);
  const rte_eth_conf settings{};
  EXPECT_EQ(rte_eth_dev_configure(port, queues, queues, &settings), 0);
  for (uint16_t queue = 0; queue < queues; ++queue) {
    EXPECT_EQ(rte_eth_rx_queue_setup(port, queue, kRingSlots, SOCKET_ID_ANY, nullptr, state_.mbuf_pool), 0);
    EXPECT_EQ(rte_eth_tx_queue_setup(port, queue, kRingSlots, SOCKET_ID_ANY, nullptr), 0);
  }
  EXPECT_EQ(rte_eth_dev_start(port), 0);
  return port;
}

rte_ring* Testbed::make_ring(const std::string& name, unsigned slots) {
  rte_ring* ring = rte_ring_create((prefix_ + name).c_str(), slots, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ);
  EXPECT_NE(ring, nullptr) << name;
  all_rings_.push_back(ring);
  return ring;
}

Testbed::Rings Testbed::make_rings(const std::string& name, unsigned tx_slots) {
  Rings rings;
  for (unsigned queue = 0; queue < options_.queues; ++queue) {
    rings.rx.push_back(make_ring(name + "r" + std::to_string(queue), kRingSlots));
    rings.tx.push_back(make_ring(name + "t" + std::to_string(queue), tx_slots));
  }
  dpdk_ports_.push_back(open_rings(prefix_ + name, rings));
  return rings;
}

void Testbed::make_port(PortIndex index, const std::string& name, const MacAddr& mac) {
  rings_[index] = make_rings(name, options_.tx_ring_slots);
  Port port;
  port.index = index;
  port.kind = DeviceKind::ring;
  port.dpdk_port = dpdk_ports_.back();
  port.kernel_sees_all = options_.kernel_sees_all;
  port.mac = mac;
  port.mtu_bytes = options_.mtu_bytes;
  port.queue_count = options_.queues;
  port.name = name;
  for (unsigned queue = 0; queue < options_.queues; ++queue)
    port.queue_owner[queue] = static_cast<WorkerIndex>(queue % options_.workers);
  if (index == kFront && options_.with_exception_port) {
    exception_ = make_rings(name + "x", options_.tx_ring_slots);
    port.exception_port = dpdk_ports_.back();
  }
  if (index == kFront) port.vlan = options_.front_vlan;
  state_.ports.push_back(port);
}

void Testbed::share_front(PortIndex index, uint16_t vlan) {
  Port port = state_.ports[raw(kFront)];
  port.index = index;
  port.vlan = vlan;
  state_.ports.push_back(port);
}

Testbed::Testbed(const TestbedOptions& options) : options_(options) {
  static unsigned serial = 0;
  prefix_ = "b" + std::to_string(serial++);
  if (options_.queues == 0) options_.queues = static_cast<uint16_t>(options_.workers);
  const unsigned workers = options_.workers;
  state_.tsc_hz = rte_get_tsc_hz();
  state_.punt_rate = options_.punt_rate;
  state_.owner = std::make_unique<Owner>(workers, std::span<const uint8_t>{});
  state_.mbuf_pool = shared_pool();
  state_.qsbr =
      static_cast<rte_rcu_qsbr*>(std::aligned_alloc(64, (rte_rcu_qsbr_get_memsize(workers) + 63) & ~size_t{63}));
  rte_rcu_qsbr_init(state_.qsbr, workers);
  state_.neighbours = std::make_unique<NeighbourTable>();
  make_port(kFront, "front", kFrontMac);
  make_port(kBack, "back", kBackMac);
  if (options_.second_vlan != 0) share_front(kSecond, options_.second_vlan);

  if (options_.slab.empty()) {
    slab_.reset(new ConnEntry[options_.connections]());
    options_.slab = {slab_.get(), options_.connections};
  }
  if (options_.splices.empty()) {
    splices_.reset(new Splice[options_.connections]());
    options_.splices = {splices_.get(), options_.connections};
  }
  worker_info_.reset(new WorkerInfo[workers]());
  worker_counters_.reset(new WorkerCounters[workers]());
  state_.slab = options_.slab;
  state_.splices = options_.splices;
  state_.worker_info = {worker_info_.get(), workers};
  state_.worker_counters = {worker_counters_.get(), workers};
  for (unsigned i = 0; i < workers; ++i) {
    add_rows();
    const unsigned element = sizeof(WorkerNote);
    rte_ring* notes = rte_ring_create_elem((prefix_ + "n" + std::to_string(i)).c_str(), element, kNoteRingSlots,
                                           SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ);
    EXPECT_NE(notes, nullptr);
    all_rings_.push_back(notes);
    state_.notes.push_back(notes);
    for (unsigned j = 0; j < workers; ++j)
      state_.handover.push_back(
          i == j ? nullptr : make_ring("h" + std::to_string(i) + "_" + std::to_string(j), kHandoverRingSlots));
  }
  set_routes({{.prefix = wire::addr("192.0.2.0"), .prefix_bits = 24, .port = kFront},
              {.prefix = wire::addr("10.0.0.0"), .prefix_bits = 24, .port = kBack},
              {.prefix = wire::addr("2001:db8:1::"), .prefix_bits = 64, .port = kFront},
              {.prefix = wire::addr("fd00::"), .prefix_bits = 64, .port = kBack}});
  snapshots_.push_back(std::make_unique<Snapshot>());
  snapshots_.back()->services.resize(kServiceMax);
  state_.snapshot.store(snapshots_.back().get(), std::memory_order_release);
  if (options_.configured) configure(options_.services);
  for (unsigned i = 0; i < workers; ++i) workers_.push_back(make_worker(state_, static_cast<WorkerIndex>(i)));
  if (options_.neighbours_resolved) {
    resolve(kFront, "192.0.2.10", kClientMac);
    resolve(kFront, "2001:db8:1::10", kClientMac);
    resolve(kBack, "10.0.0.1", kBackendMac);
    resolve(kBack, "fd00::1", kBackendMac);
    resolve(kBack, "10.0.0.2", kBackendMac);
  }
  announce_nothing();
}

// What the segment would have of one more worker.
void Testbed::add_rows() {
  service_counters_.emplace_back(new ServiceCounters[kServiceMax]());
  backend_counters_.emplace_back(new BackendCounters[kBackendMax]());
  backend_handshakes_.emplace_back(new BackendHandshakes[kBackendMax]());
  service_lifetimes_.emplace_back(new ServiceLifetimes[kServiceMax]());
  state_.service_counters.push_back(service_counters_.back().get());
  state_.backend_counters.push_back(backend_counters_.back().get());
  state_.backend_counters_own.push_back(backend_counters_.back().get());
  state_.backend_handshakes.push_back(backend_handshakes_.back().get());
  state_.service_lifetimes.push_back(service_lifetimes_.back().get());
  flow_memory_.push_back(std::make_unique<FlowMemory>());
  state_.flow_rings.push_back(*FlowRing::create(flow_memory_.back()->bytes, kFlowRingBytes, kFlowRingSlots));
}

Testbed::~Testbed() {
  workers_.clear();
  for (const uint16_t port : dpdk_ports_) {
    rte_eth_dev_stop(port);
    rte_eth_dev_close(port);
  }
  for (auto& [index, rings] : rings_) {
    take(rings.rx);
    take(rings.tx);
  }
  take(exception_.rx);
  take(exception_.tx);
  for (rte_ring* ring : all_rings_) rte_ring_free(ring);
  std::free(state_.qsbr);
  EXPECT_EQ(rte_mempool_in_use_count(shared_pool()), 0u) << "packet buffers lost";
}

void Testbed::configure(const std::vector<TestService>& services) {
  auto next = std::make_unique<Snapshot>();
  next->generation = snapshots_.back()->generation + 1;
  next->services.resize(kServiceMax);
  size_t backends = 0;
  for (size_t i = 0; i < services.size(); ++i) {
    const auto slot = static_cast<ServiceSlot>(i);
    const TestService& service = services[i];
    next->any_spliced |= service.mode == Mode::proxy || service.syn_proxy != SynProxy::off;
    next->any_packet_rate |= (service.packet_rate | service.source_packet_rate) != 0;
    next->services[i] = make_tables(service, slot, static_cast<BackendSlot>(backends), state_.eligible);
    backends += service.backends.size();
    for (const std::string& bind : service.binds) {
      const Endpoint endpoint = parse_endpoint(bind).value();
      next->vips.add_service({.addr = endpoint.addr, .port = endpoint.port, .proto = service.proto}, slot);
      next->vips.add_address(endpoint.addr, {.is_vip = true});
    }
    for (const std::string& backend : service.backends) {
      const Endpoint endpoint = parse_endpoint(backend).value();
      if (service.mode == Mode::nat)
        next->vips.add_nat_backend({.addr = endpoint.addr, .port = endpoint.port, .proto = service.proto});
    }
  }
  for (const char* text : {kIpv4Case.snat, kIpv6Case.snat}) {
    const IpAddr addr = wire::addr(text);
    next->vips.add_address(addr, {.is_snat = true, .kernel_owned = options_.snat_kernel_owned});
    next->vips.add_snat_range(addr, addr, options_.snat_port_first, options_.snat_port_last);
    SnatPool& pool = next->snat_pools[0];
    (addr.is_ipv4() ? pool.ipv4 : pool.ipv6).push_back({addr, addr, options_.snat_port_first, options_.snat_port_last});
  }
  snapshots_.push_back(std::move(next));
  state_.snapshot.store(snapshots_.back().get(), std::memory_order_release);
}

void Testbed::announce_nothing() {
  for (WorkerPtr& worker : workers_) {
    worker->announced_generation = snapshots_.back()->generation;
    worker->announce_next = UINT32_MAX;
  }
}

void Testbed::lose_backend(BackendSlot slot) {
  state_.eligible.set(slot, BackendStanding::lost);
  snapshots_.back()->any_lost = true;
}

void Testbed::block(std::vector<BlockedPrefix> prefixes) {
  snapshots_.back()->blocklist = compile_blocklist(std::move(prefixes));
}

void Testbed::tell(const SettingsCommand& settings) { snapshots_.back()->settings = settings; }

std::vector<FlowRecord> Testbed::flows() {
  FlowRing ring = *FlowRing::join(flow_memory_.front()->bytes, kFlowRingBytes, kFlowRingSlots);
  std::vector<FlowRecord> told;
  for (FlowRecord record; ring.try_receive(record);) told.push_back(record);
  return told;
}

void Testbed::set_routes(const std::vector<Route>& routes) {
  routes_.push_back(std::make_unique<RouteTable>(routes, static_cast<uint8_t>(routes_.size())));
  state_.routes.store(routes_.back().get(), std::memory_order_release);
}

void Testbed::resolve(PortIndex port, const std::string& addr, const MacAddr& mac) {
  state_.neighbours->set_resolved(state_.neighbours->add(port, wire::addr(addr.c_str())), mac);
}

void Testbed::put(rte_ring* ring, const wire::Bytes& frame) {
  rte_mbuf* mbuf = rte_pktmbuf_alloc(state_.mbuf_pool);
  ASSERT_NE(mbuf, nullptr);
  std::memcpy(rte_pktmbuf_append(mbuf, static_cast<uint16_t>(frame.size())), frame.data(), frame.size());
  ASSERT_EQ(rte_ring_enqueue(ring, mbuf), 0);
}

void Testbed::send(PortIndex port, const wire::Bytes& frame, uint16_t queue) { put(rings_[port].rx[queue], frame); }

void Testbed::send(PortIndex port, rte_mbuf* mbuf) { ASSERT_EQ(rte_ring_enqueue(rings_[port].rx[0], mbuf), 0); }

void Testbed::send_to_exception_port(const wire::Bytes& frame) { put(exception_.rx[0], frame); }

void Testbed::run() {
  for (unsigned taken = 1, turns = 0; taken != 0; ++turns) {
    ASSERT_LT(turns, 10'000u) << "packets go round";
    taken = 0;
    for (WorkerPtr& worker : workers_) taken += worker_turn(*worker);
  }
  check_equation();
}

void Testbed::check_equation() const {
  for (unsigned i = 0; i < workers_.size(); ++i) {
    const WorkerCounters& counters = worker_counters_[i];
    uint64_t dropped = 0;
    for (const Counter& counter : counters.dropped) dropped += counter.read();
    EXPECT_EQ(counters.rx_packets.read() + counters.handed_in.read() + counters.originated.read(),
              counters.tx_packets.read() + counters.handed_out.read() + counters.diverted.read() +
                  counters.absorbed.read() + dropped + counters.held.read())
        << "worker " << i;
  }
}

std::vector<wire::Bytes> Testbed::take(const std::vector<rte_ring*>& rings) {
  std::vector<wire::Bytes> frames;
  for (rte_ring* ring : rings) {
    void* object = nullptr;
    while (rte_ring_dequeue(ring, &object) == 0) {
      auto* mbuf = static_cast<rte_mbuf*>(object);
      const auto* data = rte_pktmbuf_mtod(mbuf, const uint8_t*);
      frames.emplace_back(data, data + mbuf->pkt_len);
      rte_pktmbuf_free(mbuf);
    }
  }
  return frames;
}

std::vector<wire::Bytes> Testbed::received(PortIndex port) { return take(rings_[port].tx); }
std::vector<wire::Bytes> Testbed::received_by_kernel() { return take(exception_.tx); }

wire::Bytes Testbed::forwarded(PortIndex in, const wire::Bytes& frame, PortIndex out, uint16_t queue) {
  send(in, frame, queue);
  run();
  const std::vector<wire::Bytes> frames = received(out);
  EXPECT_EQ(frames.size(), 1u);
  EXPECT_TRUE(received(out == kFront ? kBack : kFront).empty());
  if (frames.size() != 1) throw std::runtime_error("not forwarded");
  EXPECT_EQ(wire::wrong_checksum(frames[0]), "");
  return frames[0];
}

void Testbed::expect_drop(PortIndex in, const wire::Bytes& frame, DropReason reason) {
  const uint64_t before = dropped(reason);
  send(in, frame);
  run();
  EXPECT_EQ(dropped(reason), before + 1) << kDropReasonNames[static_cast<unsigned>(reason)];
  EXPECT_TRUE(received(kFront).empty());
  EXPECT_TRUE(received(kBack).empty());
}

void Testbed::expect_divert(PortIndex in, const wire::Bytes& frame) {
  const uint64_t before = total(&WorkerCounters::diverted);
  send(in, frame);
  run();
  EXPECT_EQ(total(&WorkerCounters::diverted), before + 1);
  EXPECT_TRUE(received(kFront).empty());
  EXPECT_TRUE(received(kBack).empty());
}

void Testbed::pass(uint32_t ms) {
  for (WorkerPtr& worker : workers_) {
    const uint64_t tsc = rte_rdtsc();
    worker->clock.anchor(tsc, worker->clock.now_ms() + ms);
    worker->clock.advance(tsc);
  }
  // As many turns as a long queue of expiries may take, each in a new millisecond.
  for (unsigned i = 0; i < 32; ++i) {
    for (WorkerPtr& worker : workers_) worker->clock.anchor(rte_rdtsc(), worker->clock.now_ms());
    run();
  }
}

std::vector<WorkerNote> Testbed::notes() {
  std::vector<WorkerNote> out;
  WorkerNote note;
  for (rte_ring* ring : state_.notes)
    while (rte_ring_dequeue_elem(ring, &note, sizeof note) == 0) out.push_back(note);
  return out;
}

uint64_t Testbed::dropped(DropReason reason) const {
  uint64_t sum = 0;
  for (const WorkerCounters& counters : state_.worker_counters)
    sum += counters.dropped[static_cast<unsigned>(reason)].read();
  return sum;
}

uint64_t Testbed::total(Counter WorkerCounters::*counter) const {
  uint64_t sum = 0;
  for (const WorkerCounters& counters : state_.worker_counters) sum += (counters.*counter).read();
  return sum;
}

uint64_t Testbed::backend_total(BackendSlot slot, Counter BackendCounters::*counter) const {
  uint64_t sum = 0;
  for (const auto& row : backend_counters_) sum += (row[raw(slot)].*counter).read();
  return sum;
}

uint64_t Testbed::service_total(ServiceSlot slot, Counter ServiceCounters::*counter) const {
  uint64_t sum = 0;
  for (const auto& row : service_counters_) sum += (row[raw(slot)].*counter).read();
  return sum;
}

const ConnEntry* Testbed::only_connection() const {
  const ConnEntry* found = nullptr;
  for (const ConnEntry& entry : state_.slab) {
    if (entry.state == ConnState::free) continue;
    if (found != nullptr) return nullptr;
    found = &entry;
  }
  return found;
}

}  // namespace millrace
