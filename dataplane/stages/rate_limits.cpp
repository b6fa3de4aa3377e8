#include "dataplane/stages/rate_limits.h"

#include "dataplane/stages/connection.h"
#include "dataplane/stages/outcome.h"

namespace millrace {
namespace {

std::optional<DropReason> counted(Worker& worker, const ServiceTables& service, std::optional<DropReason> refused) {
  if (refused) worker.service_counters[raw(service.slot)].limited.add(1);
  return refused;
}

// Later fragments are not looked up with the burst.
ConnRef connection_of(const Worker& worker, const Burst& burst, unsigned i) {
  if (burst.info[i].kind == PacketKind::flow) return burst.conns[i];
  return burst.info[i].kind == PacketKind::trailing ? find_connection(worker, tuple_of(burst, i)) : ConnRef{};
}

// Backends' answers are not counted. True: dropped.
bool limit_hit(Worker& worker, Burst& burst, unsigned i, const ConnRef& ref) {
  if (!ref.found() || ref.direction != Direction::forward) return false;
  const ServiceTables* service = service_of(worker, worker.slab[ref.index]);
  if (service == nullptr) return false;
  const std::optional<DropReason> refused = limit_packet(worker, *service, tuple_of(burst, i).src);
  if (refused) drop_packet(worker, burst, i, *refused);
  return refused.has_value();
}

}  // namespace

std::optional<DropReason> limit_connection(Worker& worker, const ServiceTables& service, const IpAddr& source) {
  if (!limits_connections(service)) return std::nullopt;
  return counted(worker, service,
                 worker.rate_limiter.take_connection(service, service.slot, source, worker.clock.now_ms()));
}

std::optional<DropReason> limit_packet(Worker& worker, const ServiceTables& service, const IpAddr& source) {
  if (!limits_packets(service)) return std::nullopt;
  return counted(worker, service,
                 worker.rate_limiter.take_packet(service, service.slot, source, worker.clock.now_ms()));
}

void limit_burst(Worker& worker, Burst& burst) {
  for (unsigned i = 0; i < burst.count; ++i) limit_hit(worker, burst, i, connection_of(worker, burst, i));
}

bool limit_newcomer(Worker& worker, Burst& burst, unsigned i) {
  return worker.snapshot->any_packet_rate && limit_hit(worker, burst, i, burst.conns[i]);
}

}  // namespace millrace
