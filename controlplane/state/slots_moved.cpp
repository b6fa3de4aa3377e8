#include "controlplane/state/slots_moved.h"

#include <algorithm>

#include "dataplane/pick/pick_tables.h"

namespace millrace::control {
namespace {

bool has_places(const DesiredService& service) {
  return service.host_matching == HostMatching::none &&
         (service.balance == Balance::maglev || service.balance == Balance::iphash1);
}

std::vector<PickCandidate> candidates(const DesiredService& service) {
  std::vector<PickCandidate> all;
  for (const DesiredBackend& backend : service.backends)
    all.push_back({.target = {.addr = backend.endpoint.addr, .port = backend.endpoint.port, .weight = backend.weight},
                   .priority = backend.priority,
                   .eligible = backend.eligible()});
  return all;
}

// As build_tables in dataplane/link/snapshot_builder.cpp.
std::vector<PickTable> tables(const DesiredService& service) {
  const std::vector<PickCandidate> all = candidates(service);
  std::vector<PickTable> built;
  if (service.mode == Mode::tunnel) {
    built.push_back(build_pick_table(service.balance, all));
    return built;
  }
  for (const Family family : {Family::ipv4, Family::ipv6})
    built.push_back(build_pick_table(service.balance, family, all));
  return built;
}

// Who is at a place; the unspecified address where nobody is.
std::vector<Endpoint> places(const PickTable& table) {
  const std::vector<uint16_t>& indexes = table.maglev.empty() ? table.rendezvous : table.maglev;
  std::vector<Endpoint> who;
  who.reserve(indexes.size());
  for (const uint16_t index : indexes) who.push_back({table.targets[index].addr, table.targets[index].port});
  return who;
}

}  // namespace

std::optional<double> share_of_slots_moved(const DesiredService& from, const DesiredService& to) {
  if (!has_places(from) || !has_places(to) || from.balance != to.balance) return std::nullopt;
  if ((from.mode == Mode::tunnel) != (to.mode == Mode::tunnel)) return std::nullopt;
  const std::vector<PickTable> before = tables(from);
  const std::vector<PickTable> after = tables(to);
  size_t all = 0;
  size_t moved = 0;
  for (size_t t = 0; t < before.size(); ++t) {
    const std::vector<Endpoint> was = places(before[t]);
    const std::vector<Endpoint> is = places(after[t]);
    const size_t count = std::max(was.size(), is.size());
    all += count;
    if (was.size() != is.size())
      moved += count;
    else
      for (size_t place = 0; place < count; ++place) moved += was[place] != is[place] ? 1 : 0;
  }
  if (all == 0) return std::nullopt;
  return static_cast<double>(moved) / static_cast<double>(all);
}

}  // namespace millrace::control
