#include "controlplane/link/live_slots.h"

#include <algorithm>
#include <tuple>
#include <utility>

namespace millrace::control {

namespace {

// Where a backend stands in the order of backends_.
using Place = std::tuple<uint16_t, IpAddr, uint16_t>;
Place place_of(ServiceSlot service, const Endpoint& endpoint) {
  return {raw(service), endpoint.addr, endpoint.port.raw};
}
Place place_of(const BackendRow& row) { return place_of(row.service, row.endpoint); }

}  // namespace

LiveSlots::LiveSlots(std::shared_ptr<const Segment> from, std::string_view only) : segment_(std::move(from)) {
  if (!segment_) return;
  for (ServiceRow& row : read_services(*segment_)) {
    if (!only.empty() && row.name != only) continue;
    std::vector<ServiceSlot>& slots = services_[row.name];
    slots.insert(row.configured ? slots.begin() : slots.end(), row.slot);
    names_.emplace(row.slot, std::move(row.name));
  }
  backends_ = read_backends(*segment_);
  std::erase_if(backends_, [this](const BackendRow& row) { return !names_.contains(row.service); });
  std::ranges::sort(backends_, [](const BackendRow& a, const BackendRow& b) {
    return std::tuple(place_of(a), !a.configured) < std::tuple(place_of(b), !b.configured);
  });
}

std::optional<ServiceSlot> LiveSlots::find_service(const std::string& name) const {
  const auto found = services_.find(name);
  return found == services_.end() ? std::nullopt : std::optional(found->second.front());
}

const BackendRow* LiveSlots::find(const BackendKey& key) const {
  const auto found = services_.find(key.service);
  if (found == services_.end()) return nullptr;
  for (const ServiceSlot slot : found->second) {
    const Place place = place_of(slot, key.endpoint());
    const auto row = std::ranges::lower_bound(backends_, place, {}, [](const BackendRow& at) { return place_of(at); });
    if (row != backends_.end() && place_of(*row) == place) return &*row;
  }
  return nullptr;
}

}  // namespace millrace::control
