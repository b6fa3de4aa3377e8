// show_plan.cpp: plans, changes and the history.
#include <fmt/chrono.h>
#include <fmt/format.h>

#include <ctime>

#include "controlplane/millctl/show.h"
#include "controlplane/millctl/table.h"

namespace millrace::millctl {
namespace {

std::string local_time(const Json& object, const char* key) {
  return fmt::format("{:%Y-%m-%d %H:%M:%S}", fmt::localtime(static_cast<std::time_t>(number(object, key))));
}

std::string show_setting(const Json& setting) {
  const Json& was = part(setting, "was");
  const Json& is = part(setting, "is");
  if (!was.is_string()) return fmt::format("{} = {}", field(setting, "key"), field(setting, "is"));
  if (!is.is_string()) return fmt::format("{} = {} goes", field(setting, "key"), field(setting, "was"));
  return fmt::format("{} = {} was {}", field(setting, "key"), as_text(is), as_text(was));
}

std::string show_fate(const Json& fate) {
  std::string text = fmt::format("{} kept", field(fate, "kept"));
  if (number(fate, "drained") != 0) text += fmt::format(", {} go on until they end", field(fate, "drained"));
  if (number(fate, "moved") != 0) text += fmt::format(", {} UDP sessions move", field(fate, "moved"));
  return text;
}

std::string show_planned_backend(const Json& backend) {
  const std::string change = field(backend, "change");
  std::string text = fmt::format("    {} {}",
                                 change == "added"     ? '+'
                                 : change == "removed" ? '-'
                                                       : '~',
                                 field(backend, "backend"));
  for (const Json& setting : part(backend, "settings")) text += "  " + show_setting(setting);
  if (change == "removed" && number(backend, "active") != 0)
    text += fmt::format("  ({} connections)", field(backend, "active"));
  return text + "\n";
}

std::string show_planned_service(const Json& service) {
  const std::string change = field(service, "change");
  std::string text = fmt::format("{} {}: {}\n",
                                 change == "added"     ? '+'
                                 : change == "removed" ? '-'
                                                       : '~',
                                 field(service, "service"), change);
  for (const Json& setting : part(service, "settings")) text += "    " + show_setting(setting) + "\n";
  for (const Json& backend : part(service, "backends")) text += show_planned_backend(backend);
  if (service.contains("backends_unknown")) text += "    its backends come with the first answer of its source\n";
  if (change != "added") text += "    connections: " + show_fate(part(service, "connections")) + "\n";
  if (service.contains("slots_moved"))
    text += fmt::format("    new flows that another backend gets: {:.1f}%\n", 100 * real(service, "slots_moved"));
  return text;
}

}  // namespace

std::string show_plan(const Json& body) {
  std::string text;
  for (const Json& service : part(body, "services")) text += show_planned_service(service);
  for (const Json& setting : part(body, "settings")) text += "~ " + show_setting(setting) + "\n";
  if (text.empty()) return "no difference\n";
  text += "connections of all services: " + show_fate(part(body, "connections")) + "\n";
  for (const Json& notice : part(body, "notices")) text += "notice: " + as_text(notice) + "\n";
  return text;
}

std::string show_applied(const Json& body) {
  Json plan = part(body, "plan");
  plan.erase("notices");  // they are the change's own
  std::string text = show_plan(plan);
  text +=
      body.contains("back_to") ? fmt::format("in force again: {}", field(body, "back_to")) : std::string("in force");
  if (body.contains("number")) text += fmt::format(", as number {} of the history", field(body, "number"));
  const std::string dataplane = field(body, "dataplane");
  if (dataplane == "waiting") text += "; the dataplane is not connected and will get it when it is";
  if (dataplane == "sending") text += "; the dataplane has not answered yet, see millctl status";
  text += "\n";
  if (body.contains("confirm_until"))
    text += fmt::format("until {} it can be confirmed (millctl confirm); then what was before comes back\n",
                        local_time(body, "confirm_until"));
  for (const Json& notice : part(body, "notices")) text += "notice: " + as_text(notice) + "\n";
  return text;
}

std::string show_confirmed(const Json&) { return "confirmed\n"; }

std::string show_history(const Json& body) {
  Table table({{"NUMBER", Align::right}, {"TIME"}, {"BY"}, {"WHAT"}});
  for (const Json& row : part(body, "entries"))
    table.add({field(row, "number"), local_time(row, "time"), field(row, "origin"), field(row, "summary")});
  std::string text = table.empty() ? "there is no history yet\n" : table.text();
  if (const Json& trial = part(body, "unconfirmed"); trial.contains("until"))
    text += fmt::format("the last one waits to be confirmed until {} ({} s left)\n", local_time(trial, "until"),
                        field(trial, "seconds_left"));
  return text;
}

std::string show_history_entry(const Json& body) {
  std::string text = fmt::format("# {} of {} (by {}): {}\n", field(body, "number"), local_time(body, "time"),
                                 field(body, "origin"), field(body, "summary"));
  if (body.contains("config")) return text + field(body, "config");
  for (const Json& error : part(body, "errors")) text += "# " + as_text(error) + "\n";
  return text;
}

}  // namespace millrace::millctl
