#include "perf/micro/configuration.h"

#include <string>

namespace millrace::perf {
namespace {

constexpr unsigned kOtherBackends = 4;
constexpr uint32_t kConnectTimeoutMs = 60'000;  // the longest that there is: slices may be far apart

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
