#include "controlplane/api/plan_view.h"

#include <algorithm>
#include <cmath>

namespace millrace::control {
namespace {

const char* difference_name(Difference difference) {
  switch (difference) {
    case Difference::added:
      return "added";
    case Difference::removed:
      return "removed";
    case Difference::changed:
      return "changed";
  }
  return "unknown";
}

// What is not there in one of the two is null.
Json settings_view(const std::vector<SettingChange>& settings) {
  Json list = Json::array();
  for (const SettingChange& setting : settings) {
    Json row = {{"key", setting.key}, {"was", nullptr}, {"is", nullptr}};
    if (!setting.was.empty()) row["was"] = setting.was;
    if (!setting.is.empty()) row["is"] = setting.is;
    list.push_back(std::move(row));
  }
  return list;
}

Json fate_view(const Fate& fate) { return {{"kept", fate.kept}, {"drained", fate.drained}, {"moved", fate.moved}}; }

Json service_plan_view(const PlannedService& service) {
  Json view = {{"service", service.name}, {"change", difference_name(service.difference)}};
  view["settings"] = settings_view(service.settings);
  Json& backends = view["backends"] = Json::array();
  for (const PlannedBackend& backend : service.backends) {
    Json row = {{"backend", format_endpoint(backend.endpoint)}, {"change", difference_name(backend.difference)}};
    row["active"] = backend.active;
    if (!backend.settings.empty()) row["settings"] = settings_view(backend.settings);
    backends.push_back(std::move(row));
  }
  if (service.backends_unknown) view["backends_unknown"] = true;
  view["connections"] = fate_view(service.connections);
  constexpr double kDigits = 10'000;
  if (service.slots_moved) view["slots_moved"] = std::round(*service.slots_moved * kDigits) / kDigits;
  return view;
}

Json row_view(const HistoryRow& row) {
  return {{"number", row.number}, {"time", row.time}, {"origin", origin_name(row.origin)}, {"summary", row.summary}};
}

}  // namespace

Json plan_view(const Plan& plan) {
  Json view = {{"differs", plan.differs()}, {"services", Json::array()}};
  for (const PlannedService& service : plan.services) view["services"].push_back(service_plan_view(service));
  view["settings"] = settings_view(plan.settings);
  view["connections"] = fate_view(plan.connections);
  view["notices"] = plan.notices;
  return view;
}

Json change_view(const ChangeReport& report) {
  Json view = reload_view(report.reload);
  if (report.number != 0) view["number"] = report.number;
  if (report.from != 0) view["back_to"] = report.from;
  if (report.confirm_until) view["confirm_until"] = *report.confirm_until;
  view["plan"] = plan_view(report.plan);
  return view;
}

Json trial_view(const Daemon& daemon) {
  const std::optional<Trial>& trial = daemon.changes().trial();
  if (!trial) return nullptr;
  return {{"until", trial->until}, {"seconds_left", std::max<std::time_t>(trial->until - std::time(nullptr), 0)}};
}

Json history_view(const Daemon& daemon) {
  Json view = {{"directory", daemon.history().directory()}, {"entries", Json::array()}};
  for (const HistoryRow& row : daemon.history().rows()) view["entries"].push_back(row_view(row));
  view["unconfirmed"] = trial_view(daemon);
  return view;
}

}  // namespace millrace::control
