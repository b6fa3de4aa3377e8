// worker_bench.h: one real worker between two ring ports, for fuzzers that send it frames.
//
//   client 192.0.2.10, 2001:db8:1::10 --- port 0 [worker] port 1 --- backends 10.0.0.1, 10.0.0.2, fd00::1, fd00::2
//   VIP 203.0.113.10, 2001:db8:2::10              SNAT 10.0.0.100, fd00::100
//
// Holds:  after every turn the counter equation, and only sound frames leave; after every input no connection and no
//         packet buffer is left. What does not hold ends the process.
// Time:   goes on with the clock, and by pass().
#pragma once

#include <rte_ring.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "dataplane/process_state.h"
#include "dataplane/stages/worker_context.h"

#define REQUIRE(condition)                                                 \
  do {                                                                     \
    if (!(condition)) {                                                    \
      std::fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
      std::abort();                                                        \
    }                                                                      \
  } while (0)

namespace millrace {

struct BenchService {
  Proto proto{};
  Mode mode{};
  uint16_t port = 0;  // of both VIPs; its backends listen on kBenchBackendPort and the service's number
  SynProxy syn_proxy = SynProxy::off;
  uint32_t syn_rate = 0;
  ProxyProtocol proxy_protocol = ProxyProtocol::none;
  // Names that lead to all backends; not empty: ClientHellos are read.
  std::vector<std::string> names;
  bool takes_unexpected_names = false;
};
inline constexpr uint16_t kBenchBackendPort = 8000;

struct BenchOptions {
  std::vector<BenchService> services;
  std::vector<std::string> silent_backends;  // never resolved
  uint16_t snat_ports = 1;                   // of each address
  uint16_t mtu_bytes[2] = {1500, 1500};
};

class WorkerBench {
 public:
  explicit WorkerBench(const BenchOptions& options);
  WorkerBench(const WorkerBench&) = delete;
  WorkerBench& operator=(const WorkerBench&) = delete;

  // Comes in with the next turn.
  void put(unsigned port, std::span<const uint8_t> frame);
  void turn();
  void send(unsigned port, std::span<const uint8_t> frame) {
    put(port, frame);
    turn();
  }
  void pass(uint32_t ms);
  // Without services, and with them again.
  void configure(bool services);
  // Lets everything run out, so that the next input finds the same state.
  void end_input();

  // Hears every frame that leaves.
  std::function<void(unsigned port, std::span<const uint8_t> frame)> on_sent;

 private:
  void open_port(unsigned index, uint16_t mtu_bytes);
  void resolve(unsigned port, const std::string& addr);
  void add_service(unsigned number, const BenchService& service);
  void fill_snapshot(const BenchOptions& options);
  void check_equation() const;
  void hear(unsigned port, rte_mbuf* mbuf);

  static constexpr uint32_t kSlabCount = 1024;
  std::unique_ptr<ConnEntry[]> slab_{new ConnEntry[kSlabCount]()};
  std::unique_ptr<Splice[]> splices_{new Splice[kSlabCount]()};
  WorkerInfo worker_info_{};
  WorkerCounters counters_{};
  std::unique_ptr<ServiceCounters[]> services_{new ServiceCounters[kServiceMax]()};
  std::unique_ptr<BackendCounters[]> backends_{new BackendCounters[kBackendMax]()};
  std::unique_ptr<BackendHandshakes[]> handshakes_{new BackendHandshakes[kBackendMax]()};
  std::unique_ptr<ServiceLifetimes[]> lifetimes_{new ServiceLifetimes[kServiceMax]()};
  rte_ring* rx_[2] = {};
  rte_ring* tx_[2] = {};
  Snapshot snapshot_;
  Snapshot empty_;
  std::unique_ptr<RouteTable> routes_;
  ProcessState state_;
  std::unique_ptr<Worker> worker_;
};

}  // namespace millrace
