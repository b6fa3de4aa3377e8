#include "dataplane/stages/direct_flow.h"

#include <cstring>

#include "dataplane/pick/flow_hash.h"
#include "dataplane/stages/backend_choice.h"
#include "dataplane/stages/connection.h"
#include "dataplane/stages/direct_forward.h"
#include "dataplane/stages/udp_session.h"
#include "dataplane/tcp/tcp_state.h"

namespace millrace {
namespace {

void set_backend(ConnEntry& flow, const BackendTarget& backend, const Endpoint& source) {
  flow.backend = backend.slot;
  flow.backend_port = backend.port;
  flow.snat_port = source.port;
  if (backend.addr.is_ipv4()) {
    flow.backend4 = backend.addr.ipv4();
    if (source.port.raw != 0) flow.snat4 = source.addr.ipv4();
  } else {
    flow.backend6 = backend.addr.bytes;
    flow.snat6 = source.addr.bytes;
  }
}

// The outer packet's source; of mode dsr, which has no outer packet, none.
std::optional<Endpoint> source_of(const Worker& worker, const Tuple& tuple, const ServiceTables& service,
                                  const BackendTarget& backend) {
  if (service.mode == Mode::dsr) return Endpoint{};
  return tunnel_source(worker.snapshot->snat_pools[backend.snat_pool], backend.addr.family(),
                       hash_endpoint(tuple.src, tuple.src_port, kTunnelSeed));
}

// A reset leaves nothing behind that would be worth an entry.
bool deserves_entry(const PacketInfo& info) {
  return info.proto == Proto::udp || tcp_event(info.tcp_flags) != TcpEvent::rst;
}

// Until a second segment comes, any first one makes an entry that is soon gone: a flood of stray segments must not take
// the room of other services' connections.
ConnState first_state(const PacketInfo& info) {
  if (info.proto == Proto::udp) return ConnState::open;
  return tcp_event(info.tcp_flags) == TcpEvent::fin ? ConnState::client_fin : ConnState::syn_sent;
}

}  // namespace

bool act_on_direct(Worker& worker, Burst& burst, unsigned i) {
  const ConnIndex index = burst.conns[i].index;
  const PacketInfo& info = burst.info[i];
  ConnEntry& flow = worker.slab[index];
  if (must_move(worker, flow, Direction::forward)) {
    count_moved(worker, flow);
    return false;
  }
  ConnState next = flow.state;
  if (info.proto == Proto::tcp) {
    const TcpEvent event = tcp_event(info.tcp_flags);
    if (event == TcpEvent::syn && client_reopens(flow.state)) return false;
    next = next_client_state(flow.state, event);
  }
  flow.client_seen_ms = worker.clock.now32_ms();
  if (next != flow.state) {
    set_state(worker, flow, next);
    arm_connection(worker, index);
  }
  burst.info[i].kind = PacketKind::direct;
  return true;
}

std::optional<DropReason> describe_direct(Worker& worker, const Tuple& tuple, const ServiceTables& service,
                                          ConnEntry& flow) {
  const auto [backend, result] = pick_for_client(worker, service, service.table(tuple.dst.family()), tuple);
  if (backend == nullptr) return refuse_unpicked(worker, service, result);
  const std::optional<Endpoint> source = source_of(worker, tuple, service, *backend);
  if (!source) {
    worker.service_counters[raw(service.slot)].no_snat_port.add(1);
    return DropReason::no_snat_port;
  }
  describe_client(worker, tuple, service, flow);
  set_backend(flow, *backend, *source);
  flow.encapsulation = service.encapsulation;
  flow.gue_port = service.gue_port;
  return std::nullopt;
}

std::optional<DropReason> open_direct(Worker& worker, Burst& burst, unsigned i, const Tuple& tuple,
                                      const ServiceTables& service) {
  ConnEntry flow{};
  if (const auto refused = describe_direct(worker, tuple, service, flow)) return refused;
  PacketInfo& info = burst.info[i];
  flow.state = first_state(info);
  if (deserves_entry(info) && keep_flow(worker, flow, service, burst.conns[i])) {
    info.kind = PacketKind::direct;
    return std::nullopt;
  }
  worker.counters.unrecorded.add(1);
  info.kind = PacketKind::done;
  forward_direct(worker, burst.mbufs[i], info, flow);
  return std::nullopt;
}

}  // namespace millrace
