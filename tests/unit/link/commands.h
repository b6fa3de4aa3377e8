// commands.h: transactions for the tests of this folder, one whole message at a time.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "dataplane/link/command_reader.h"
#include "dataplane/link/desired_model.h"
#include "millrace/messages.h"

namespace millrace {

inline IpAddr ip(const std::string& text) { return *parse_ip(text); }
inline Be16 port(uint16_t value) { return Be16::from_host(value); }

// Collects items; commands() puts begin and commit around them and numbers all.
class TestTransaction {
 public:
  explicit TestTransaction(Generation generation) : generation_(generation) {}

  TestTransaction& settings(const SettingsCommand& settings = {}) {
    add(CommandKind::settings).body.settings = settings;
    return *this;
  }
  TestTransaction& snat_range(uint16_t pool, const std::string& first, const std::string& last,
                              uint16_t port_first = 1024, uint16_t port_last = 65535) {
    ++counts_.snat_range_count;
    add(CommandKind::snat_range).body.snat_range = {
        .pool = pool, .port_first = port_first, .port_last = port_last, .first = ip(first), .last = ip(last)};
    return *this;
  }
  TestTransaction& service(const std::string& name, Mode mode = Mode::fullnat, Balance balance = Balance::roundrobin,
                           Proto proto = Proto::tcp) {
    ServiceCommand service{.settings = {.snat_pool = mode == Mode::nat ? kNoSnatPool : uint16_t{0},
                                        .proto = proto,
                                        .mode = mode,
                                        .balance = balance,
                                        .client_idle_timeout_ms = 60'000,
                                        .backend_idle_timeout_ms = 60'000},
                           .ordinal = static_cast<ServiceOrdinal>(counts_.service_count++)};
    name.copy(service.name, sizeof service.name);
    add(CommandKind::service).body.service = service;
    return *this;
  }
  // A service of mode proxy; `change` sets what else it has.
  TestTransaction& proxied(const std::string& name, const std::function<void(ServiceSettings&)>& change = {}) {
    service(name, Mode::proxy);
    ServiceSettings& made = items_.back().body.service.settings;
    made.connect_timeout_ms = 3000;
    if (change) change(made);
    return *this;
  }
  // The same, which reads server names.
  TestTransaction& named(const std::string& name, HostMatching matching,
                         UnexpectedHost unexpected = UnexpectedHost::fallback) {
    return proxied(name, [=](ServiceSettings& made) {
      made.hello_timeout_ms = 2000;
      made.host_matching = matching;
      made.unexpected_host = unexpected;
    });
  }
  TestTransaction& bind(uint16_t service, const std::string& addr, uint16_t number) {
    ++counts_.bind_count;
    add(CommandKind::bind).body.bind = {
        .service = static_cast<ServiceOrdinal>(service), .port = port(number), .addr = ip(addr)};
    return *this;
  }
  TestTransaction& backend(uint16_t service, uint16_t ordinal, const std::string& addr, uint16_t weight = 1,
                           Health health = Health::up) {
    ++counts_.backend_count;
    add(CommandKind::backend).body.backend = {.service = static_cast<ServiceOrdinal>(service),
                                              .ordinal = static_cast<BackendOrdinal>(ordinal),
                                              .weight = weight,
                                              .health = health,
                                              .port = port(80),
                                              .addr = ip(addr)};
    return *this;
  }
  TestTransaction& host(uint16_t service, uint16_t backend, const std::string& pattern) {
    ++counts_.backend_host_count;
    BackendHostCommand& made = add(CommandKind::backend_host).body.backend_host;
    made = {.service = static_cast<ServiceOrdinal>(service), .backend = static_cast<BackendOrdinal>(backend)};
    pattern.copy(made.pattern, sizeof made.pattern);
    return *this;
  }

  TestTransaction& access_rules(uint16_t service, const std::vector<AccessRule>& rules) {
    counts_.access_rule_count += static_cast<uint32_t>(rules.size());
    AccessRulesCommand& made = add(CommandKind::access_rules).body.access_rules;
    made = {.service = static_cast<ServiceOrdinal>(service), .count = static_cast<uint8_t>(rules.size())};
    std::ranges::copy(rules, made.rules);
    return *this;
  }
  TestTransaction& blocked(const std::vector<BlockedPrefix>& prefixes) {
    counts_.blocked_prefix_count += static_cast<uint32_t>(prefixes.size());
    BlockedPrefixesCommand& made = add(CommandKind::blocked_prefixes).body.blocked_prefixes;
    made = {.count = static_cast<uint8_t>(prefixes.size())};
    std::ranges::copy(prefixes, made.prefixes);
    return *this;
  }

  std::vector<Command> commands() const {
    std::vector<Command> all(1);
    all[0].kind = CommandKind::begin;
    all[0].body.begin = counts_;
    all.insert(all.end(), items_.begin(), items_.end());
    all.emplace_back().kind = CommandKind::commit;
    for (size_t i = 0; i < all.size(); ++i) {
      all[i].generation = generation_;
      all[i].sequence = static_cast<uint32_t>(100 + i);
    }
    return all;
  }
  // As the reader makes it. Throws when it refuses.
  DesiredModel model() const {
    CommandReader reader;
    for (const Command& command : commands()) reader.read(command, {});
    return reader.take();
  }

 private:
  Command& add(CommandKind kind) {
    items_.emplace_back().kind = kind;
    return items_.back();
  }

  Generation generation_;
  BeginCommand counts_;
  std::vector<Command> items_;
};

// The reason for which a transaction is refused; none: it is taken. `at`: the message that must decide.
inline RejectReason refusal(const std::vector<Command>& commands, size_t at, CommandReader reader = CommandReader()) {
  for (size_t i = 0; i < commands.size(); ++i) {
    const CommandReader::Result result = reader.read(commands[i], {});
    if (result.outcome == CommandReader::Outcome::more) continue;
    EXPECT_EQ(i, at);
    return result.reason;
  }
  return RejectReason::none;
}

// The same once each of these changes, alone, has spoiled message `at`.
template <typename Message>
void expect_bad_fields(const std::vector<Command>& good, size_t at, Message Command::Body::*message,
                       const std::vector<std::function<void(Message&)>>& changes) {
  for (size_t i = 0; i < changes.size(); ++i) {
    std::vector<Command> commands = good;
    changes[i](commands[at].body.*message);
    EXPECT_EQ(refusal(commands, at), RejectReason::bad_field) << "change " << i;
  }
}

// Of what `begin` announces one too many is missed by `commit`, and one too few is refused where it is surpassed.
inline void expect_counted(const std::vector<Command>& good, uint32_t BeginCommand::*count, size_t surpassed_at) {
  std::vector<Command> commands = good;
  ++(commands.front().body.begin.*count);
  EXPECT_EQ(refusal(commands, commands.size() - 1), RejectReason::bad_count);
  commands.front().body.begin.*count -= 2;
  EXPECT_EQ(refusal(commands, surpassed_at), RejectReason::bad_count);
}

inline Command set_backend(Generation generation, const SetBackendCommand& body) {
  Command command;
  command.kind = CommandKind::set_backend;
  command.generation = generation;
  command.body.set_backend = body;
  return command;
}

}  // namespace millrace
