#include "controlplane/link/live_slots.h"

#include <utility>

namespace millrace::control {

LiveSlots::LiveSlots(std::shared_ptr<const Segment> from) : segment(std::move(from)) {
  if (!segment) return;
  std::map<ServiceSlot, std::string> names;
  for (const ServiceRow& row : read_services(*segment)) {
    names[row.slot] = row.name;
    // A name may stand twice: configured, and gone with its last connections.
    if (row.configured || !services.contains(row.name)) services[row.name] = row.slot;
  }
  for (const BackendRow& row : read_backends(*segment)) {
    const auto name = names.find(row.service);
    if (name == names.end()) continue;
    const BackendKey key(name->second, row.endpoint);
    if (row.configured || !backends.contains(key)) backends[key] = row;
  }
}

}  // namespace millrace::control
