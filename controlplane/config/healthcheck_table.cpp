// healthcheck_table.cpp: [servers.NAME.healthcheck].
#include "controlplane/config/tables.h"

namespace millrace::config {

namespace {

enum class Kind { none, ping };

constexpr uint32_t kIntervalMinMs = 100;  // Faster checks of many backends would load them more than their clients.
constexpr uint32_t kIntervalMaxMs = 24 * 3600 * kSecondMs;
constexpr uint32_t kTimeoutMinMs = 10;
constexpr uint32_t kTriesMax = 1000;

}  // namespace

void read_healthcheck_table(TableReader& table, Proto proto, HealthcheckConfig& healthcheck) {
  static constexpr char kLater[] = "use kind = \"ping\", a TCP connection, or \"none\"";
  static constexpr Choice<Kind> kKinds[] = {
      {"ping", Kind::ping}, {"none", Kind::none}, {"probe", std::nullopt, kLater}, {"exec", std::nullopt, kLater}};
  static constexpr Choice<bool> kStatus[] = {{"healthy", true}, {"unhealthy", false}};

  if (!table.has("kind")) table.report_missing("kind", "write kind = \"ping\" or kind = \"none\"");
  const std::optional<Kind> kind = table.read_choice("kind", kKinds);
  healthcheck.enabled = kind == Kind::ping;
  if (kind == Kind::ping && proto == Proto::udp)
    table.errors().add(table.origin_of("kind"), "\"ping\" makes a TCP connection, but the service is UDP",
                       "write kind = \"none\"");
  // One error about the kind is enough; its own keys come and go with it.
  if (table.has("kind") && !kind) {
    table.ignore_prefix("probe_");
    table.ignore_prefix("exec_");
  }
  const std::optional<uint32_t> interval =
      table.read_duration_ms("interval", kIntervalMinMs, kIntervalMaxMs, kind == Kind::none);
  const bool interval_refused = !interval && table.has("interval");
  healthcheck.interval_ms = interval.value_or(0) == 0 ? 2000 : *interval;
  const std::optional<uint32_t> timeout = table.read_duration_ms("timeout", kTimeoutMinMs, kIntervalMaxMs, true);
  // gobetween's "0" lets a check run until the next one is due.
  healthcheck.timeout_ms = timeout ? *timeout : std::min(1000u, healthcheck.interval_ms);
  if (healthcheck.timeout_ms == 0) healthcheck.timeout_ms = healthcheck.interval_ms;
  if (healthcheck.enabled && !interval_refused && healthcheck.timeout_ms > healthcheck.interval_ms)
    table.errors().add(table.origin_of("timeout"), "is longer than the interval, so that checks would overlap",
                       "write a timeout of at most the interval");
  healthcheck.fails = static_cast<uint16_t>(table.read_integer("fails", 1, kTriesMax).value_or(1));
  healthcheck.passes = static_cast<uint16_t>(table.read_integer("passes", 1, kTriesMax).value_or(1));
  healthcheck.initial_healthy = table.read_choice("initial_status", kStatus).value_or(true);
  table.refuse("ping_timeout_duration", "is the old name of timeout", "write timeout");
  table.finish();
}

}  // namespace millrace::config
