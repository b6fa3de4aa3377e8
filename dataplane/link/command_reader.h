// command_reader.h: turns the messages of the command ring into checked configurations.
// Route:  read_commands > build_snapshot > publish_snapshot
// Trust:  a command may hold anything. Every field is checked before it is used; nothing of it addresses memory.
// Thread: main lcore.
// Memory: one pending model, bounded by limits.h and desired_model.h.
// Fails:  the first wrong message of a transaction is answered with its reason; the rest up to the next begin is
//         skipped in silence. The applied configuration is never touched here.
// Tests:  tests/unit/link/{command_reader,proxied_commands,blocklist_commands}_test.cpp, tests/fuzz/command_fuzz.cpp
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <unordered_set>
#include <vector>

#include "dataplane/link/desired_model.h"
#include "dataplane/pick/vip_table.h"
#include "millrace/messages.h"

namespace millrace {

inline constexpr uint32_t kTimeoutMsMin = 1'000;
inline constexpr uint32_t kTimeoutMsMax = 7u * 24 * 3600 * 1000;

class CommandReader {
 public:
  // has_splices: this dataplane has room for proxied connections.
  explicit CommandReader(bool has_splices = true) : has_splices_(has_splices) {}

  enum class Outcome {
    more,         // nothing to do yet
    commit,       // take() has a whole configuration
    set_backend,  // the command's body.set_backend is checked and names a backend of `applied`
    rejected,     // for `reason`
  };
  struct Result {
    Outcome outcome = Outcome::more;
    RejectReason reason = RejectReason::none;
  };

  // `command` is the caller's own copy, never shared memory.
  Result read(const Command& command, const DesiredModel& applied);

  // The committed model; once after each Outcome::commit.
  DesiredModel take();

 private:
  struct BackendKey {
    ServiceOrdinal service{};
    Endpoint endpoint;
    bool operator==(const BackendKey&) const = default;
  };
  struct BackendKeyHash {
    size_t operator()(const BackendKey& key) const;
  };
  // An open transaction.
  struct Pending {
    BeginCommand counts;
    DesiredModel model;
    CommandKind last_kind = CommandKind::begin;
    uint32_t last_sequence = 0;
    uint32_t bind_count = 0;
    uint32_t backend_count = 0;
    uint32_t backend_host_count = 0;
    uint32_t access_rule_count = 0;
    uint32_t snat_address_count = 0;
    std::vector<BlockedPrefix> blocked_prefixes;
    std::array<uint32_t, kSnatPoolMax> pool_range_count{};
    bool has_pool(uint16_t pool) const { return pool < kSnatPoolMax && pool_range_count[pool] != 0; }
    std::vector<std::vector<AccessRule>> access_rules;  // by ServiceOrdinal
    VipTable claimed;                                   // binds and SNAT ranges so far
    std::unordered_set<std::string> names;
    std::unordered_set<BackendKey, BackendKeyHash> backends;
  };

  RejectReason begin(const Command& command, Generation applied);
  RejectReason read_item(const Command& command);
  RejectReason add_settings(const SettingsCommand& settings);
  RejectReason add_snat_range(const SnatRangeCommand& range);
  RejectReason add_service(const ServiceCommand& service);
  RejectReason add_bind(const BindCommand& bind);
  RejectReason add_backend(const BackendCommand& backend);
  RejectReason add_backend_host(const BackendHostCommand& host);
  RejectReason add_access_rules(const AccessRulesCommand& message);
  RejectReason add_blocked_prefixes(const BlockedPrefixesCommand& message);
  RejectReason check_commit() const;
  RejectReason check_set_backend(const Command& command, const DesiredModel& applied) const;

  std::unique_ptr<Pending> pending_;  // null: no transaction is open
  const bool has_splices_;
  bool skipping_ = false;  // the last transaction was rejected, its rest is skipped
};

}  // namespace millrace
