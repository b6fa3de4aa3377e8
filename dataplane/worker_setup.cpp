// worker_setup.cpp: makes a worker's tables and finds its queues and rings, on the main lcore before it runs.

#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include <algorithm>
#include <cstring>
#include <stdexcept>
#include <string>

#include "dataplane/link/monotonic.h"
#include "dataplane/stages/handover.h"
#include "dataplane/stages/worker_context.h"
#include "dataplane/worker.h"

namespace millrace {
namespace {

uint32_t slab_share(const ProcessState& state) {
  return static_cast<uint32_t>(state.slab.size() / state.worker_count());
}
ConnIndex slab_first(const ProcessState& state, WorkerIndex index) {
  return static_cast<ConnIndex>(raw(index) * slab_share(state));
}

struct QueueCounts {
  uint16_t rx = 0;
  uint16_t tx = 0;
};
QueueCounts queue_counts(const Port& port, uint16_t dpdk_port) {
  rte_eth_dev_info device{};
  if (rte_eth_dev_info_get(dpdk_port, &device) != 0 || device.nb_rx_queues == 0 || device.nb_tx_queues == 0)
    throw std::runtime_error("port \"" + port.name + "\" (" + port.device + ") does not tell its queues");
  return {std::min(device.nb_rx_queues, port.queue_count), std::min(device.nb_tx_queues, port.queue_count)};
}

// Who has which frames of the port's device; null where the port has all.
const VlanPorts* vlans_of(Worker& worker, const Port& port) {
  const auto on_device = [&](const Port& other) { return other.dpdk_port == port.dpdk_port && other.vlan != 0; };
  if (std::ranges::none_of(worker.state.ports, on_device)) return nullptr;
  auto vlans = std::make_unique<VlanPorts>();
  for (const Port& other : worker.state.ports)
    if (other.dpdk_port == port.dpdk_port) vlans->set(other.vlan, other.index);
  worker.vlan_ports.push_back(std::move(vlans));
  return worker.vlan_ports.back().get();
}

// Ports of one device have one that is polled: that without a tag or, where there is none, the first.
bool is_polled(const Worker& worker, const Port& port) {
  for (const Port& other : worker.state.ports)
    if (other.dpdk_port == port.dpdk_port && other.index != port.index &&
        (other.vlan == 0 || (port.vlan != 0 && other.index < port.index)))
      return false;
  return true;
}

void add_sources(Worker& worker, const Port& port, uint16_t dpdk_port, SourceKind kind) {
  const VlanPorts* vlans = kind == SourceKind::nic ? vlans_of(worker, port) : nullptr;
  const uint16_t count = queue_counts(port, dpdk_port).rx;
  for (uint16_t queue = 0; queue < count; ++queue)
    if (port.queue_owner[queue] == worker.self)
      worker.sources.push_back(
          {.kind = kind, .port = port.index, .dpdk_port = dpdk_port, .queue = queue, .vlans = vlans});
}

// By the queue that this worker owns, or the one whose owner sends for it.
void set_target(Worker& worker, const Port& port, uint16_t dpdk_port, uint8_t target_index, uint16_t vlan) {
  const uint16_t count = queue_counts(port, dpdk_port).tx;
  uint16_t queue = static_cast<uint16_t>(raw(worker.self) % count);
  for (uint16_t own = count; own-- > 0;)
    if (port.queue_owner[own] == worker.self) queue = own;
  TxTarget& target = worker.tx[target_index];
  target.dpdk_port = dpdk_port;
  target.queue = queue;
  target.owner = port.queue_owner[queue];
  target.to_kernel = dpdk_port == port.exception_port;
  target.vlan = vlan;
}

PortFacts facts_of(const Port& port) {
  PortFacts facts{.mtu_bytes = port.mtu_bytes, .shares_wire = port.kernel_ifindex != 0};
  std::memcpy(&facts.mac_word, port.mac.bytes.data(), port.mac.bytes.size());
  return facts;
}

void add_ports(Worker& worker) {
  worker.mtu_bytes_min = UINT16_MAX;
  for (const Port& port : worker.state.ports) {
    worker.port_facts[raw(port.index)] = facts_of(port);
    worker.mtu_bytes_min = std::min<uint32_t>(worker.mtu_bytes_min, port.mtu_bytes);
    const bool polled = is_polled(worker, port);
    if (polled) add_sources(worker, port, port.dpdk_port, SourceKind::nic);
    set_target(worker, port, port.dpdk_port, nic_target(port.index), port.vlan);
    if (port.exception_port == kNoDpdkPort) continue;
    if (polled) add_sources(worker, port, port.exception_port, SourceKind::kernel);
    set_target(worker, port, port.dpdk_port, whole_nic_target(port.index), 0);
    set_target(worker, port, port.exception_port, kernel_target(port.index), port.vlan);
    set_target(worker, port, port.exception_port, whole_kernel_target(port.index), 0);
  }
}

void add_rings(Worker& worker) {
  const unsigned worker_count = worker.state.worker_count();
  worker.handover.resize(worker_count);
  for (unsigned other = 0; other < worker_count; ++other) {
    if (other == raw(worker.self)) continue;
    worker.handover[other].ring = worker.state.handover[raw(worker.self) * worker_count + other];
    worker.sources.push_back(
        {.kind = SourceKind::worker, .ring = worker.state.handover[other * worker_count + raw(worker.self)]});
  }
}

}  // namespace

Worker::Worker(ProcessState& process, WorkerIndex index)
    : state(process),
      self(index),
      counters(process.worker_counters[raw(index)]),
      service_counters(process.service_counters[raw(index)]),
      backend_counters(process.backend_counters_own[raw(index)]),
      backend_handshakes(process.backend_handshakes[raw(index)]),
      service_lifetimes(process.service_lifetimes[raw(index)]),
      flow_ring(process.flow_rings.empty() ? nullptr : &process.flow_rings[raw(index)]),
      clock(process.tsc_hz, rte_rdtsc(), monotonic_ms()),
      slab(process.slab.data(), slab_first(process, index), slab_share(process)),
      table(slab_share(process), raw(index), SOCKET_ID_ANY),
      wheel(slab_first(process, index), slab_share(process), clock.now32_ms()),
      snat_ports(index, *process.owner),
      open_counts(process.open_counts.add_row()),
      rate_limiter(process.worker_count()),
      splices(process.splices.data()),
      cookies(process.cookie_secret, clock.now_ms()),
      punts(process.punt_rate),
      start_tsc(rte_rdtsc()),
      turn_tsc(start_tsc) {
  if (rte_pktmbuf_priv_size(process.mbuf_pool) < kMbufPrivateBytes)
    throw std::runtime_error("packet buffers lack the private area of " + std::to_string(kMbufPrivateBytes) + " bytes");
  WorkerInfo& info = process.worker_info[raw(index)];
  info.slab_first = slab.first();
  info.slab_count = slab.capacity();
  pick.next.fill(raw(index));
  pick.random.seed(start_tsc ^ uint64_t{raw(index)} << 56);
  snapshot = process.snapshot.load(std::memory_order_acquire);
  routes = process.routes.load(std::memory_order_acquire);
  add_ports(*this);
  add_rings(*this);
}

Worker::~Worker() {
  held.sweep(0, [](rte_mbuf* mbuf, const RouteHop&, bool) {
    rte_pktmbuf_free(mbuf);
    return HoldQueue::Verdict::gone;
  });
}

std::unique_ptr<Worker, void (*)(Worker*)> make_worker(ProcessState& state, WorkerIndex index) {
  return {new Worker(state, index), [](Worker* worker) { delete worker; }};
}

}  // namespace millrace
