// slot_table.cpp: slots by name, given back only when nobody can use them.
#include "dataplane/link/slot_table.h"

#include <rte_rcu_qsbr.h>

#include <unordered_set>
#include <utility>

#include "dataplane/pick/flow_hash.h"
#include "millrace/limits.h"

namespace millrace {

size_t SlotTable::BackendKeyHash::operator()(const BackendKey& key) const {
  return hash_endpoint(key.endpoint.addr, key.endpoint.port, raw(key.service));
}

SlotTable::SlotTable(rte_rcu_qsbr* qsbr, SlotCounters counters)
    : qsbr_(qsbr), counters_(std::move(counters)), services_(kServiceMax), backends_(kBackendMax) {
  for (uint32_t i = 0; i < kServiceMax; ++i) free_services_.push_back(static_cast<ServiceSlot>(i));
  for (uint32_t i = 0; i < kBackendMax; ++i) free_backends_.push_back(static_cast<BackendSlot>(i));
}

bool SlotTable::assign(DesiredModel& model) {
  ++stamp_;
  reserved_services_.clear();
  reserved_backends_.clear();
  for (DesiredService& service : model.services) {
    bool found = assign_service(service);
    for (DesiredBackend& backend : service.backends) found = found && assign_backend(service, backend);
    if (found) continue;
    give_back_reserved();
    return false;
  }
  return true;
}

bool SlotTable::assign_service(DesiredService& service) {
  const auto known = service_by_name_.find(service.name);
  if (known != service_by_name_.end()) {
    service.slot = known->second;
  } else {
    if (free_services_.empty()) return false;
    service.slot = free_services_.front();
    free_services_.pop_front();
    reserved_services_.push_back(service.slot);
    service_by_name_.emplace(service.name, service.slot);
    services_[raw(service.slot)].use = Use::reserved;
    services_[raw(service.slot)].service.name = service.name;
    for (ServiceCounters* row : counters_.services) {
      ServiceCounters& cell = row[raw(service.slot)];
      for (Counter* counter : {&cell.connections, &cell.active, &cell.no_backend, &cell.no_snat_port, &cell.no_slot,
                               &cell.refused, &cell.syn_floods, &cell.backends_full, &cell.service_full,
                               &cell.sessions_moved, &cell.denied, &cell.evicted, &cell.limited})
        counter->set(0);
    }
    for (ServiceLifetimes* row : counters_.lifetimes) row[raw(service.slot)].clear();
  }
  services_[raw(service.slot)].named_in = stamp_;
  return true;
}

bool SlotTable::assign_backend(const DesiredService& service, DesiredBackend& backend) {
  const BackendKey key{service.slot, backend.endpoint};
  const auto known = backend_by_key_.find(key);
  if (known != backend_by_key_.end()) {
    backend.slot = known->second;
  } else {
    if (free_backends_.empty()) return false;
    backend.slot = free_backends_.front();
    free_backends_.pop_front();
    reserved_backends_.push_back(backend.slot);
    backend_by_key_.emplace(key, backend.slot);
    backends_[raw(backend.slot)] = {.use = Use::reserved, .key = key};
    for (BackendCounters* row : counters_.backends) {
      BackendCounters& cell = row[raw(backend.slot)];
      for (Counter* counter : {&cell.connections, &cell.active, &cell.forward_packets, &cell.reverse_packets,
                               &cell.forward_bytes, &cell.reverse_bytes, &cell.connect_failures, &cell.resets})
        counter->set(0);
    }
    for (BackendHandshakes* row : counters_.handshakes) row[raw(backend.slot)].clear();
  }
  backends_[raw(backend.slot)].named_in = stamp_;
  return true;
}

void SlotTable::give_back_reserved() {
  for (ServiceSlot slot : reserved_services_) {
    service_by_name_.erase(services_[raw(slot)].service.name);
    services_[raw(slot)] = {};
    free_services_.push_front(slot);
  }
  for (BackendSlot slot : reserved_backends_) {
    backend_by_key_.erase(backends_[raw(slot)].key);
    backends_[raw(slot)] = {};
    free_backends_.push_front(slot);
  }
  reserved_services_.clear();
  reserved_backends_.clear();
}

void SlotTable::abandon(DesiredModel& applied) {
  give_back_reserved();
  // Every slot of `applied` is known, so this only stamps them anew.
  assign(applied);
}

void SlotTable::commit(const DesiredModel& model) {
  const uint64_t token = rte_rcu_qsbr_start(qsbr_);
  for (const DesiredService& service : model.services) {
    ServiceRecord& record = services_[raw(service.slot)];
    record.use = Use::configured;
    record.service = service;
    record.service.backends.clear();
    for (const DesiredBackend& backend : service.backends) {
      BackendRecord& owned = backends_[raw(backend.slot)];
      owned.use = Use::configured;
      owned.proto = service.proto;
      owned.nat |= service.mode == Mode::nat;
    }
  }
  reserved_services_.clear();
  reserved_backends_.clear();
  leaving_services_.clear();
  leaving_backends_.clear();
  for (const auto& [name, slot] : service_by_name_) {
    ServiceRecord& record = services_[raw(slot)];
    if (record.named_in == stamp_) continue;
    if (record.use == Use::configured) record = {Use::leaving, record.named_in, token, std::move(record.service)};
    leaving_services_.push_back(slot);
  }
  for (const auto& [key, slot] : backend_by_key_) {
    BackendRecord& record = backends_[raw(slot)];
    if (record.named_in == stamp_) continue;
    if (record.use == Use::configured) {
      record.use = Use::leaving;
      record.quiet_token = token;
    }
    leaving_backends_.push_back(slot);
  }
}

uint64_t SlotTable::active(ServiceSlot slot) const {
  uint64_t sum = 0;
  for (const ServiceCounters* row : counters_.services) sum += row[raw(slot)].active.read();
  return sum;
}

uint64_t SlotTable::active(BackendSlot slot) const {
  uint64_t sum = 0;
  for (const BackendCounters* row : counters_.backends) sum += row[raw(slot)].active.read();
  return sum;
}

// One step of a slot that is leaving or settling; true when it is free.
bool SlotTable::step(Use& use, uint64_t& quiet_token, uint64_t active_count) {
  if (rte_rcu_qsbr_check(qsbr_, quiet_token, false) != 1 || active_count != 0) return false;
  if (use == Use::settling) return true;
  use = Use::settling;
  quiet_token = rte_rcu_qsbr_start(qsbr_);
  return false;
}

bool SlotTable::reclaim() {
  freed_services_.clear();
  freed_backends_.clear();
  std::erase_if(leaving_backends_, [&](BackendSlot slot) {
    BackendRecord& record = backends_[raw(slot)];
    if (!step(record.use, record.quiet_token, active(slot))) return false;
    backend_by_key_.erase(record.key);
    record = {};
    free_backends_.push_back(slot);
    freed_backends_.push_back(slot);
    return true;
  });
  std::unordered_set<uint16_t> still_has_backends;
  for (BackendSlot slot : leaving_backends_) still_has_backends.insert(raw(backends_[raw(slot)].key.service));
  std::erase_if(leaving_services_, [&](ServiceSlot slot) {
    ServiceRecord& record = services_[raw(slot)];
    // Its number is part of its backends' keys: they go first.
    if (still_has_backends.contains(raw(slot)) || !step(record.use, record.quiet_token, active(slot))) return false;
    service_by_name_.erase(record.service.name);
    record = {};
    free_services_.push_back(slot);
    freed_services_.push_back(slot);
    return true;
  });
  return !freed_services_.empty() || !freed_backends_.empty();
}

std::vector<const DesiredService*> SlotTable::departed_services() const {
  std::vector<const DesiredService*> departed;
  for (const auto& [name, slot] : service_by_name_)
    if (services_[raw(slot)].named_in != stamp_) departed.push_back(&services_[raw(slot)].service);
  return departed;
}

std::vector<BackendSlot> SlotTable::departed_backends() const {
  std::vector<BackendSlot> departed;
  for (const auto& [key, slot] : backend_by_key_)
    if (backends_[raw(slot)].named_in != stamp_) departed.push_back(slot);
  return departed;
}

std::vector<VipKey> SlotTable::nat_backends() const {
  std::vector<VipKey> keys;
  for (const auto& [key, slot] : backend_by_key_)
    if (backends_[raw(slot)].nat)
      keys.push_back({.addr = key.endpoint.addr, .port = key.endpoint.port, .proto = backends_[raw(slot)].proto});
  return keys;
}

}  // namespace millrace
