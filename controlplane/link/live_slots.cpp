#include "controlplane/link/live_slots.h"

#include <utility>

namespace millrace::control {

LiveSlots::LiveSlots(std::shared_ptr<const Segment> from) : segment_(std::move(from)) {
  if (!segment_) return;
  for (ServiceRow& row : read_services(*segment_)) {
    std::vector<ServiceSlot>& slots = services_[row.name];
    slots.insert(row.configured ? slots.begin() : slots.end(), row.slot);
    names_.emplace(row.slot, std::move(row.name));
  }
  backends_ = read_backends(*segment_);
  std::erase_if(backends_, [this](const BackendRow& row) { return !names_.contains(row.service); });
  by_place_.reserve(backends_.size());
  for (const BackendRow& row : backends_) {
    const auto [found, is_new] = by_place_.try_emplace(Place{row.service, row.endpoint}, &row);
    if (!is_new && row.configured) found->second = &row;
  }
}

std::optional<ServiceSlot> LiveSlots::find_service(const std::string& name) const {
  const auto found = services_.find(name);
  return found == services_.end() ? std::nullopt : std::optional(found->second.front());
}

const BackendRow* LiveSlots::find(const BackendKey& key) const {
  const auto found = services_.find(key.service);
  if (found == services_.end()) return nullptr;
  for (const ServiceSlot slot : found->second)
    if (const auto row = by_place_.find(Place{slot, key.endpoint()}); row != by_place_.end()) return row->second;
  return nullptr;
}

}  // namespace millrace::control
