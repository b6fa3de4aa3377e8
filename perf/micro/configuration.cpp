#include "perf/micro/configuration.h"

#include <cstring>
#include <string>

namespace millrace::perf {
namespace {

constexpr unsigned kOtherBackends = 4;
constexpr uint32_t kConnectTimeoutMs = 60'000;  // the longest that there is: slices may be far apart

// Evenly over all addresses, or over the networks of 2001:db8::/32.
AccessRule spread_rule(Family family, uint32_t number, uint32_t count) {
  const Be32 place = Be32::from_host(static_cast<uint32_t>((uint64_t{number} << 32) / count));
  if (family == Family::ipv4) return {IpAddr::from_ipv4(place), 32, AccessAction::deny};
  IpAddr network = parse_ip("2001:db8::").value();
  std::memcpy(network.bytes.data() + 4, &place.raw, sizeof place.raw);
  return {network, 64, AccessAction::deny};
}

std::shared_ptr<const AccessTable> access_of(const BedOptions& options, const FlowPlan& plan) {
  std::vector<AccessRule> rules;
  for (uint32_t i = 0; i < options.access_rules; ++i)
    rules.push_back(spread_rule(options.family, i, options.access_rules));
  const auto bits = static_cast<uint8_t>(options.family == Family::ipv4 ? 32 : 128);
  for (uint32_t i = 0; options.deny_newcomers && i < options.newcomers; i += kPortsPerClient)
    rules.push_back({plan.client((options.flows + i) / kPortsPerClient), bits, AccessAction::deny});
  return compile_access(AccessAction::allow, rules);
}

DesiredService service_of(const BedOptions& options, const FlowPlan& plan, unsigned number, Generation generation) {
  DesiredService service;
  service.name = "bench" + std::to_string(number);
  service.proto = options.proto;
  service.mode = options.mode;
  service.balance = is_direct(options.mode) ? Balance::maglev : Balance::roundrobin;
  service.snat_pool = options.mode == Mode::nat || options.mode == Mode::dsr ? kNoSnatPool : uint16_t{0};
  if (options.mode == Mode::tunnel) service.encapsulation = Encapsulation::ip;
  service.client_idle_timeout_ms = service.backend_idle_timeout_ms = options.idle_timeout_ms;
  service.connect_timeout_ms = kConnectTimeoutMs;
  if (number == 0) service.access.table = access_of(options, plan);
  service.binds = {{plan.vip(number), plan.vip_port(number)}};
  const unsigned first = number == 0 ? 0 : kBackendCount + (number - 1) * kOtherBackends;
  for (unsigned i = 0; i < (number == 0 ? kBackendCount : kOtherBackends); ++i) {
    DesiredBackend backend;
    backend.endpoint = {plan.backend(first + i), plan.backend_port()};
    backend.weight = static_cast<uint16_t>(number == 0 ? 1 : 1 + (generation + i) % 3);
    backend.health = Health::up;
    backend.admin = Admin::enabled;
    service.backends.push_back(backend);
  }
  return service;
}

}  // namespace

DesiredModel configuration(const BedOptions& options, const FlowPlan& plan, Generation generation) {
  DesiredModel model;
  model.generation = generation;
  model.settings.time_wait_timeout_ms = kTimeWaitMs;
  model.snat_ranges.push_back({.pool = 0,
                               .port_first = kSnatPortFirst,
                               .port_last = 65535,
                               .first = plan.snat(0),
                               .last = plan.snat(kSnatAddressCount - 1)});
  for (unsigned i = 0; i < options.services; ++i) model.services.push_back(service_of(options, plan, i, generation));
  return model;
}

}  // namespace millrace::perf
