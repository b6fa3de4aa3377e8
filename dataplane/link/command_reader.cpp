// command_reader.cpp: one check per field, in the order of messages.h.
#include "dataplane/link/command_reader.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <string_view>
#include <utility>

#include "dataplane/pick/flow_hash.h"

namespace millrace {
namespace {

bool valid(Proto proto) { return proto == Proto::tcp || proto == Proto::udp; }
bool valid(Mode mode) { return mode >= Mode::nat && mode <= Mode::tunnel; }
bool valid(Balance balance) { return balance >= Balance::roundrobin && balance <= Balance::fastest; }
bool valid(Health health) { return health == Health::down || health == Health::up; }
bool valid(Admin admin) { return admin <= Admin::disabled; }
bool valid(SynProxy syn_proxy) { return syn_proxy <= SynProxy::on; }
bool valid(ProxyProtocol version) { return version <= ProxyProtocol::v2; }
bool valid(HostMatching matching) { return matching <= HostMatching::regexp; }
bool valid(UnexpectedHost who) { return who <= UnexpectedHost::any; }
bool valid(AccessAction action) { return action <= AccessAction::deny; }
bool valid_timeout(uint32_t ms) { return ms >= kTimeoutMsMin && ms <= kTimeoutMsMax; }

// In range where the field has a meaning, 0 elsewhere.
bool valid_where(bool meant, uint32_t value, uint32_t min, uint32_t max) {
  return meant ? value >= min && value <= max : value == 0;
}

// What only services with proxied connections have. The mode is valid.
bool valid_proxying(const ServiceSettings& service) {
  if (!valid(service.syn_proxy) || !valid(service.host_matching) || !valid(service.unexpected_host)) return false;
  const bool proxied = may_proxy(service.mode, service.syn_proxy);
  const bool reads_hello = service.host_matching != HostMatching::none;
  if (proxied && service.proto != Proto::tcp) return false;
  if (service.mode == Mode::proxy ? service.syn_proxy != SynProxy::off : reads_hello) return false;
  if (!reads_hello && service.unexpected_host != UnexpectedHost{}) return false;
  return valid_where(proxied, service.connect_timeout_ms, kHandshakeTimeoutMsMin, kHandshakeTimeoutMsMax) &&
         valid_where(reads_hello, service.hello_timeout_ms, kHandshakeTimeoutMsMin, kHandshakeTimeoutMsMax) &&
         valid_where(service.syn_proxy == SynProxy::automatic, service.syn_rate, 1, kSynRateMax);
}

// What only services in mode dsr and tunnel have. The mode is valid.
bool valid_direct(const ServiceSettings& service) {
  const bool direct = is_direct(service.mode);
  if (service.mode == Mode::tunnel
          ? service.encapsulation != Encapsulation::ip && service.encapsulation != Encapsulation::gue
          : service.encapsulation != Encapsulation::none)
    return false;
  if ((service.encapsulation == Encapsulation::gue) != (service.gue_port != 0)) return false;
  if (service.mss_clamp > (direct && service.proto == Proto::tcp ? 1 : 0)) return false;
  // Every host must find the same backend for a flow, nobody sees the backend's half of a handshake or counts what is open.
  return !direct || (service.balance == Balance::maglev && !may_proxy(service.mode, service.syn_proxy) &&
                     service.connections_max == 0 && service.udp_requests_max == 0 && service.udp_responses_max == 0);
}

bool valid_rates(const ServiceSettings& service) {
  const bool by_source = (service.source_connection_rate | service.source_packet_rate) != 0;
  return service.connection_rate <= kRateMax && service.packet_rate <= kRateMax &&
         service.source_connection_rate <= kRateMax && service.source_packet_rate <= kRateMax &&
         valid_where(by_source, service.source_prefix4, 1, 32) &&
         valid_where(by_source, service.source_prefix6, 1, 128);
}

bool needs_pool(Mode mode) { return mode != Mode::nat && mode != Mode::dsr; }

// It would get connections that nobody has a source address for.
bool lacks_pool(const DesiredService& service, const DesiredBackend& backend) {
  return needs_pool(service.mode) && backend.eligible() && service.snat_pool_of(backend) == kNoSnatPool;
}

// Of a direct service every host must choose the same backend for a flow, and nobody sees how a trial goes.
bool may_try(const DesiredService& service, uint8_t trial) { return trial == 0 || !is_direct(service.mode); }

// Limits, and how a backend that comes back gets its share: by and by only where the client does not decide.
bool valid_limits(const ServiceSettings& service) {
  if (is_by_client(service.balance) && service.slow_start_ms != 0) return false;
  if (service.proto != Proto::udp && (service.udp_requests_max != 0 || service.udp_responses_max != 0)) return false;
  return service.slow_start_ms == 0 ||
         (service.slow_start_ms >= kSlowStartMsMin && service.slow_start_ms <= kSlowStartMsMax);
}

bool valid(const ServiceSettings& service) {
  return valid(service.proto) && valid(service.mode) && valid(service.balance) &&
         valid_timeout(service.client_idle_timeout_ms) && valid_timeout(service.backend_idle_timeout_ms) &&
         valid_proxying(service) && valid_direct(service) && valid_limits(service) && valid_rates(service) &&
         valid(service.access_default) && service.reserved == 0;
}

constexpr IpAddr kBroadcast4 = IpAddr::from_ipv4(Be32{0xffff'ffff});

bool valid_bind(const IpAddr& addr) { return !addr.is_loopback() && !addr.is_multicast() && addr != kBroadcast4; }
bool valid_unicast(const IpAddr& addr) { return valid_bind(addr) && !addr.is_any(); }

// How much of the body a command of this kind fills; nullopt for an unknown kind. The rest must be zero.
std::optional<size_t> body_bytes(CommandKind kind) {
  switch (kind) {
    case CommandKind::begin:
      return sizeof(BeginCommand);
    case CommandKind::settings:
      return sizeof(SettingsCommand);
    case CommandKind::snat_range:
      return sizeof(SnatRangeCommand);
    case CommandKind::service:
      return sizeof(ServiceCommand);
    case CommandKind::bind:
      return sizeof(BindCommand);
    case CommandKind::backend:
      return sizeof(BackendCommand);
    case CommandKind::backend_host:
      return sizeof(BackendHostCommand);
    case CommandKind::access_rules:
      return sizeof(AccessRulesCommand);
    case CommandKind::blocked_prefixes:
      return sizeof(BlockedPrefixesCommand);
    case CommandKind::commit:
      return 0;
    case CommandKind::set_backend:
      return sizeof(SetBackendCommand);
  }
  return std::nullopt;
}

RejectReason check_envelope(const Command& command) {
  const std::optional<size_t> used = body_bytes(command.kind);
  if (!used) return RejectReason::bad_kind;
  const auto is_zero = [](uint8_t byte) { return byte == 0; };
  const bool rest_zero = std::all_of(command.body.bytes + *used, std::end(command.body.bytes), is_zero);
  return command.reserved == 0 && rest_zero ? RejectReason::none : RejectReason::bad_field;
}

// The text of a field, or empty: not NUL-terminated, empty, unprintable, or with something behind its end.
template <size_t kBytes>
std::string_view checked_text(const char (&field)[kBytes]) {
  const char* end = std::find(std::begin(field), std::end(field), '\0');
  if (end == std::end(field) || std::any_of(end, std::end(field), [](char c) { return c != '\0'; })) return {};
  const auto unprintable = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; };
  if (std::any_of(std::begin(field), end, unprintable)) return {};
  return {field, static_cast<size_t>(end - field)};
}

// How many addresses [first, last] has; more than `max` counts as max + 1.
uint32_t count_addresses(const IpAddr& first, const IpAddr& last, uint32_t max) {
  uint64_t difference = 0;
  for (size_t i = 0; i < first.bytes.size(); ++i) {
    // first <= last, so the difference of what was read so far is never negative.
    difference = difference * 256 + last.bytes[i] - first.bytes[i];
    if (difference > max) return max + 1;
  }
  return static_cast<uint32_t>(difference + 1);
}

}  // namespace

size_t CommandReader::BackendKeyHash::operator()(const BackendKey& key) const {
  return hash_endpoint(key.endpoint.addr, key.endpoint.port, raw(key.service));
}

CommandReader::Result CommandReader::read(const Command& command, const DesiredModel& applied) {
  RejectReason reason = check_envelope(command);
  if (command.kind == CommandKind::begin) {
    pending_.reset();
    skipping_ = false;
    if (reason == RejectReason::none) reason = begin(command, applied.generation);
  } else if (command.kind == CommandKind::set_backend && !pending_) {
    // Not part of a transaction: its refusal ends none.
    if (reason == RejectReason::none) reason = check_set_backend(command, applied);
    if (reason == RejectReason::none) return {Outcome::set_backend, reason};
    return {Outcome::rejected, reason};
  } else if (skipping_) {
    return {};
  } else if (reason == RejectReason::none) {
    reason = pending_ ? read_item(command) : RejectReason::bad_order;
  }
  if (reason != RejectReason::none) {
    pending_.reset();
    skipping_ = true;
    return {Outcome::rejected, reason};
  }
  return {command.kind == CommandKind::commit ? Outcome::commit : Outcome::more, reason};
}

DesiredModel CommandReader::take() {
  DesiredModel model = std::move(pending_->model);
  for (size_t s = 0; s < model.services.size(); ++s)
    model.services[s].access.table = compile_access(model.services[s].access_default, pending_->access_rules[s]);
  model.blocklist = compile_blocklist(std::move(pending_->blocked_prefixes));
  pending_.reset();
  return model;
}

RejectReason CommandReader::begin(const Command& command, Generation applied) {
  const BeginCommand& counts = command.body.begin;
  if (command.generation <= applied) return RejectReason::bad_generation;
  if (counts.snat_range_count > kSnatPoolMax * kSnatRangePerPoolMax || counts.service_count > kServiceMax ||
      counts.bind_count > kBindMax || counts.backend_count > kBackendMax || counts.backend_host_count > kBackendMax ||
      counts.access_rule_count > kAccessRuleMax || counts.blocked_prefix_count > kBlockedPrefixMax)
    return RejectReason::too_many;
  pending_ = std::make_unique<Pending>();
  pending_->counts = counts;
  pending_->model.generation = command.generation;
  pending_->last_sequence = command.sequence;
  return RejectReason::none;
}

RejectReason CommandReader::read_item(const Command& command) {
  Pending& pending = *pending_;
  // Kinds are numbered in the order in which a transaction sends them.
  if (command.kind < pending.last_kind || command.kind > CommandKind::commit ||
      command.sequence != pending.last_sequence + 1 || command.generation != pending.model.generation)
    return RejectReason::bad_order;
  const bool settings_again = command.kind == CommandKind::settings && pending.last_kind == CommandKind::settings;
  if (settings_again) return RejectReason::bad_order;
  pending.last_kind = command.kind;
  pending.last_sequence = command.sequence;
  switch (command.kind) {
    case CommandKind::settings:
      return add_settings(command.body.settings);
    case CommandKind::snat_range:
      return add_snat_range(command.body.snat_range);
    case CommandKind::service:
      return add_service(command.body.service);
    case CommandKind::bind:
      return add_bind(command.body.bind);
    case CommandKind::backend:
      return add_backend(command.body.backend);
    case CommandKind::backend_host:
      return add_backend_host(command.body.backend_host);
    case CommandKind::access_rules:
      return add_access_rules(command.body.access_rules);
    case CommandKind::blocked_prefixes:
      return add_blocked_prefixes(command.body.blocked_prefixes);
    case CommandKind::commit:
      return check_commit();
    case CommandKind::begin:
    case CommandKind::set_backend:
      break;  // read() has taken these
  }
  return RejectReason::bad_order;
}

RejectReason CommandReader::add_settings(const SettingsCommand& settings) {
  if (!valid_timeout(settings.syn_sent_timeout_ms) || !valid_timeout(settings.syn_received_timeout_ms) ||
      !valid_timeout(settings.fin_wait_timeout_ms) || !valid_timeout(settings.time_wait_timeout_ms) ||
      !valid_timeout(settings.closed_timeout_ms) || settings.idle > IdlePolicy::adaptive ||
      settings.burst_packets > kBurstMax || settings.flow_log > 1 || settings.reserved != 0)
    return RejectReason::bad_field;
  pending_->model.settings = settings;
  return RejectReason::none;
}

RejectReason CommandReader::add_snat_range(const SnatRangeCommand& range) {
  Pending& pending = *pending_;
  if (range.pool >= kSnatPoolMax || range.port_first == 0 || range.port_first > range.port_last ||
      range.reserved != 0 || range.first.family() != range.last.family() || range.first > range.last ||
      !valid_unicast(range.first) || !valid_unicast(range.last))
    return RejectReason::bad_field;
  if (pending.model.snat_ranges.size() == pending.counts.snat_range_count) return RejectReason::bad_count;
  const uint32_t address_count = count_addresses(range.first, range.last, kSnatAddressPerRangeMax);
  pending.snat_address_count += address_count;
  if (address_count > kSnatAddressPerRangeMax || pending.snat_address_count > kSnatAddressMax ||
      ++pending.pool_range_count[range.pool] > kSnatRangePerPoolMax)
    return RejectReason::too_many;
  pending.claimed.add_snat_range(range.first, range.last, range.port_first, range.port_last);
  pending.model.snat_ranges.push_back(range);
  return RejectReason::none;
}

RejectReason CommandReader::add_service(const ServiceCommand& service) {
  Pending& pending = *pending_;
  const ServiceSettings& settings = service.settings;
  const std::string_view name = checked_text(service.name);
  if (name.empty() || service.reserved != 0 || !valid(settings)) return RejectReason::bad_field;
  if (pending.model.services.size() == pending.counts.service_count) return RejectReason::bad_count;
  if (raw(service.ordinal) != pending.model.services.size()) return RejectReason::bad_order;
  if (!needs_pool(settings.mode) && settings.snat_pool != kNoSnatPool) return RejectReason::bad_field;
  if (settings.snat_pool != kNoSnatPool && !pending.has_pool(settings.snat_pool)) return RejectReason::no_pool;
  if (may_proxy(settings.mode, settings.syn_proxy) && !has_splices_) return RejectReason::no_splices;
  if (!pending.names.emplace(name).second) return RejectReason::duplicate_name;
  pending.model.services.push_back({settings, std::string(name)});
  pending.access_rules.emplace_back();
  return RejectReason::none;
}

RejectReason CommandReader::add_bind(const BindCommand& bind) {
  Pending& pending = *pending_;
  if (bind.port.raw == 0 || bind.reserved != 0 || !valid_bind(bind.addr)) return RejectReason::bad_field;
  if (pending.bind_count == pending.counts.bind_count) return RejectReason::bad_count;
  if (raw(bind.service) >= pending.model.services.size()) return RejectReason::bad_order;
  DesiredService& service = pending.model.services[raw(bind.service)];
  if (service.binds.size() == kBindPerServiceMax) return RejectReason::too_many;
  if (pending.claimed.is_snat(bind.addr, bind.port)) return RejectReason::bind_is_snat;
  if (!pending.claimed.add_service({.addr = bind.addr, .port = bind.port, .proto = service.proto}, ServiceSlot{}))
    return RejectReason::duplicate_bind;
  ++pending.bind_count;
  service.binds.push_back({bind.addr, bind.port});
  return RejectReason::none;
}

RejectReason CommandReader::add_backend(const BackendCommand& backend) {
  Pending& pending = *pending_;
  if (backend.weight > kWeightMax || backend.priority > kPriorityMax || !valid(backend.health) ||
      !valid(backend.admin) || backend.port.raw == 0 || !valid(backend.proxy_protocol) || !valid_unicast(backend.addr))
    return RejectReason::bad_field;
  if (pending.backend_count == pending.counts.backend_count) return RejectReason::bad_count;
  if (raw(backend.service) >= pending.model.services.size()) return RejectReason::bad_order;
  DesiredService& service = pending.model.services[raw(backend.service)];
  if (raw(backend.ordinal) != service.backends.size()) return RejectReason::bad_order;
  if (service.backends.size() == kBackendPerServiceMax) return RejectReason::too_many;
  // A backend that expects a header must not see connections without one.
  if (backend.proxy_protocol != ProxyProtocol::none && !always_proxies(service.mode, service.syn_proxy))
    return RejectReason::bad_field;
  // It gets the client's packet with the port that the client wrote, and nobody counts what it has open.
  const auto has_port = [&](const Endpoint& bind) { return bind.port == backend.port; };
  if (is_direct(service.mode) && (backend.connections_max != 0 || !std::ranges::all_of(service.binds, has_port)))
    return RejectReason::bad_field;
  if (!may_try(service, backend.trial)) return RejectReason::bad_field;
  if (backend.snat_pool != kNoSnatPool && !needs_pool(service.mode)) return RejectReason::bad_field;
  if (backend.snat_pool != kNoSnatPool && !pending.has_pool(backend.snat_pool)) return RejectReason::no_pool;
  const Endpoint endpoint{backend.addr, backend.port};
  if (!pending.backends.insert({backend.service, endpoint}).second) return RejectReason::duplicate_backend;
  ++pending.backend_count;
  service.backends.push_back({.endpoint = endpoint,
                              .weight = backend.weight,
                              .priority = backend.priority,
                              .health = backend.health,
                              .admin = backend.admin,
                              .proxy_protocol = backend.proxy_protocol,
                              .trial = backend.trial,
                              .snat_pool = backend.snat_pool,
                              .connections_max = backend.connections_max});
  return lacks_pool(service, service.backends.back()) ? RejectReason::no_pool : RejectReason::none;
}

RejectReason CommandReader::add_backend_host(const BackendHostCommand& host) {
  Pending& pending = *pending_;
  const std::string_view text = checked_text(host.pattern);
  if (text.empty()) return RejectReason::bad_field;
  if (pending.backend_host_count == pending.counts.backend_host_count) return RejectReason::bad_count;
  if (raw(host.service) >= pending.model.services.size()) return RejectReason::bad_order;
  DesiredService& service = pending.model.services[raw(host.service)];
  if (raw(host.backend) >= service.backends.size()) return RejectReason::bad_order;
  if (service.host_matching == HostMatching::none) return RejectReason::bad_field;
  DesiredBackend& backend = service.backends[raw(host.backend)];
  if (backend.host != kNoHost) return RejectReason::duplicate_backend;

  const auto known =
      std::ranges::find_if(service.hosts, [text](const DesiredHost& other) { return other.pattern->text() == text; });
  if (known == service.hosts.end()) {
    if (service.hosts.size() == kHostPatternMax) return RejectReason::too_many;
    HostPattern::Compiled compiled = HostPattern::compile(service.host_matching, text);
    if (!compiled.pattern) return RejectReason::bad_pattern;
    backend.host = static_cast<uint16_t>(service.hosts.size());
    service.hosts.push_back({std::move(compiled.pattern)});
  } else {
    backend.host = static_cast<uint16_t>(known - service.hosts.begin());
  }
  ++pending.backend_host_count;
  return RejectReason::none;
}

RejectReason CommandReader::check_commit() const {
  const Pending& pending = *pending_;
  const bool equal = pending.model.snat_ranges.size() == pending.counts.snat_range_count &&
                     pending.model.services.size() == pending.counts.service_count &&
                     pending.bind_count == pending.counts.bind_count &&
                     pending.backend_count == pending.counts.backend_count &&
                     pending.backend_host_count == pending.counts.backend_host_count &&
                     pending.access_rule_count == pending.counts.access_rule_count &&
                     pending.blocked_prefixes.size() == pending.counts.blocked_prefix_count;
  return equal ? RejectReason::none : RejectReason::bad_count;
}

RejectReason CommandReader::check_set_backend(const Command& command, const DesiredModel& applied) const {
  const SetBackendCommand& set = command.body.set_backend;
  if (command.generation != applied.generation) return RejectReason::stale_generation;
  if (raw(set.service) >= applied.services.size() ||
      raw(set.backend) >= applied.services[raw(set.service)].backends.size())
    return RejectReason::bad_order;
  const bool fields_valid = set.fields != 0 && (set.fields & ~(kSetHealth | kSetAdmin | kSetWeight | kSetTrial)) == 0;
  const bool rest_zero = std::ranges::all_of(set.reserved, [](uint8_t byte) { return byte == 0; });
  if (!fields_valid || !rest_zero || ((set.fields & kSetHealth) != 0 && !valid(set.health)) ||
      ((set.fields & kSetAdmin) != 0 && !valid(set.admin)) ||
      ((set.fields & kSetWeight) != 0 && set.weight > kWeightMax))
    return RejectReason::bad_field;
  const DesiredService& service = applied.services[raw(set.service)];
  DesiredBackend changed = service.backends[raw(set.backend)];
  changed.take(set);
  if (!may_try(service, changed.trial)) return RejectReason::bad_field;
  return lacks_pool(service, changed) ? RejectReason::no_pool : RejectReason::none;
}

}  // namespace millrace
