#include "controlplane/state/overrides.h"

#include <set>
#include <string_view>

namespace millrace::control {

void Overrides::merge(const BackendKey& key, const Override& change) {
  Override& held = by_key_[key];
  if (change.admin) held.admin = *change.admin == Admin::enabled ? std::nullopt : change.admin;
  if (change.weight) held.weight = change.weight;
  if (held == Override{}) by_key_.erase(key);
}

void Overrides::forget_weight(const BackendKey& key) {
  const auto held = by_key_.find(key);
  if (held == by_key_.end()) return;
  held->second.weight.reset();
  if (held->second == Override{}) by_key_.erase(held);
}

Override Overrides::find(const BackendKey& key) const {
  const auto found = by_key_.find(key);
  return found == by_key_.end() ? Override{} : found->second;
}

void Overrides::retain(const config::Config& config) {
  std::set<std::string_view> services;  // few of many thousand backends are overridden
  for (const auto& [key, said] : by_key_) services.insert(key.service);
  std::set<BackendKey> known;
  for (const config::ServiceConfig& service : config.services) {
    if (!services.contains(service.name)) continue;
    for (const config::BackendConfig& backend : service.backends) known.emplace(service.name, backend.endpoint);
  }
  std::erase_if(by_key_, [&](const auto& entry) { return !known.contains(entry.first); });
}

}  // namespace millrace::control
