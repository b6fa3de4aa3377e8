#include "controlplane/events/event_log.h"

#include <chrono>
#include <nlohmann/json.hpp>

namespace millrace::control {
namespace {

int64_t unix_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch())
      .count();
}

}  // namespace

void EventLog::add(const Happening& happening) {
  nlohmann::ordered_json json = {
      {"id", ++last_id_}, {"time_ms", unix_ms()}, {"kind", happening.kind}, {"what", happening.what}};
  const std::pair<const char*, const std::string&> texts[] = {
      {"service", happening.service}, {"backend", happening.backend}, {"cause", happening.cause}};
  for (const auto& [name, text] : texts)
    if (!text.empty()) json[name] = text;
  if (happening.generation) json["generation"] = *happening.generation;
  if (happening.count) json["count"] = *happening.count;
  // Causes come from backends and registries; what is no UTF-8 must not throw.
  kept_.push_back({last_id_, happening.kind, json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace)});
  if (kept_.size() > kEventsKept) kept_.pop_front();
  for (boost::asio::steady_timer* bell : bells_) bell->cancel();
}

}  // namespace millrace::control
