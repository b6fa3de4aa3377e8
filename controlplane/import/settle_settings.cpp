// settle_settings.cpp: numbers within the ranges of docs/configuration.md, and only what the service's mode has.
#include <algorithm>

#include "controlplane/import/settle.h"

namespace millrace::importing {

namespace {

constexpr uint64_t kSecondMs = 1000;
constexpr uint64_t kDayMs = 24 * 3600 * kSecondMs;

// 0 stays: not said.
void clamp_time(uint64_t& ms, uint64_t min_ms, uint64_t max_ms, uint32_t line, std::string_view what,
                Complaints& complaints) {
  if (ms == 0 || (ms >= min_ms && ms <= max_ms)) return;
  const std::string was = duration_text(ms);
  ms = std::clamp(ms, min_ms, max_ms);
  complaints.add(line, std::string(what) + " of " + was + " became " + duration_text(ms),
                 "the range is " + duration_text(min_ms) + " to " + duration_text(max_ms));
}

void settle_balance(DraftService& service, Complaints& complaints) {
  if (is_direct(service.mode)) {
    if (!service.balance.empty() && service.balance != "maglev")
      complaints.add(service.balance_line != 0 ? service.balance_line : service.line, "the scheduler",
                     "backends answer clients themselves, so that nothing can be counted: Maglev chooses them, by the "
                     "client's address and port and by weight");
    service.balance = {};
  }
  const bool hashes = is_direct(service.mode) || service.balance == "maglev" || service.balance.starts_with("iphash");
  if (!hashes || service.slow_start_ms == 0) return;
  complaints.add(service.line, "the slow start", "where the client's address decides there is none");
  service.slow_start_ms = 0;
}

void settle_limits(DraftService& service, Complaints& complaints) {
  service.connections_max = std::min<uint64_t>(service.connections_max, UINT32_MAX);
  service.connection_rate = std::min<uint64_t>(service.connection_rate, kRateMax);
  if (!is_direct(service.mode)) return;
  service.backend_idle_ms = 0;
  if (service.connections_max != 0)
    complaints.add(service.line, "the limit of connections", "in this mode nobody can count what is open");
  service.connections_max = 0;
  if (service.udp_requests_max != 0)
    complaints.add(service.line, "one-packet scheduling", "in this mode Maglev chooses, for every packet alike");
  service.udp_requests_max = 0;
}

void settle_times(DraftService& service, Complaints& complaints) {
  clamp_time(service.client_idle_ms, kSecondMs, 7 * kDayMs, service.line, "the client's idle timeout", complaints);
  clamp_time(service.backend_idle_ms, kSecondMs, 7 * kDayMs, service.line, "the backend's idle timeout", complaints);
  clamp_time(service.slow_start_ms, kSlowStartMsMin, kSlowStartMsMax, service.line, "the slow start", complaints);
  if (service.mode == Mode::proxy)
    clamp_time(service.connect_timeout_ms, kHandshakeTimeoutMsMin, kHandshakeTimeoutMsMax, service.line,
               "the connection timeout", complaints);
  else
    service.connect_timeout_ms = 0;  // of no use: clients themselves try again
  if (service.names)
    clamp_time(service.names->read_timeout_ms, kHandshakeTimeoutMsMin, kHandshakeTimeoutMsMax, service.line,
               "the time for a ClientHello", complaints);
}

void settle_check(DraftService& service, Complaints& complaints) {
  if (!service.check) return;
  DraftCheck& check = *service.check;
  if (check.kind == "ping" && service.proto == Proto::udp && check.port == 0) {
    complaints.add(
        check.line, "a check by TCP of a service of UDP at the same port",
        "write kind = \"probe\" with probe_protocol = \"udp\", kind = \"icmp\", or the port of a TCP service");
    service.check.reset();
    return;
  }
  clamp_time(check.interval_ms, 100, kDayMs, check.line, "the interval of the checks", complaints);
  if (check.interval_ms == 0) check.interval_ms = 2000;
  if (check.timeout_ms == 0) check.timeout_ms = check.interval_ms;
  clamp_time(check.timeout_ms, 10, check.interval_ms, check.line, "the timeout of the checks", complaints);
  check.fails = std::clamp<uint64_t>(check.fails, 1, 1000);
  check.passes = std::clamp<uint64_t>(check.passes, 1, 1000);
}

void settle_access(DraftService& service, Complaints& complaints) {
  if (service.access_rules.size() <= kAccessRulePerServiceMax) return;
  complaints.add(service.line, "access rules beyond " + std::to_string(kAccessRulePerServiceMax),
                 "write prefixes that hold several of them, or use the blocklist");
  service.access_rules.resize(kAccessRulePerServiceMax);
}

}  // namespace

void settle_settings(DraftService& service, Complaints& complaints) {
  settle_balance(service, complaints);
  settle_limits(service, complaints);
  settle_times(service, complaints);
  settle_check(service, complaints);
  settle_access(service, complaints);
}

}  // namespace millrace::importing
