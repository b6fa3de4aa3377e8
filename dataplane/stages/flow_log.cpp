#include "dataplane/stages/flow_log.h"

#include "dataplane/conn/idle.h"

namespace millrace {

void tell_flow(Worker& worker, const ConnEntry& entry, FlowEnd end) {
  const bool ipv4 = entry.family == Family::ipv4;
  const FlowRecord record{.opened_ms = entry.opened_ms,
                          .last_packet_ms = last_seen_ms(entry),
                          .told_ms = worker.clock.now32_ms(),
                          .service = entry.service,
                          .backend = entry.backend,
                          .state = entry.state,
                          .end = end,
                          .family = entry.family,
                          .proto = entry.proto,
                          .mode = entry.mode,
                          .spliced = entry.spliced,
                          .vip_port = entry.vip_port,
                          .client_port = entry.client_port,
                          .snat_port = entry.snat_port,
                          .backend_port = entry.backend_port,
                          .vip = ipv4 ? IpAddr::from_ipv4(entry.vip4) : IpAddr{entry.vip6},
                          .client = ipv4 ? IpAddr::from_ipv4(entry.client4) : IpAddr{entry.client6},
                          .snat = snat_address(entry),
                          .backend_addr = backend_address(entry)};
  if (worker.flow_ring == nullptr || !worker.flow_ring->try_send(record)) worker.counters.flows_unlogged.add(1);
}

}  // namespace millrace
