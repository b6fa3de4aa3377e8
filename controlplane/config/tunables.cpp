#include "controlplane/config/tunables.h"

#include <algorithm>

#include "controlplane/config/error_text.h"
#include "controlplane/config/tables.h"
#include "controlplane/config/values.h"
#include "millrace/limits.h"

namespace millrace::config {

namespace {

template <uint32_t SettingsCommand::*timeout_ms>
Tunable timeout(std::string_view name, std::string_view about) {
  return {name,
          format_duration_ms(kSecondMs) + " to " + format_duration_ms(kWeekMs),
          format_duration_ms(SettingsCommand{}.*timeout_ms),
          about,
          false,
          [](const Config& config) { return format_duration_ms(config.settings.*timeout_ms); }};
}

std::string numbers_to(uint32_t max) { return "1 to " + std::to_string(max); }

std::string idle_in_force(const Config& config) {
  switch (config.settings.idle) {
    case IdlePolicy::as_started:
      return "as started";
    case IdlePolicy::busy:
      return "busy";
    case IdlePolicy::adaptive:
      return "adaptive";
  }
  return "unknown";
}

std::string burst_in_force(const Config& config) {
  const uint32_t packets = config.settings.burst_packets;
  return std::to_string(packets == 0 ? kBurstMax : packets);
}

std::string flow_log_rate_in_force(const Config& config) {
  return config.flow_log.output.empty() ? "no flow log" : std::to_string(config.flow_log.lines_a_second);
}

std::string level_in_force(const Config& config) {
  switch (config.logging.level) {
    case LogLevel::debug:
      return "debug";
    case LogLevel::info:
      return "info";
    case LogLevel::warn:
      return "warn";
    case LogLevel::error:
      return "error";
  }
  return "unknown";
}

}  // namespace

const std::vector<Tunable>& tunables() {
  static const std::vector<Tunable> kTunables = {
      {"dataplane.idle", "busy or adaptive", "as started",
       "what a worker does when there is nothing to do: busy never sleeps, adaptive waits", false, idle_in_force},
      {"dataplane.burst", numbers_to(kBurstMax), std::to_string(kBurstMax),
       "packets a worker takes in a turn: fewer is less latency for who waits behind, more is throughput", true,
       burst_in_force},
      timeout<&SettingsCommand::syn_sent_timeout_ms>("timeouts.syn_sent",
                                                     "silence of a connection whose SYN was forwarded"),
      timeout<&SettingsCommand::syn_received_timeout_ms>("timeouts.syn_received",
                                                         "silence of a connection that only the backend has answered"),
      timeout<&SettingsCommand::fin_wait_timeout_ms>("timeouts.fin_wait",
                                                     "silence of a connection that one side has closed"),
      timeout<&SettingsCommand::time_wait_timeout_ms>(
          "timeouts.time_wait", "how long a connection is remembered that both sides have closed"),
      timeout<&SettingsCommand::closed_timeout_ms>("timeouts.closed",
                                                   "how long a connection is remembered that one side has reset"),
      {"logging.level", "debug, info, warn or error", "info", "the least that millraced logs", false, level_in_force},
      {"flow_log.rate", numbers_to(kFlowLogRateMax), std::to_string(FlowLogConfig{}.lines_a_second),
       "lines of the flow log a second, at most", true, flow_log_rate_in_force},
  };
  return kTunables;
}

const Tunable* find_tunable(std::string_view name) {
  const auto found = std::ranges::find(tunables(), name, &Tunable::name);
  return found == tunables().end() ? nullptr : &*found;
}

std::string_view nearest_tunable(std::string_view name) {
  std::vector<std::string_view> names;
  std::vector<std::string_view> keys;
  for (const Tunable& tunable : tunables()) {
    names.push_back(tunable.name);
    keys.push_back(tunable.key());
  }
  if (const std::string_view nearest = nearest_word(name, names); !nearest.empty()) return nearest;
  const std::string_view key = nearest_word(name, keys);
  if (key.empty()) return {};
  return std::ranges::find(tunables(), key, &Tunable::key)->name;
}

}  // namespace millrace::config
