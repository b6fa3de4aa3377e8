// directory.cpp: rows under a sequence lock with one writer.
#include "dataplane/link/directory.h"

#include <atomic>
#include <cstring>

namespace millrace {
namespace {

template <typename Row, typename Fill>
void write_row(Row& row, Fill fill) {
  const uint32_t version = row.version.load(std::memory_order_relaxed);
  row.version.store(version + 1, std::memory_order_relaxed);
  // Pairs with the reader's acquire fence before it reads the version again: a torn row is seen as torn.
  std::atomic_thread_fence(std::memory_order_release);
  fill(row);
  // Pairs with the reader's first, acquiring load of the version.
  row.version.store(version + 2, std::memory_order_release);
}

}  // namespace

void Directory::write(const DesiredModel& model) {
  for (const DesiredService& service : model.services) {
    write_row(services_[raw(service.slot)], [&](ServiceInfo& row) {
      row.in_use = static_cast<uint8_t>(SlotLife::configured);
      row.proto = service.proto;
      row.mode = service.mode;
      row.balance = service.balance;
      std::memset(row.name, 0, sizeof row.name);
      service.name.copy(row.name, sizeof row.name - 1);
    });
    for (const DesiredBackend& backend : service.backends) write_backend(service.slot, backend);
  }
}

void Directory::write_backend(ServiceSlot service, const DesiredBackend& backend) {
  write_row(backends_[raw(backend.slot)], [&](BackendInfo& row) {
    row.in_use = static_cast<uint8_t>(SlotLife::configured);
    row.health = backend.health;
    row.admin = backend.admin;
    row.service = service;
    row.weight = backend.weight;
    row.priority = backend.priority;
    row.port = backend.endpoint.port;
    row.addr = backend.endpoint.addr;
  });
}

void Directory::mark(ServiceSlot slot, SlotLife life) {
  write_row(services_[raw(slot)], [&](ServiceInfo& row) { row.in_use = static_cast<uint8_t>(life); });
}

void Directory::mark(BackendSlot slot, SlotLife life) {
  write_row(backends_[raw(slot)], [&](BackendInfo& row) { row.in_use = static_cast<uint8_t>(life); });
}

}  // namespace millrace
