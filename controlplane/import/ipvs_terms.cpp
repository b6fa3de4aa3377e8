#include "controlplane/import/ipvs_terms.h"

#include <algorithm>
#include <functional>
#include <set>

#include "controlplane/config/error_text.h"

namespace millrace::importing {

namespace {

struct SchedulerRow {
  std::string_view ipvs;
  std::string_view ours;
  std::string_view lost;  // empty: the same
};
constexpr SchedulerRow kSchedulers[] = {
    {"rr", "roundrobin", {}},
    {"wrr", "weight", {}},
    {"lc", "leastconn", {}},
    {"wlc", "leastconn", {}},
    {"sed", "leastconn", "the shortest expected delay"},
    {"nq", "leastconn", "an idle backend first"},
    {"twos", "p2c", {}},
    {"sh", "iphash1", {}},
    {"mh", "iphash1", {}},
    {"dh", "weight", "the choice by destination, which is for caches"},
    {"lblc", "leastconn", "the locality, which is for caches"},
    {"lblcr", "leastconn", "the locality, which is for caches"},
    {"ovf", "weight", "the overflow to the next backend"},
};

// "fo": the heaviest that is alive has everything.
void apply_failover(DraftService& service) {
  std::set<uint64_t, std::greater<>> weights;
  for (const DraftBackend& backend : service.backends) weights.insert(backend.weight);
  for (DraftBackend& backend : service.backends) {
    backend.priority = static_cast<uint32_t>(std::distance(weights.begin(), weights.find(backend.weight)));
    if (backend.weight != 0) backend.weight = 1;
  }
  service.comments.push_back("Scheduler fo: the order of the weights is that of the priorities.");
}

bool weights_differ(const DraftService& service) {
  return std::ranges::any_of(
      service.backends, [&](const DraftBackend& backend) { return backend.weight != service.backends.front().weight; });
}

}  // namespace

void apply_scheduler(const IpvsScheduler& scheduler, DraftService& service, Complaints& complaints) {
  service.balance_line = scheduler.line;
  const uint32_t line = scheduler.line != 0 ? scheduler.line : service.line;
  const auto row = std::ranges::find(kSchedulers, scheduler.name, &SchedulerRow::ipvs);
  if (scheduler.name == "fo") {
    service.balance = "weight";
    apply_failover(service);
  } else if (row == std::end(kSchedulers)) {
    complaints.add(line, "the scheduler " + config::quote(scheduler.name) + " is not known here",
                   "look at the schedulers in docs/configuration.md; \"weight\" stands in for it");
    service.balance = "weight";
  } else {
    service.balance = row->ours;
    if (!row->lost.empty())
      complaints.add(line, "scheduler " + std::string(row->ipvs) + ": " + std::string(row->lost),
                     "balance = \"" + std::string(row->ours) + "\" stands in for it");
    if (row->ipvs == "lc" && weights_differ(service))
      complaints.add(line, "scheduler lc looks at no weights, \"leastconn\" does", "take the weights out");
    if (scheduler.hashes_ports && row->ours == "iphash1") service.balance = "maglev";
  }
  if (!scheduler.persistent || service.balance == "iphash1") return;
  if (is_direct(service.mode)) {
    complaints.add(line, "persistence: Maglev goes by the client's address and port",
                   "use mode \"fullnat\" or \"nat\" with balance = \"iphash1\" where clients must keep their backend");
    return;
  }
  service.balance = "iphash1";
  service.comments.push_back("Persistence: balance iphash1 keeps a client at its backend while that is up.");
}

}  // namespace millrace::importing
