#include "controlplane/state/diff.h"

#include <algorithm>
#include <cstring>
#include <type_traits>

namespace millrace::control {
namespace {

template <typename Pod>
bool same_bytes(const Pod& a, const Pod& b) {
  static_assert(std::has_unique_object_representations_v<Pod>);
  return std::memcmp(&a, &b, sizeof a) == 0;
}

bool same_place(const DesiredBackend& a, const DesiredBackend& b) {
  return a.endpoint == b.endpoint && a.priority == b.priority && a.proxy_protocol == b.proxy_protocol &&
         a.host == b.host && a.connections_max == b.connections_max && a.snat_pool == b.snat_pool;
}

// Of shared lists, null where there is none.
template <typename Row>
bool same_list(const std::shared_ptr<const std::vector<Row>>& a, const std::shared_ptr<const std::vector<Row>>& b) {
  return a == b || (a && b && *a == *b);
}

bool same_service(const DesiredService& a, const DesiredService& b) {
  return static_cast<const ServiceSettings&>(a) == static_cast<const ServiceSettings&>(b) && a.name == b.name &&
         a.binds == b.binds && same_list(a.access_rules, b.access_rules) &&
         std::ranges::equal(a.backends, b.backends, same_place);
}

}  // namespace

bool same_structure(const DesiredState& a, const DesiredState& b) {
  return same_bytes(a.settings, b.settings) && same_list(a.blocklist, b.blocklist) &&
         std::ranges::equal(a.snat_ranges, b.snat_ranges, same_bytes<SnatRangeCommand>) &&
         std::ranges::equal(a.services, b.services, same_service);
}

StateChange diff_state(const DesiredState& from, const DesiredState& to) {
  StateChange change;
  if (!same_structure(from, to)) {
    change.snapshot_needed = true;
    return change;
  }
  for (size_t s = 0; s < to.services.size(); ++s) {
    for (size_t b = 0; b < to.services[s].backends.size(); ++b) {
      const DesiredBackend& was = from.services[s].backends[b];
      const DesiredBackend& is = to.services[s].backends[b];
      SetBackendCommand command;
      if (was.health != is.health) command.fields |= kSetHealth;
      if (was.admin != is.admin) command.fields |= kSetAdmin;
      if (was.weight != is.weight) command.fields |= kSetWeight;
      if (was.trial != is.trial) command.fields |= kSetTrial;
      if (command.fields == 0) continue;
      command.service = ServiceOrdinal{static_cast<uint16_t>(s)};
      command.backend = BackendOrdinal{static_cast<uint16_t>(b)};
      command.weight = is.weight;
      command.health = is.health;
      command.admin = is.admin;
      command.trial = is.trial;
      change.set_backends.push_back(command);
    }
  }
  return change;
}

}  // namespace millrace::control
