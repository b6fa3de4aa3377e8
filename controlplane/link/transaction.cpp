#include "controlplane/link/transaction.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

namespace millrace::control {
namespace {

template <typename Body>
Command& append(std::vector<Command>& commands, CommandKind kind, Generation generation, Body Command::Body::*member,
                const Body& body) {
  Command& command = commands.emplace_back();
  command.kind = kind;
  command.generation = generation;
  command.body.*member = body;
  return command;
}

ServiceCommand service_command(const DesiredService& service, size_t ordinal) {
  ServiceCommand command;
  command.ordinal = ServiceOrdinal{static_cast<uint16_t>(ordinal)};
  command.settings = service;
  std::memcpy(command.name, service.name.data(), std::min<size_t>(service.name.size(), kNameBytes - 1));
  return command;
}

BackendCommand backend_command(const DesiredBackend& backend, size_t service, size_t ordinal) {
  BackendCommand command;
  command.service = ServiceOrdinal{static_cast<uint16_t>(service)};
  command.ordinal = BackendOrdinal{static_cast<uint16_t>(ordinal)};
  command.weight = backend.weight;
  command.priority = backend.priority;
  command.health = backend.health;
  command.admin = backend.admin;
  command.port = backend.endpoint.port;
  command.addr = backend.endpoint.addr;
  command.proxy_protocol = backend.proxy_protocol;
  command.trial = backend.trial;
  command.snat_pool = backend.snat_pool;
  command.connections_max = backend.connections_max;
  return command;
}

BackendHostCommand backend_host_command(const DesiredBackend& backend, size_t service, size_t ordinal) {
  BackendHostCommand command;
  command.service = ServiceOrdinal{static_cast<uint16_t>(service)};
  command.backend = BackendOrdinal{static_cast<uint16_t>(ordinal)};
  std::memcpy(command.pattern, backend.host.data(), std::min<size_t>(backend.host.size(), kHostPatternBytes - 1));
  return command;
}

size_t access_rule_count(const DesiredService& service) {
  return service.access_rules ? service.access_rules->size() : 0;
}

void append_access_rules(std::vector<Command>& commands, Generation generation, const DesiredService& service,
                         size_t ordinal) {
  for (size_t i = 0; i < access_rule_count(service);) {
    AccessRulesCommand command;
    command.service = ServiceOrdinal{static_cast<uint16_t>(ordinal)};
    while (command.count < kAccessRulesPerCommand && i < access_rule_count(service))
      command.rules[command.count++] = (*service.access_rules)[i++];
    append(commands, CommandKind::access_rules, generation, &Command::Body::access_rules, command);
  }
}

void append_blocklist(std::vector<Command>& commands, Generation generation,
                      const std::vector<BlockedPrefix>& prefixes) {
  for (size_t i = 0; i < prefixes.size();) {
    BlockedPrefixesCommand command;
    while (command.count < kBlockedPrefixesPerCommand && i < prefixes.size())
      command.prefixes[command.count++] = prefixes[i++];
    append(commands, CommandKind::blocked_prefixes, generation, &Command::Body::blocked_prefixes, command);
  }
}

bool has_host(const DesiredBackend& backend) { return !backend.host.empty(); }

const DesiredService* service_at(const DesiredState& state, ServiceOrdinal ordinal) {
  return raw(ordinal) < state.services.size() ? &state.services[raw(ordinal)] : nullptr;
}

std::string service_text(const DesiredState& state, ServiceOrdinal ordinal) {
  const DesiredService* service = service_at(state, ordinal);
  return service == nullptr ? std::string("an unknown service") : "service " + service->name;
}

}  // namespace

std::vector<Command> make_transaction(const DesiredState& state, Generation generation) {
  using Body = Command::Body;
  BeginCommand begin;
  begin.snat_range_count = static_cast<uint32_t>(state.snat_ranges.size());
  begin.service_count = static_cast<uint32_t>(state.services.size());
  for (const DesiredService& service : state.services) {
    begin.bind_count += static_cast<uint32_t>(service.binds.size());
    begin.backend_count += static_cast<uint32_t>(service.backends.size());
    begin.backend_host_count += static_cast<uint32_t>(std::ranges::count_if(service.backends, has_host));
    begin.access_rule_count += static_cast<uint32_t>(access_rule_count(service));
  }
  if (state.blocklist) begin.blocked_prefix_count = static_cast<uint32_t>(state.blocklist->size());
  std::vector<Command> commands;
  commands.reserve(4 + begin.snat_range_count + begin.service_count + begin.bind_count + begin.backend_count +
                   begin.backend_host_count + begin.access_rule_count / kAccessRulesPerCommand +
                   (begin.access_rule_count != 0 ? begin.service_count : 0) +
                   begin.blocked_prefix_count / kBlockedPrefixesPerCommand);
  append(commands, CommandKind::begin, generation, &Body::begin, begin);
  append(commands, CommandKind::settings, generation, &Body::settings, state.settings);
  for (const SnatRangeCommand& range : state.snat_ranges)
    append(commands, CommandKind::snat_range, generation, &Body::snat_range, range);
  for (size_t s = 0; s < state.services.size(); ++s)
    append(commands, CommandKind::service, generation, &Body::service, service_command(state.services[s], s));
  for (size_t s = 0; s < state.services.size(); ++s) {
    for (const Endpoint& bind : state.services[s].binds) {
      BindCommand command;
      command.service = ServiceOrdinal{static_cast<uint16_t>(s)};
      command.port = bind.port;
      command.addr = bind.addr;
      append(commands, CommandKind::bind, generation, &Body::bind, command);
    }
  }
  for (size_t s = 0; s < state.services.size(); ++s)
    for (size_t b = 0; b < state.services[s].backends.size(); ++b)
      append(commands, CommandKind::backend, generation, &Body::backend,
             backend_command(state.services[s].backends[b], s, b));
  for (size_t s = 0; s < state.services.size(); ++s)
    for (size_t b = 0; b < state.services[s].backends.size(); ++b)
      if (has_host(state.services[s].backends[b]))
        append(commands, CommandKind::backend_host, generation, &Body::backend_host,
               backend_host_command(state.services[s].backends[b], s, b));
  for (size_t s = 0; s < state.services.size(); ++s) append_access_rules(commands, generation, state.services[s], s);
  if (state.blocklist) append_blocklist(commands, generation, *state.blocklist);
  Command& commit = commands.emplace_back();
  commit.kind = CommandKind::commit;
  commit.generation = generation;
  return commands;
}

std::vector<Command> make_set_backends(const std::vector<SetBackendCommand>& changes, Generation generation) {
  std::vector<Command> commands;
  commands.reserve(changes.size());
  for (const SetBackendCommand& change : changes)
    append(commands, CommandKind::set_backend, generation, &Command::Body::set_backend, change);
  return commands;
}

std::string describe_command(const Command& command, const DesiredState& state) {
  switch (command.kind) {
    case CommandKind::begin:
      return "the beginning of the transaction";
    case CommandKind::settings:
      return "the settings";
    case CommandKind::snat_range: {
      const SnatRangeCommand& range = command.body.snat_range;
      return fmt::format("SNAT range {}-{}", format_ip(range.first), format_ip(range.last));
    }
    case CommandKind::service:
      return service_text(state, command.body.service.ordinal);
    case CommandKind::bind: {
      const BindCommand& bind = command.body.bind;
      return fmt::format("bind {} of {}", format_endpoint({bind.addr, bind.port}), service_text(state, bind.service));
    }
    case CommandKind::backend: {
      const BackendCommand& backend = command.body.backend;
      return fmt::format("backend {} of {}", format_endpoint({backend.addr, backend.port}),
                         service_text(state, backend.service));
    }
    case CommandKind::backend_host: {
      const BackendHostCommand& host = command.body.backend_host;
      return fmt::format("server name {} of {}",
                         std::string_view(host.pattern, strnlen(host.pattern, kHostPatternBytes)),
                         service_text(state, host.service));
    }
    case CommandKind::access_rules:
      return "the access rules of " + service_text(state, command.body.access_rules.service);
    case CommandKind::blocked_prefixes:
      return "the blocklist";
    case CommandKind::commit:
      return "the configuration as a whole";
    case CommandKind::set_backend: {
      const SetBackendCommand& change = command.body.set_backend;
      const DesiredService* service = service_at(state, change.service);
      if (service == nullptr || raw(change.backend) >= service->backends.size()) return "a change of a backend";
      return fmt::format("the change of backend {} of service {}",
                         format_endpoint(service->backends[raw(change.backend)].endpoint), service->name);
    }
  }
  return "an unknown message";
}

std::string reject_sentence(RejectReason reason) {
  switch (reason) {
#define X(name, sentence)  \
  case RejectReason::name: \
    return sentence;
    MR_REJECT_REASONS(X)
#undef X
  }
  return "for a reason that this millraced does not know";
}

std::string reject_name(RejectReason reason) {
  switch (reason) {
#define X(name, sentence)  \
  case RejectReason::name: \
    return #name;
    MR_REJECT_REASONS(X)
#undef X
  }
  return "unknown";
}

}  // namespace millrace::control
