// passive_health_table.cpp: [servers.NAME.passive_health]: backends judged by what becomes of their connections.
#include "controlplane/config/tables.h"

namespace millrace::config {

namespace {

constexpr uint32_t kWindowMaxMs = 3600 * kSecondMs;
constexpr uint32_t kSleepMaxMs = 24 * 3600 * kSecondMs;
constexpr uint32_t kConnectionCountMax = 1'000'000;

void read_numbers(TableReader& table, PassiveHealthConfig& health) {
  const auto ratio = [&](std::string_view key, double& value) { value = table.read_ratio(key).value_or(value); };
  const auto count = [&](std::string_view key, uint32_t& value) {
    value = static_cast<uint32_t>(table.read_integer(key, 1, kConnectionCountMax).value_or(value));
  };
  const auto time = [&](std::string_view key, uint32_t max_ms, uint32_t& value_ms) {
    value_ms = table.read_duration_ms(key, kSecondMs, max_ms, false).value_or(value_ms);
  };
  ratio("error_ratio", health.error_ratio);
  count("volume_threshold", health.volume_threshold);
  time("window", kWindowMaxMs, health.window_ms);
  time("sleep_window", kSleepMaxMs, health.sleep_window_ms);
  // A sleep that is longer than the usual most is meant.
  if (health.sleep_window_max_ms < health.sleep_window_ms) health.sleep_window_max_ms = health.sleep_window_ms;
  time("sleep_window_max", kSleepMaxMs, health.sleep_window_max_ms);
  if (health.sleep_window_max_ms < health.sleep_window_ms)
    table.errors().add(table.origin_of("sleep_window_max"), "is shorter than sleep_window",
                       "write a time of at least sleep_window");
  ratio("trial_share", health.trial_share);
  count("trial_connections", health.trial_connections);
  ratio("max_ejected", health.max_ejected);
}

void refuse_unseen(const TableReader& table, const ServiceConfig& service) {
  const char* remedy = "remove the table; [servers.NAME.healthcheck] asks the backends itself";
  if (service.proto == Proto::udp)
    table.errors().add(table.origin(), "judges backends by their TCP handshakes, but the service is UDP", remedy);
  else if (is_direct(service.mode))
    table.errors().add(
        table.origin(),
        "judges backends by their answers, which do not come by in mode dsr and tunnel: they answer clients themselves",
        remedy);
}

}  // namespace

void read_passive_health_table(TableReader& table, const ServiceOrigins& origins, ServiceConfig& service) {
  PassiveHealthConfig& health = service.passive_health;
  health.enabled = table.read_bool("enabled").value_or(true);
  read_numbers(table, health);
  health.count_resets = table.read_bool("count_resets").value_or(false);
  health.checks_readmit = table.read_bool("checks_readmit").value_or(false);
  if (health.enabled && origins.mode_known) refuse_unseen(table, service);
  if (health.enabled && health.checks_readmit && !service.healthcheck.enabled())
    table.errors().add(table.origin_of("checks_readmit"), "needs checks that could pass, and the service has none",
                       "remove it or write [servers.NAME.healthcheck] with another kind than \"none\"");
  table.finish();
}

}  // namespace millrace::config
