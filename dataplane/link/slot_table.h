// slot_table.h: which service and which backend holds which slot of counters, directory and eligibility.
// Services are known by name, backends by (service slot, endpoint). What comes back keeps its slot, and with it its
// counters and connections. A slot that lost its place in the configuration is "leaving" until no connection uses it.
// When a leaving slot is free again, seen from the main lcore:
//   leaving   the workers still hold the snapshot that dealt it, or connections of it live
//   settling  no worker can open to it any more and none is open; one burst may still be counting its last packets
//   free      every worker has begun a burst since
// Thread: main lcore.      Tests: tests/unit/link/slot_table_test.cpp
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <unordered_map>
#include <vector>

#include "dataplane/link/desired_model.h"
#include "dataplane/pick/vip_table.h"
#include "millrace/counters.h"
#include "millrace/histogram.h"
#include "millrace/ids.h"

struct rte_rcu_qsbr;

namespace millrace {

// Rows by slot, one a worker. The table reads `active` and zeroes a row's cell when its slot changes hands.
struct SlotCounters {
  std::vector<ServiceCounters*> services;
  std::vector<BackendCounters*> backends;
  std::vector<BackendHandshakes*> handshakes;  // by BackendSlot
  std::vector<ServiceLifetimes*> lifetimes;    // by ServiceSlot
};

class SlotTable {
 public:
  SlotTable(rte_rcu_qsbr* qsbr, SlotCounters counters);

  // Fills the slots of `model`. False: not enough are free; then nothing has changed.
  bool assign(DesiredModel& model);
  // After assign, `applied` is the configuration that goes on: gives the new slots back.
  void abandon(DesiredModel& applied);
  // After assign and the swap of the snapshot: what `model` does not name is leaving from now on.
  void commit(const DesiredModel& model);

  // Frees what may be free. Freed slots are in freed_services() and freed_backends() until the next call.
  // True when one was freed.
  bool reclaim();
  const std::vector<ServiceSlot>& freed_services() const { return freed_services_; }
  const std::vector<BackendSlot>& freed_backends() const { return freed_backends_; }

  // What the last assigned model lacks but connections may still use; backends and new connections aside, it must
  // go on being served.
  std::vector<const DesiredService*> departed_services() const;
  std::vector<BackendSlot> departed_backends() const;
  // Backends whose replies we must see: they serve, or served, a service in mode nat.
  std::vector<VipKey> nat_backends() const;

 private:
  enum class Use : uint8_t { free, reserved, configured, leaving, settling };
  struct ServiceRecord {
    Use use = Use::free;
    uint64_t named_in = 0;  // stamp of the last assigned model that names it
    uint64_t quiet_token = 0;
    DesiredService service;  // without backends
  };
  struct BackendKey {
    ServiceSlot service{};
    Endpoint endpoint;
    bool operator==(const BackendKey&) const = default;
  };
  struct BackendKeyHash {
    size_t operator()(const BackendKey& key) const;
  };
  struct BackendRecord {
    Use use = Use::free;
    bool nat = false;  // stays set until the slot is free: old connections outlive a change of mode
    Proto proto{};
    uint64_t named_in = 0;
    uint64_t quiet_token = 0;
    BackendKey key;
  };

  bool assign_service(DesiredService& service);
  bool assign_backend(const DesiredService& service, DesiredBackend& backend);
  void give_back_reserved();
  uint64_t active(ServiceSlot slot) const;
  uint64_t active(BackendSlot slot) const;
  bool step(Use& use, uint64_t& quiet_token, uint64_t active_count);

  rte_rcu_qsbr* qsbr_;
  SlotCounters counters_;
  uint64_t stamp_ = 0;
  std::vector<ServiceRecord> services_;
  std::vector<BackendRecord> backends_;
  std::unordered_map<std::string, ServiceSlot> service_by_name_;
  std::unordered_map<BackendKey, BackendSlot, BackendKeyHash> backend_by_key_;
  // First freed, first used again: readers of the other process get the most time to notice.
  std::deque<ServiceSlot> free_services_;
  std::deque<BackendSlot> free_backends_;
  std::vector<ServiceSlot> reserved_services_;
  std::vector<BackendSlot> reserved_backends_;
  std::vector<ServiceSlot> leaving_services_;
  std::vector<BackendSlot> leaving_backends_;
  std::vector<ServiceSlot> freed_services_;
  std::vector<BackendSlot> freed_backends_;
};

}  // namespace millrace
