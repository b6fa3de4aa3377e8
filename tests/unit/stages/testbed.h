// testbed.h: real workers between two ring ports, driven turn by turn in the test's own thread.
//
//   client 192.0.2.10, 2001:db8:1::10 --- front [workers] back --- backends 10.0.0.1 …, fd00::1 …
//   VIP 203.0.113.10, 2001:db8:2::10            SNAT 10.0.0.100, fd00::100, ports 10000-19999
//
// Holds:  the counter equation is checked after every run(), and no packet buffer is lost at the end.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "dataplane/process_state.h"
#include "dataplane/stages/worker_context.h"
#include "dataplane/worker.h"
#include "tests/unit/stages/seen.h"
#include "tests/unit/stages/wire.h"

namespace millrace {

using WorkerPtr = std::unique_ptr<Worker, void (*)(Worker*)>;

inline constexpr PortIndex kFront{0};
inline constexpr PortIndex kBack{1};
inline constexpr PortIndex kSecond{2};

struct TestService {
  Mode mode = Mode::fullnat;
  Proto proto = Proto::tcp;
  std::vector<std::string> binds = {"203.0.113.10:80", "[2001:db8:2::10]:80"};
  std::vector<std::string> backends = {"10.0.0.1:8080", "[fd00::1]:8080"};
  uint32_t client_idle_ms = 600'000;
  uint32_t backend_idle_ms = 600'000;
  // Of proxied connections.
  SynProxy syn_proxy = SynProxy::off;
  uint32_t syn_rate = 0;
  ProxyProtocol proxy_protocol = ProxyProtocol::none;
  uint32_t connect_timeout_ms = 2'000;
  // Server names: of `backends` in turn, empty: a fallback.
  HostMatching host_matching = HostMatching::none;
  UnexpectedHost unexpected_host = UnexpectedHost::fallback;
  std::vector<std::string> hosts;
  uint32_t hello_timeout_ms = 1'000;
  // Of modes dsr and tunnel.
  Encapsulation encapsulation = Encapsulation::none;
  uint16_t gue_port = 0;
  bool mss_clamp = false;
  Balance balance = Balance::roundrobin;
  uint32_t connections_max = 0;          // of the service
  uint32_t backend_connections_max = 0;  // of each of `backends`
  uint16_t udp_requests_max = 0;
  uint16_t udp_responses_max = 0;
  AccessAction access_default = AccessAction::allow;
  std::vector<AccessRule> access_rules;
  uint32_t connection_rate = 0;
  uint32_t packet_rate = 0;
  uint32_t source_connection_rate = 0;
  uint32_t source_packet_rate = 0;
};

// `first`: slot of its first backend; all of them become eligible.
std::shared_ptr<const ServiceTables> make_tables(const TestService& service, ServiceSlot slot, BackendSlot first,
                                                 EligibleBackends& eligible);

struct TestbedOptions {
  unsigned workers = 1;
  uint32_t connections = 1024;  // of all workers
  // How many queues the ports have, dealt to workers in turn; 0: one a worker.
  uint16_t queues = 0;
  uint16_t snat_port_first = 10'000;
  uint16_t snat_port_last = 19'999;
  bool kernel_sees_all = true;
  bool with_exception_port = false;  // of the front port
  uint32_t punt_rate = 0;            // no limit
  bool neighbours_resolved = true;
  bool snat_kernel_owned = false;
  bool configured = true;
  uint16_t mtu_bytes = 1500;
  uint16_t front_vlan = 0;   // of the front port
  uint16_t second_vlan = 0;  // of a port kSecond on the same device; 0: there is none
  unsigned tx_ring_slots = 1024;
  std::vector<TestService> services = {TestService{}};
  // Zeroed, `connections` each, that outlive the testbed; empty: its own.
  std::span<ConnEntry> slab = {};
  std::span<Splice> splices = {};
};

class Testbed {
 public:
  explicit Testbed(const TestbedOptions& options = {});
  ~Testbed();

  void send(PortIndex port, const wire::Bytes& frame, uint16_t queue = 0);
  void send(PortIndex port, rte_mbuf* mbuf);
  void send_to_exception_port(const wire::Bytes& frame);
  // Turns of every worker until none finds a packet, then checks the equation.
  void run();
  // What left by a port since the last call, in order.
  std::vector<wire::Bytes> received(PortIndex port);
  std::vector<wire::Bytes> received_by_kernel();
  // The usual: exactly one frame came out there and nothing anywhere else, its checksums are right.
  wire::Bytes forwarded(PortIndex in, const wire::Bytes& frame, PortIndex out, uint16_t queue = 0);
  // Sends it, and expects nothing to come out and one drop under `reason`.
  void expect_drop(PortIndex in, const wire::Bytes& frame, DropReason reason);
  void expect_divert(PortIndex in, const wire::Bytes& frame);

  // Time goes on by this much, at once.
  void pass(uint32_t ms);
  // A new snapshot of `services`, as the main lcore would swap it in.
  void configure(const std::vector<TestService>& services);
  // Announcements of the present snapshot are a test of their own.
  void announce_nothing();
  // A backend goes down or is disabled, as the main lcore says it.
  void lose_backend(BackendSlot slot);
  // Until the next configure().
  void block(std::vector<BlockedPrefix> prefixes);
  void set_routes(const std::vector<Route>& routes);
  void resolve(PortIndex port, const std::string& addr, const MacAddr& mac);
  std::vector<WorkerNote> notes();

  Worker& worker(unsigned index = 0) { return *workers_[index]; }
  unsigned worker_count() const { return static_cast<unsigned>(workers_.size()); }
  ProcessState& state() { return state_; }
  uint64_t dropped(DropReason reason) const;  // all workers
  uint64_t total(Counter WorkerCounters::*counter) const;
  uint64_t backend_total(BackendSlot slot, Counter BackendCounters::*counter) const;
  uint64_t service_total(ServiceSlot slot, Counter ServiceCounters::*counter) const;
  const ConnEntry* only_connection() const;
  // Settings of the present snapshot, until the next configure().
  void tell(const SettingsCommand& settings);
  // What worker 0 has told of connections that ended.
  std::vector<FlowRecord> flows();

 private:
  struct Rings {
    std::vector<rte_ring*> rx, tx;
  };
  struct alignas(64) FlowMemory {
    std::byte bytes[kFlowRingBytes];
  };
  void add_rows();
  rte_ring* make_ring(const std::string& name, unsigned slots);
  uint16_t open_rings(const std::string& name, const Rings& rings);
  Rings make_rings(const std::string& name, unsigned tx_slots);
  void make_port(PortIndex index, const std::string& name, const MacAddr& mac);
  void share_front(PortIndex index, uint16_t vlan);
  void put(rte_ring* ring, const wire::Bytes& frame);
  std::vector<wire::Bytes> take(const std::vector<rte_ring*>& rings);
  void check_equation() const;

  TestbedOptions options_;
  std::string prefix_;
  std::vector<rte_ring*> all_rings_;
  std::map<PortIndex, Rings> rings_;
  Rings exception_;
  std::vector<uint16_t> dpdk_ports_;
  std::unique_ptr<ConnEntry[]> slab_;
  std::unique_ptr<Splice[]> splices_;
  std::unique_ptr<WorkerInfo[]> worker_info_;
  std::unique_ptr<WorkerCounters[]> worker_counters_;
  std::vector<std::unique_ptr<ServiceCounters[]>> service_counters_;
  std::vector<std::unique_ptr<BackendCounters[]>> backend_counters_;
  std::vector<std::unique_ptr<BackendHandshakes[]>> backend_handshakes_;
  std::vector<std::unique_ptr<ServiceLifetimes[]>> service_lifetimes_;
  std::vector<std::unique_ptr<FlowMemory>> flow_memory_;
  std::vector<std::unique_ptr<Snapshot>> snapshots_;
  std::vector<std::unique_ptr<RouteTable>> routes_;
  ProcessState state_;
  std::vector<WorkerPtr> workers_;
};

inline constexpr MacAddr kFrontMac{{2, 0, 0, 0, 0, 0xf}};
inline constexpr MacAddr kBackMac{{2, 0, 0, 0, 0, 0xb}};
inline constexpr MacAddr kClientMac{{2, 0, 0, 0, 1, 1}};
inline constexpr MacAddr kBackendMac{{2, 0, 0, 0, 2, 1}};

inline constexpr uint8_t kSyn = 0x02, kSynAck = 0x12, kAck = 0x10, kFinAck = 0x11, kRst = 0x04, kRstAck = 0x14;

// The two ends' addresses of a family, for tests that run over both.
struct FamilyCase {
  const char* name;
  const char* client;
  const char* vip;
  const char* snat;
  const char* backend;
};
inline constexpr FamilyCase kIpv4Case{"ipv4", "192.0.2.10", "203.0.113.10", "10.0.0.100", "10.0.0.1"};
inline constexpr FamilyCase kIpv6Case{"ipv6", "2001:db8:1::10", "2001:db8:2::10", "fd00::100", "fd00::1"};

inline wire::Flow flow(const char* src, uint16_t src_port, const char* dst, uint16_t dst_port) {
  return {wire::addr(src), wire::addr(dst), src_port, dst_port};
}

// Frames as client and backend send them to the ports of the testbed.
inline wire::Bytes from_client(const wire::Bytes& packet) { return wire::ether(kFrontMac, kClientMac, packet); }
inline wire::Bytes from_backend(const wire::Bytes& packet) { return wire::ether(kBackMac, kBackendMac, packet); }
inline wire::Bytes tcp_packet(const wire::Flow& flow, uint8_t flags, const wire::Bytes& payload = {},
                              const wire::IpSettings& settings = {}) {
  return wire::ip(flow.src, flow.dst, 6, wire::tcp(flow, flags, payload), settings);
}
inline wire::Bytes udp_packet(const wire::Flow& flow, const wire::Bytes& payload = {1, 2, 3}, bool with_checksum = true,
                              const wire::IpSettings& settings = {}) {
  return wire::ip(flow.src, flow.dst, 17, wire::udp(flow, payload, with_checksum), settings);
}

}  // namespace millrace
