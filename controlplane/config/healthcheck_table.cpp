// healthcheck_table.cpp: [servers.NAME.healthcheck]: what every kind of check has. check_kinds.cpp: what each has besides.
#include "controlplane/config/tables.h"

namespace millrace::config {

namespace {

constexpr uint32_t kIntervalMinMs = 100;  // Faster checks of many backends would load them more than their clients.
constexpr uint32_t kIntervalMaxMs = 24 * 3600 * kSecondMs;
constexpr uint32_t kTimeoutMinMs = 10;
constexpr uint32_t kTriesMax = 1000;

void read_times(TableReader& table, HealthcheckConfig& check) {
  const std::optional<uint32_t> interval =
      table.read_duration_ms("interval", kIntervalMinMs, kIntervalMaxMs, check.kind == CheckKind::none);
  const bool interval_refused = !interval && table.has("interval");
  check.interval_ms = interval.value_or(0) == 0 ? 2000 : *interval;
  const std::optional<uint32_t> timeout = table.read_duration_ms("timeout", kTimeoutMinMs, kIntervalMaxMs, true);
  // gobetween's "0" lets a check run until the next one is due.
  check.timeout_ms = timeout ? *timeout : std::min(1000u, check.interval_ms);
  if (check.timeout_ms == 0) check.timeout_ms = check.interval_ms;
  if (check.enabled() && !interval_refused && check.timeout_ms > check.interval_ms)
    table.errors().add(table.origin_of("timeout"), "is longer than the interval, so that checks would overlap",
                       "write a timeout of at most the interval");
}

// What a kind of check asks at: no port for an echo; another protocol than the service's needs a port of its own.
void read_port(TableReader& table, Proto proto, HealthcheckConfig& check) {
  if (check.kind == CheckKind::icmp)
    table.refuse("port", "\"icmp\" asks an address, which has no ports", "remove it");
  else
    check.port = static_cast<uint16_t>(table.read_integer("port", 1, 65'535).value_or(0));
  if (check.kind == CheckKind::ping && proto == Proto::udp && check.port == 0)
    table.errors().add(table.origin_of("kind"), "\"ping\" makes a TCP connection, but the service is UDP",
                       "write kind = \"probe\" with probe_protocol = \"udp\", kind = \"icmp\", kind = \"none\", or the "
                       "port of a TCP service of the backends: port = 8080");
}

}  // namespace

void read_healthcheck_table(TableReader& table, Proto proto, HealthcheckConfig& healthcheck) {
  static constexpr Choice<CheckKind> kKinds[] = {
      {"ping", CheckKind::ping},  {"probe", CheckKind::probe}, {"exec", CheckKind::exec}, {"http", CheckKind::http},
      {"https", CheckKind::http}, {"grpc", CheckKind::grpc},   {"icmp", CheckKind::icmp}, {"none", CheckKind::none}};
  static constexpr Choice<bool> kStatus[] = {{"healthy", true}, {"unhealthy", false}};

  if (!table.has("kind")) table.report_missing("kind", "write kind = \"ping\" or kind = \"none\"");
  const std::optional<CheckKind> kind = table.read_choice("kind", kKinds);
  healthcheck.kind = kind.value_or(CheckKind::none);
  if (kind)
    read_check_kind(table, healthcheck);
  else  // one error about the kind is enough; its own keys come and go with it
    for (const char* prefix : {"probe_", "exec_", "http_", "grpc_", "tls_", "port"}) table.ignore_prefix(prefix);
  if (kind) read_port(table, proto, healthcheck);
  read_times(table, healthcheck);
  healthcheck.fails = static_cast<uint16_t>(table.read_integer("fails", 1, kTriesMax).value_or(1));
  healthcheck.passes = static_cast<uint16_t>(table.read_integer("passes", 1, kTriesMax).value_or(1));
  healthcheck.initial_healthy = table.read_choice("initial_status", kStatus).value_or(true);
  table.refuse("ping_timeout_duration", "is the old name of timeout", "write timeout");
  table.finish();
}

}  // namespace millrace::config
