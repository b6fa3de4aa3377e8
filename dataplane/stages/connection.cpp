// connection.cpp: see the header. pick > source port > slab entry > index > publish > timer > counters.
#include "dataplane/stages/connection.h"

#include <algorithm>
#include <cstring>

#include "dataplane/conn/idle.h"
#include "dataplane/stages/backend_choice.h"
#include "dataplane/stages/checksum.h"
#include "dataplane/stages/evict.h"
#include "dataplane/stages/flow_log.h"
#include "dataplane/stages/handshake_watch.h"
#include "dataplane/stages/notes.h"
#include "dataplane/stages/proxy_handshake.h"
#include "dataplane/stages/proxy_hello.h"
#include "dataplane/stages/udp_session.h"

namespace millrace {
namespace {

// Of a service that left the configuration while its connections live: RFC 5382 REQ-5 and RFC 4787 REQ-5.
constexpr uint32_t kOrphanTcpIdleMs = (2 * 60 + 4) * 60 * 1000;
constexpr uint32_t kOrphanUdpIdleMs = 5 * 60 * 1000;

Ms due_of(const Worker& worker, ConnIndex index) {
  const ConnEntry& entry = worker.slab[index];
  if (in_proxied_handshake(entry.state)) return worker.splices[raw(index)].due_ms;
  const ServiceTables* service = service_of(worker, entry);
  const uint32_t orphan_ms = entry.proto == Proto::tcp ? kOrphanTcpIdleMs : kOrphanUdpIdleMs;
  const Ms due = due_ms(entry, service ? service->client_idle_timeout_ms : orphan_ms,
                        service ? service->backend_idle_timeout_ms : orphan_ms, worker.snapshot->settings);
  // Proxied and reset: whoever missed that still has a cookie (proxy_connect.h).
  if (entry.spliced == 0 || entry.state != ConnState::closed) return due;
  const Ms deadline_ms = worker.splices[raw(index)].deadline_ms;
  return ms_after(deadline_ms, due) ? deadline_ms : due;
}

void set_client_side(ConnEntry& entry, const Tuple& tuple) {
  entry.client_port = tuple.src_port;
  entry.vip_port = tuple.dst_port;
  if (entry.family == Family::ipv4) {
    entry.client4 = tuple.src.ipv4();
    entry.vip4 = tuple.dst.ipv4();
  } else {
    entry.client6 = tuple.src.bytes;
    entry.vip6 = tuple.dst.bytes;
  }
}

void set_backend_side(ConnEntry& entry, const Endpoint& snat, const BackendTarget& backend) {
  entry.backend = backend.slot;
  entry.snat_port = snat.port;
  entry.backend_port = backend.port;
  if (entry.family == Family::ipv4) {
    entry.snat4 = snat.addr.ipv4();
    entry.backend4 = backend.addr.ipv4();
  } else {
    entry.snat6 = snat.addr.bytes;
    entry.backend6 = backend.addr.bytes;
  }
  set_checksum_deltas(entry);
}

ConnRef find_reply(const Worker& worker, const Tuple& tuple, const BackendTarget& backend) {
  const auto proto = static_cast<uint32_t>(tuple.proto);
  if (tuple.src.is_ipv4())
    return worker.table.find4({backend.addr.ipv4(), tuple.src.ipv4(), backend.port, tuple.src_port, proto});
  return worker.table.find6({backend.addr.bytes, tuple.src.bytes, backend.port, tuple.src_port, proto});
}

// nat shows the backend the client's own endpoint. When the client talks to that backend by another VIP with the same
// port already, replies could not be told apart: as with any port that is taken, the packet waits for its
// retransmission.
std::optional<Endpoint> find_source(Worker& worker, const Tuple& tuple, const ServiceTables& service,
                                    const BackendTarget& backend) {
  if (service.mode == Mode::nat) {
    if (find_reply(worker, tuple, backend).found()) return std::nullopt;
    return Endpoint{tuple.src, tuple.src_port};
  }
  uint64_t tries = 0;
  const std::optional<Endpoint> snat =
      worker.snat_ports.find(worker.snapshot->snat_pools[backend.snat_pool], tuple.proto, backend, worker.table, tries);
  worker.counters.snat_tries.add(tries);
  return snat;
}

std::optional<Endpoint> source_towards(Worker& worker, const Tuple& tuple, const ServiceTables& service,
                                       const BackendTarget& backend) {
  const std::optional<Endpoint> source = find_source(worker, tuple, service, backend);
  if (source) return source;
  worker.service_counters[raw(service.slot)].no_snat_port.add(1);
  note_backend(worker, NoteKind::snat_exhausted, service.slot, backend.slot);
  return std::nullopt;
}

ConnState first_state(const ServiceTables& service) {
  if (service.proto == Proto::tcp) return ConnState::syn_sent;
  return limits_datagrams(service) ? ConnState::counted : ConnState::open;
}

// Claims an entry and describes the client in it; the slab has one.
ConnIndex make_entry(Worker& worker, const Tuple& tuple, const ServiceTables& service) {
  const ConnIndex index = worker.slab.claim();
  describe_client(worker, tuple, service, worker.slab[index]);
  return index;
}

DropReason refuse_full(Worker& worker, const ServiceTables& service) {
  worker.service_counters[raw(service.slot)].no_slot.add(1);
  note_slab_full(worker);
  return DropReason::slab_full;
}

// First of all, because a flood that has filled the slab should cost no search for a port. Who may not come in at all makes
// nobody leave.
std::optional<DropReason> refuse_newcomer(Worker& worker, const ServiceTables& service) {
  if (const auto refused = refuse_over_limit(worker, service)) return refused;
  return make_room(worker) ? std::nullopt : std::optional(refuse_full(worker, service));
}

DropReason abandon_entry(Worker& worker, ConnIndex index, const ServiceTables& service) {
  worker.slab.release(index);
  worker.service_counters[raw(service.slot)].no_slot.add(1);
  return DropReason::table_full;
}

void count_opened(Worker& worker, const ServiceTables& service) {
  ServiceCounters& counters = worker.service_counters[raw(service.slot)];
  worker.opened_in_burst = true;
  worker.counters.connections_opened.add(1);
  counters.connections.add(1);
  counters.active.add(1);
  worker.open_counts.add(service.slot);
}

void count_attached(Worker& worker, BackendSlot backend) {
  worker.backend_counters[raw(backend)].connections.add(1);
  worker.backend_counters[raw(backend)].active.add(1);
  worker.open_counts.add(backend);
}

// What would be the key of a direct flow's replies may be another connection's.
bool has_reply_key(const ConnEntry& entry) { return entry.backend != kNoBackend && !is_direct(entry.mode); }

// From the first packet to the last.
uint32_t lived_ms(const ConnEntry& entry) { return last_seen_ms(entry) - entry.opened_ms; }

void count_left(Worker& worker, const ConnEntry& entry) {
  if (entry.backend == kNoBackend) return;
  worker.closed_in_burst = true;
  worker.backend_counters[raw(entry.backend)].active.sub(1);
  if (!is_over(entry.state)) worker.open_counts.sub(entry.backend);
}

}  // namespace

void describe_client(const Worker& worker, const Tuple& tuple, const ServiceTables& service, ConnEntry& entry) {
  const Ms now_ms = worker.clock.now32_ms();
  entry.client_seen_ms = entry.backend_seen_ms = entry.opened_ms = now_ms;
  entry.state = first_state(service);
  if (entry.state == ConnState::counted) entry.datagrams[0] = 1;
  entry.family = tuple.dst.family();
  entry.proto = tuple.proto;
  entry.mode = service.mode;
  entry.service = service.slot;
  entry.backend = kNoBackend;
  entry.owner = worker.self;
  entry.route_epoch = worker.routes->epoch();
  entry.forward_neighbour = entry.reverse_neighbour = kNoNeighbour;
  set_client_side(entry, tuple);
}

std::optional<DropReason> open_connection(Worker& worker, const Tuple& tuple, const ServiceTables& service,
                                          ConnRef& opened) {
  if (const auto refused = refuse_newcomer(worker, service)) return refused;
  const auto [backend, result] = pick_for_client(worker, service, service.table(tuple.dst.family()), tuple);
  if (backend == nullptr) return refuse_unpicked(worker, service, result);
  const std::optional<Endpoint> source = source_towards(worker, tuple, service, *backend);
  if (!source) return DropReason::no_snat_port;
  const ConnIndex index = make_entry(worker, tuple, service);
  ConnEntry& entry = worker.slab[index];
  set_backend_side(entry, *source, *backend);
  if (tuple.proto == Proto::tcp) begin_handshake_watch(worker, entry);
  // The packet's own tuple was not found, or we were not here; the reply's was looked up by source_towards.
  if (!worker.table.insert_absent(entry, index)) return abandon_entry(worker, index, service);
  worker.slab.publish(index);
  arm_connection(worker, index);
  count_opened(worker, service);
  count_attached(worker, backend->slot);
  opened = ConnRef{index, Direction::forward};
  return std::nullopt;
}

bool keep_flow(Worker& worker, const ConnEntry& flow, const ServiceTables& service, ConnRef& kept) {
  // Nobody has to go for a flow that can do without an entry.
  if (worker.slab.is_full()) {
    refuse_full(worker, service);
    return false;
  }
  const ConnIndex index = worker.slab.claim();
  ConnEntry& entry = worker.slab[index];
  constexpr size_t kBody = sizeof entry.generation;
  std::memcpy(reinterpret_cast<char*>(&entry) + kBody, reinterpret_cast<const char*>(&flow) + kBody,
              sizeof entry - kBody);
  if (!worker.table.insert_absent(entry, index, Direction::forward)) {
    abandon_entry(worker, index, service);
    return false;
  }
  worker.slab.publish(index);
  arm_connection(worker, index);
  count_opened(worker, service);
  count_attached(worker, entry.backend);
  kept = ConnRef{index, Direction::forward};
  return true;
}

ConnRef find_connection(const Worker& worker, const Tuple& tuple) {
  const auto proto = static_cast<uint32_t>(tuple.proto);
  if (tuple.src.is_ipv4())
    return worker.table.find4({tuple.src.ipv4(), tuple.dst.ipv4(), tuple.src_port, tuple.dst_port, proto});
  const FlowKey6 key{tuple.src.bytes, tuple.dst.bytes, tuple.src_port, tuple.dst_port, proto};
  const ConnRef ref = worker.table.find6(key);
  return ref.found() && is_key_of(key, worker.slab[ref.index], ref.direction) ? ref : ConnRef{};
}

Tuple client_tuple(const ConnEntry& entry) {
  return entry.family == Family::ipv4 ? tuple_of(forward_key4(entry)) : tuple_of(forward_key6(entry));
}

std::optional<DropReason> open_client_half(Worker& worker, const Tuple& tuple, const ServiceTables& service,
                                           ConnIndex& opened) {
  if (const auto refused = refuse_newcomer(worker, service)) return refused;
  const ConnIndex index = make_entry(worker, tuple, service);
  ConnEntry& entry = worker.slab[index];
  entry.spliced = 1;
  entry.hello = kNoHello;
  worker.splice(index) = Splice{};
  if (!worker.table.insert_absent(entry, index, Direction::forward)) return abandon_entry(worker, index, service);
  worker.slab.publish(index);
  count_opened(worker, service);
  opened = index;
  return std::nullopt;
}

std::optional<DropReason> attach_backend(Worker& worker, ConnIndex index, const ServiceTables& service,
                                         const BackendTarget& backend) {
  ConnEntry& entry = worker.slab[index];
  const Tuple tuple = client_tuple(entry);
  const std::optional<Endpoint> source = source_towards(worker, tuple, service, backend);
  if (!source) return DropReason::no_snat_port;
  set_backend_side(entry, *source, backend);
  entry.forward_neighbour = kNoNeighbour;
  if (!worker.table.insert_absent(entry, index, Direction::reverse)) {
    entry.backend = kNoBackend;
    worker.service_counters[raw(service.slot)].no_slot.add(1);
    return DropReason::table_full;
  }
  worker.opened_in_burst = true;
  count_attached(worker, backend.slot);
  return std::nullopt;
}

void detach_backend(Worker& worker, ConnIndex index) {
  ConnEntry& entry = worker.slab[index];
  if (has_reply_key(entry)) worker.table.erase(entry, Direction::reverse);
  count_left(worker, entry);
  entry.backend = kNoBackend;
}

void close_connection(Worker& worker, ConnIndex index, FlowEnd end) {
  const ConnEntry& entry = worker.slab[index];
  if (worker.snapshot->settings.flow_log != 0) [[unlikely]]
    tell_flow(worker, entry, end);
  worker.service_lifetimes[raw(entry.service)].add(lived_ms(entry));
  if (entry.spliced != 0) release_hello(worker, index);
  // The entry keeps what it says: packets of this burst may still be on their way to its backend, a reset for one.
  // Both keys at once: the second one's way through memory begins before the first one's has ended.
  if (has_reply_key(entry))
    worker.table.erase(entry);
  else
    worker.table.erase(entry, Direction::forward);
  count_left(worker, entry);
  worker.wheel.cancel(index);
  worker.closed_in_burst = true;
  worker.counters.connections_closed.add(1);
  worker.service_counters[raw(entry.service)].active.sub(1);
  if (!is_over(entry.state)) worker.open_counts.sub(entry.service);
  worker.slab.release(index);
}

void arm_connection(Worker& worker, ConnIndex index) {
  worker.wheel.arm(index, due_of(worker, index));
  worker.slab.line_up(index, line_of(worker.slab[index]));
}

void expire_connections(Worker& worker) {
  const Ms now_ms = worker.clock.now32_ms();
  worker.expiries_left = worker.wheel.advance(now_ms, [&](ConnIndex index) {
    ConnEntry& entry = worker.slab[index];
    const Ms due = due_of(worker, index);
    // Packets only store when they came; the timer finds out here.
    if (ms_after(due, now_ms)) return worker.wheel.arm(index, due);
    if (in_proxied_handshake(entry.state)) return proceed_handshake(worker, index);
    // Of a direct flow nobody can tell whether the backend has answered.
    if (entry.state == ConnState::syn_sent && !is_direct(entry.mode)) {
      worker.backend_counters[raw(entry.backend)].connect_failures.add(1);
      note_backend(worker, NoteKind::connect_failed, entry.service, entry.backend);
      end_handshake_watch(worker, entry, entry.opened_ms, false);
    }
    worker.counters.connections_expired.add(1);
    close_connection(worker, index, FlowEnd::timer);
  });
  if (worker.expiries_left) worker.counters.timer_behind.add(1);
}

}  // namespace millrace
