#include "dataplane/stages/backend_choice.h"

#include "dataplane/stages/notes.h"

namespace millrace {

Pick pick_for_client(Worker& worker, const ServiceTables& service, const PickTable& table, const Tuple& client,
                     BackendSlot avoid) {
  const PickWish wish{.client_hash = hash_of_client(service.balance, client.src, client.src_port), .avoid = avoid};
  const PickView view{.eligible = worker.state.eligible,
                      .open = worker.state.open_counts,
                      .bandwidths = worker.state.bandwidths,
                      .now_ms = worker.clock.now32_ms()};
  return pick_backend(service, table, wish, view, worker.pick);
}

DropReason refuse_unpicked(Worker& worker, const ServiceTables& service, PickResult result) {
  ServiceCounters& counters = worker.service_counters[raw(service.slot)];
  if (result == PickResult::none_eligible) {
    counters.no_backend.add(1);
    return DropReason::no_backend;
  }
  counters.backends_full.add(1);
  if (result == PickResult::all_full) note_service(worker, NoteKind::backends_full, service.slot);
  return DropReason::backends_full;
}

std::optional<DropReason> refuse_over_limit(Worker& worker, const ServiceTables& service) {
  if (service.connections_max == 0 || worker.state.open_counts.of(service.slot) < service.connections_max)
    return std::nullopt;
  worker.service_counters[raw(service.slot)].service_full.add(1);
  const uint32_t now_ms = worker.clock.now32_ms();
  if (!worker.pick.full.has(service.slot, &service, now_ms)) {
    worker.pick.full.add(service.slot, &service, now_ms);
    note_service(worker, NoteKind::service_full, service.slot);
  }
  return DropReason::service_full;
}

void count_over(Worker& worker, const ConnEntry& entry, bool over) {
  const auto count = [&](auto slot) { over ? worker.open_counts.sub(slot) : worker.open_counts.add(slot); };
  count(entry.service);
  if (entry.backend != kNoBackend) count(entry.backend);
}

}  // namespace millrace
