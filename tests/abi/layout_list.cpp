#include "tests/abi/layout_list.h"

#include <algorithm>
#include <cstddef>
#include <sstream>

#include "millrace/segment.h"

namespace millrace {

namespace {

// One struct: its fields in order, those of a union one after the other. A gap between two of them shows as a line of its
// own: alignment, or a field that somebody added to the struct but not here.
class StructList {
 public:
  StructList(std::ostream& out, const char* name, size_t bytes, size_t alignment) : out_(out), bytes_(bytes) {
    out_ << "struct " << name << ": " << bytes << " bytes, aligned " << alignment << '\n';
  }
  ~StructList() { gap_until(bytes_); }
  StructList(const StructList&) = delete;
  StructList& operator=(const StructList&) = delete;

  void field(const char* name, size_t offset, size_t bytes) {
    gap_until(offset);
    out_ << "  " << offset << ' ' << name << ' ' << bytes << '\n';
    end_ = std::max(end_, offset + bytes);
  }

 private:
  void gap_until(size_t offset) {
    if (offset > end_) out_ << "  " << end_ << " (gap) " << offset - end_ << '\n';
  }

  std::ostream& out_;
  size_t bytes_;
  size_t end_ = 0;
};

#define BEGIN(Type)      \
  {                      \
    using Struct = Type; \
    StructList list(out, #Type, sizeof(Type), alignof(Type))
#define FIELD(name) list.field(#name, offsetof(Struct, name), sizeof(Struct::name))
#define END }
#define VALUE(Enum, name) out << "  " #name " " << static_cast<uint64_t>(Enum::name) << '\n'
#define ENUM(Enum) out << "enum " #Enum ": " << sizeof(Enum) << " bytes\n"
#define LIMIT(name) out << "limit " #name " " << uint64_t{name} << '\n'

void list_addresses(std::ostream& out) {
  // clang-format off
  BEGIN(Be16); FIELD(raw); END
  BEGIN(Be32); FIELD(raw); END
  BEGIN(IpAddr); FIELD(bytes); END
  BEGIN(MacAddr); FIELD(bytes); END
  // clang-format on
}

void list_commands(std::ostream& out) {
  // clang-format off
  BEGIN(Command); FIELD(kind); FIELD(reserved); FIELD(sequence); FIELD(generation); FIELD(body); END
  BEGIN(Command::Body); FIELD(bytes); END
  BEGIN(BeginCommand); FIELD(snat_range_count); FIELD(service_count); FIELD(bind_count); FIELD(backend_count);
    FIELD(backend_host_count); FIELD(access_rule_count); FIELD(blocked_prefix_count); END
  BEGIN(SettingsCommand); FIELD(syn_sent_timeout_ms); FIELD(syn_received_timeout_ms); FIELD(fin_wait_timeout_ms);
    FIELD(time_wait_timeout_ms); FIELD(closed_timeout_ms); FIELD(idle); FIELD(burst_packets); FIELD(flow_log); FIELD(reserved); END
  BEGIN(SnatRangeCommand); FIELD(pool); FIELD(port_first); FIELD(port_last); FIELD(reserved); FIELD(first);
    FIELD(last); END
  BEGIN(ServiceSettings); FIELD(snat_pool); FIELD(proto); FIELD(mode); FIELD(balance); FIELD(syn_proxy);
    FIELD(host_matching); FIELD(unexpected_host); FIELD(gue_port); FIELD(encapsulation); FIELD(mss_clamp);
    FIELD(access_default); FIELD(source_prefix4); FIELD(source_prefix6); FIELD(reserved); FIELD(client_idle_timeout_ms); FIELD(backend_idle_timeout_ms);
    FIELD(connect_timeout_ms); FIELD(hello_timeout_ms); FIELD(syn_rate); FIELD(connections_max); FIELD(slow_start_ms);
    FIELD(udp_requests_max); FIELD(udp_responses_max);
    FIELD(connection_rate); FIELD(packet_rate); FIELD(source_connection_rate); FIELD(source_packet_rate); END
  BEGIN(ServiceCommand); FIELD(settings); FIELD(ordinal); FIELD(reserved); FIELD(name); END
  BEGIN(BindCommand); FIELD(service); FIELD(port); FIELD(reserved); FIELD(addr); END
  BEGIN(BackendCommand); FIELD(service); FIELD(ordinal); FIELD(weight); FIELD(priority); FIELD(health); FIELD(admin);
    FIELD(port); FIELD(proxy_protocol); FIELD(trial); FIELD(snat_pool); FIELD(connections_max); FIELD(addr); END
  BEGIN(BackendHostCommand); FIELD(service); FIELD(backend); FIELD(pattern); END
  BEGIN(AccessRule); FIELD(prefix); FIELD(bits); FIELD(action); END
  BEGIN(AccessRulesCommand); FIELD(service); FIELD(count); FIELD(reserved); FIELD(rules); END
  BEGIN(BlockedPrefix); FIELD(prefix); FIELD(bits); END
  BEGIN(BlockedPrefixesCommand); FIELD(count); FIELD(reserved); FIELD(prefixes); END
  BEGIN(SetBackendCommand); FIELD(service); FIELD(backend); FIELD(fields); FIELD(weight); FIELD(health); FIELD(admin);
    FIELD(trial); FIELD(reserved); END
  // clang-format on
}

void list_event(std::ostream& out) {
  // clang-format off
  BEGIN(Event); FIELD(kind); FIELD(reason); FIELD(sequence); FIELD(generation); FIELD(time_ms); FIELD(count);
    FIELD(service); FIELD(backend); FIELD(reserved); END
  // clang-format on
}

void list_connection(std::ostream& out) {
  // clang-format off
  BEGIN(ConnEntry); FIELD(generation); FIELD(client_seen_ms); FIELD(backend_seen_ms); FIELD(opened_ms); FIELD(state);
    FIELD(family); FIELD(proto); FIELD(mode); FIELD(service); FIELD(backend); FIELD(owner); FIELD(route_epoch);
    FIELD(l3_delta); FIELD(l4_delta); FIELD(forward_neighbour); FIELD(reverse_neighbour); FIELD(spliced); FIELD(encapsulation); FIELD(hello);
    FIELD(gue_port); FIELD(tcp_halves); FIELD(datagrams); FIELD(vip_port); FIELD(client_port); FIELD(snat_port); FIELD(backend_port); FIELD(vip4); FIELD(client4);
    FIELD(snat4); FIELD(backend4); FIELD(vip6); FIELD(client6); FIELD(snat6); FIELD(backend6); END
  BEGIN(Splice); FIELD(forward_seq_delta); FIELD(reverse_seq_delta); FIELD(forward_ts_delta); FIELD(reverse_ts_delta);
    FIELD(client_next); FIELD(client_acked); FIELD(backend_next); FIELD(backend_acked); FIELD(forward_window_shift);
    FIELD(reverse_window_shift); FIELD(client_has); FIELD(backend_has); FIELD(client_window_scale); FIELD(tries);
    FIELD(mss); FIELD(client_window); FIELD(backend_window); FIELD(retransmits); FIELD(proxy_protocol);
    FIELD(first_said);
    FIELD(client_ts); FIELD(client_ts_echo); FIELD(deadline_ms); FIELD(due_ms); END
  // clang-format on
}

void list_counters(std::ostream& out) {
  // clang-format off
  BEGIN(Counter); FIELD(cell); END
  BEGIN(StageCounters); FIELD(cycles); FIELD(packets); END
  BEGIN(PortCounters); FIELD(rx_packets); FIELD(handed_over); END
  BEGIN(WorkerCounters);
#define X(name, unit, sentence) FIELD(name);
    MR_WORKER_COUNTERS(X)
#undef X
    FIELD(dropped); FIELD(stages); FIELD(ports); END
  BEGIN(BackendCounters); FIELD(connections); FIELD(active); FIELD(forward_packets); FIELD(reverse_packets);
    FIELD(forward_bytes); FIELD(reverse_bytes); FIELD(connect_failures); FIELD(resets); END
  BEGIN(BackendHandshakes); FIELD(answered); FIELD(sum_us); FIELD(buckets); FIELD(reserved); END
  BEGIN(ServiceLifetimes); FIELD(sum_ms); FIELD(buckets); END
  BEGIN(FlowRecord); FIELD(opened_ms); FIELD(last_packet_ms); FIELD(told_ms); FIELD(service); FIELD(backend);
    FIELD(state); FIELD(end); FIELD(family); FIELD(proto); FIELD(mode); FIELD(spliced); FIELD(reserved); FIELD(vip_port);
    FIELD(client_port); FIELD(snat_port); FIELD(backend_port); FIELD(vip); FIELD(client); FIELD(snat);
    FIELD(backend_addr); END
  BEGIN(ServiceCounters); FIELD(connections); FIELD(active); FIELD(no_backend); FIELD(no_snat_port); FIELD(no_slot);
    FIELD(refused); FIELD(syn_floods); FIELD(backends_full); FIELD(service_full); FIELD(sessions_moved);
    FIELD(denied); FIELD(evicted); FIELD(limited); FIELD(reserved); END
  // clang-format on
}

void list_segment(std::ostream& out) {
  // clang-format off
  BEGIN(Section); FIELD(offset); FIELD(bytes); FIELD(element_bytes); FIELD(element_count); END
  BEGIN(SegmentHeader); FIELD(magic); FIELD(abi_version); FIELD(worker_count); FIELD(layout); FIELD(segment_bytes);
    FIELD(port_count); FIELD(connection_count); FIELD(tsc_hz); FIELD(dataplane_pid); FIELD(reserved);
    FIELD(dataplane_start_ms); FIELD(sections); FIELD(dataplane_heartbeat_ms); FIELD(applied_generation);
    FIELD(events_dropped); FIELD(commands_rejected); FIELD(blocked_in_xdp); FIELD(control_heartbeat_ms);
    FIELD(control_pid); END
  BEGIN(WorkerInfo); FIELD(cpu); FIELD(tid); FIELD(slab_first); FIELD(slab_count); FIELD(reserved); END
  BEGIN(PortInfo); FIELD(name); FIELD(device); FIELD(mac); FIELD(mtu_bytes); FIELD(kernel_ifindex);
    FIELD(queue_count); FIELD(steering); FIELD(steering_reason); FIELD(link_up); FIELD(reta_size);
    FIELD(rss_key_bytes); FIELD(worker_count); FIELD(vlan); FIELD(reserved); END
  BEGIN(ServiceInfo); FIELD(version); FIELD(in_use); FIELD(proto); FIELD(mode); FIELD(balance); FIELD(name);
    FIELD(reserved); END
  BEGIN(BackendInfo); FIELD(version); FIELD(in_use); FIELD(health); FIELD(admin); FIELD(reserved); FIELD(service);
    FIELD(weight); FIELD(priority); FIELD(port); FIELD(addr); FIELD(reserved2); END
  // clang-format on
}

void list_enums(std::ostream& out) {
  // clang-format off
  ENUM(Family); VALUE(Family, ipv4); VALUE(Family, ipv6);
  ENUM(Proto); VALUE(Proto, tcp); VALUE(Proto, udp);
  ENUM(Mode); VALUE(Mode, nat); VALUE(Mode, fullnat); VALUE(Mode, proxy); VALUE(Mode, dsr); VALUE(Mode, tunnel);
  ENUM(Encapsulation); VALUE(Encapsulation, none); VALUE(Encapsulation, ip); VALUE(Encapsulation, gue);
  ENUM(Balance); VALUE(Balance, roundrobin); VALUE(Balance, weight); VALUE(Balance, leastconn); VALUE(Balance, maglev);
    VALUE(Balance, leastbandwidth); VALUE(Balance, iphash); VALUE(Balance, iphash1); VALUE(Balance, random);
    VALUE(Balance, p2c); VALUE(Balance, fastest);
  ENUM(SynProxy); VALUE(SynProxy, off); VALUE(SynProxy, automatic); VALUE(SynProxy, on);
  ENUM(ProxyProtocol); VALUE(ProxyProtocol, none); VALUE(ProxyProtocol, v1); VALUE(ProxyProtocol, v2);
  ENUM(HostMatching); VALUE(HostMatching, none); VALUE(HostMatching, exact); VALUE(HostMatching, regexp);
  ENUM(UnexpectedHost); VALUE(UnexpectedHost, fallback); VALUE(UnexpectedHost, reject); VALUE(UnexpectedHost, any);
  ENUM(AccessAction); VALUE(AccessAction, allow); VALUE(AccessAction, deny);
  ENUM(Health); VALUE(Health, down); VALUE(Health, up);
  ENUM(Admin); VALUE(Admin, enabled); VALUE(Admin, drain); VALUE(Admin, disabled);
  ENUM(ConnState); VALUE(ConnState, free); VALUE(ConnState, syn_sent); VALUE(ConnState, syn_received);
    VALUE(ConnState, established); VALUE(ConnState, client_fin); VALUE(ConnState, backend_fin);
    VALUE(ConnState, time_wait); VALUE(ConnState, closed); VALUE(ConnState, open);
    VALUE(ConnState, hello); VALUE(ConnState, connect); VALUE(ConnState, header);
    VALUE(ConnState, counted);
  ENUM(IdlePolicy); VALUE(IdlePolicy, as_started); VALUE(IdlePolicy, busy); VALUE(IdlePolicy, adaptive);
  ENUM(FlowEnd); VALUE(FlowEnd, timer); VALUE(FlowEnd, evicted); VALUE(FlowEnd, replaced);
  ENUM(CommandKind); VALUE(CommandKind, begin); VALUE(CommandKind, settings); VALUE(CommandKind, snat_range);
    VALUE(CommandKind, service); VALUE(CommandKind, bind); VALUE(CommandKind, backend); VALUE(CommandKind, backend_host);
    VALUE(CommandKind, access_rules); VALUE(CommandKind, blocked_prefixes); VALUE(CommandKind, commit);
    VALUE(CommandKind, set_backend);
  ENUM(EventKind); VALUE(EventKind, applied); VALUE(EventKind, rejected); VALUE(EventKind, connect_failed);
    VALUE(EventKind, backend_reset); VALUE(EventKind, slab_full); VALUE(EventKind, snat_exhausted);
    VALUE(EventKind, client_refused); VALUE(EventKind, syn_proxy_on); VALUE(EventKind, syn_proxy_off);
    VALUE(EventKind, backends_full); VALUE(EventKind, service_full); VALUE(EventKind, evicted);
  ENUM(SectionKind); VALUE(SectionKind, command_ring); VALUE(SectionKind, event_ring); VALUE(SectionKind, workers);
    VALUE(SectionKind, ports); VALUE(SectionKind, service_directory); VALUE(SectionKind, backend_directory);
    VALUE(SectionKind, worker_counters); VALUE(SectionKind, service_counters); VALUE(SectionKind, backend_counters);
    VALUE(SectionKind, slab); VALUE(SectionKind, splices); VALUE(SectionKind, backend_handshakes);
    VALUE(SectionKind, service_lifetimes);
    VALUE(SectionKind, flow_rings);
  // clang-format on
  ENUM(RejectReason);
#define X(name, sentence) VALUE(RejectReason, name);
  MR_REJECT_REASONS(X)
#undef X
  ENUM(SteeringKind);
#define X(name, sentence) VALUE(SteeringKind, name);
  MR_STEERING_KINDS(X)
#undef X
  ENUM(SteeringReason);
#define X(name, sentence) VALUE(SteeringReason, name);
  MR_STEERING_REASONS(X)
#undef X
  ENUM(DropReason);
#define X(name, sentence) VALUE(DropReason, name);
  MR_DROP_REASONS(X)
#undef X
  ENUM(Stage);
#define X(name, sentence) VALUE(Stage, name);
  MR_STAGES(X)
#undef X
}

void list_limits(std::ostream& out) {
  LIMIT(kSegmentMagic);
  LIMIT(kSectionCount);
  LIMIT(kConnStateCount);
  LIMIT(kDropReasonCount);
  LIMIT(kStageCount);
  LIMIT(kWorkerMax);
  LIMIT(kPortMax);
  LIMIT(kServiceMax);
  LIMIT(kBackendMax);
  LIMIT(kBackendPerServiceMax);
  LIMIT(kBindPerServiceMax);
  LIMIT(kSnatPoolMax);
  LIMIT(kSnatRangePerPoolMax);
  LIMIT(kSnatAddressPerRangeMax);
  LIMIT(kWeightMax);
  LIMIT(kPriorityMax);
  LIMIT(kConnectionMin);
  LIMIT(kConnectionMax);
  LIMIT(kNameBytes);
  LIMIT(kHostPatternBytes);
  LIMIT(kHostPatternMax);
  LIMIT(kAccessRulePerServiceMax);
  LIMIT(kAccessRuleMax);
  LIMIT(kAccessRulesPerCommand);
  LIMIT(kBlockedPrefixMax);
  LIMIT(kBlockedPrefixesPerCommand);
  LIMIT(kCommandRingSlots);
  LIMIT(kEventRingSlots);
  LIMIT(kFlowRingSlots);
  LIMIT(kSetHealth);
  LIMIT(kSetAdmin);
  LIMIT(kSetWeight);
  LIMIT(kSetTrial);
  LIMIT(kHandshakeBuckets);
  LIMIT(kHandshakeUsLeast);
  LIMIT(kHandshakeOctaves);
  LIMIT(kLifetimeBuckets);
  LIMIT(kNoSnatPool);
  LIMIT(kNoNeighbour);
  out << "limit kNoService " << raw(kNoService) << '\n';
  out << "limit kNoBackend " << raw(kNoBackend) << '\n';
}

}  // namespace

std::string layout_list() {
  std::ostringstream out;
  out << "abi_version " << kAbiVersion << '\n' << "layout_hash " << std::hex << layout_hash() << std::dec << '\n';
  list_addresses(out);
  list_commands(out);
  list_event(out);
  list_connection(out);
  list_counters(out);
  list_segment(out);
  list_enums(out);
  list_limits(out);
  return out.str();
}

}  // namespace millrace
