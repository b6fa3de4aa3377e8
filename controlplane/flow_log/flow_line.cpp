#include "controlplane/flow_log/flow_line.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <ctime>
#include <nlohmann/json.hpp>

#include "millrace/limits.h"
#include "millrace/mode_name.h"

namespace millrace::control {
namespace {

std::string iso_time(int64_t unix_ms) {
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z", fmt::gmtime(static_cast<std::time_t>(unix_ms / 1000)),
                     unix_ms % 1000);
}

// How long ago it was; a worker's clock may be a little ahead of ours.
uint32_t age_ms(const ClockPair& now, uint32_t then_ms) {
  const uint32_t age = static_cast<uint32_t>(now.monotonic_ms) - then_ms;
  return age > UINT32_MAX / 2 ? 0 : age;
}

}  // namespace

bool is_valid_flow(const FlowRecord& flow) {
  const bool is_open = flow.state != ConnState::free && static_cast<unsigned>(flow.state) < kConnStateCount;
  const bool has_slots =
      raw(flow.service) < kServiceMax && (flow.backend == kNoBackend || raw(flow.backend) < kBackendMax);
  return is_open && has_slots && static_cast<unsigned>(flow.end) < kFlowEndCount &&
         (flow.proto == Proto::tcp || flow.proto == Proto::udp) && flow.mode >= Mode::nat &&
         flow.mode <= Mode::tunnel && flow.spliced <= 1 && flow.reserved[0] == 0 && flow.reserved[1] == 0;
}

const char* flow_end_name(const FlowRecord& flow) {
  if (flow.end == FlowEnd::evicted) return "evicted";
  if (flow.end == FlowEnd::replaced && !is_over(flow.state)) return "replaced";
  switch (flow.state) {
    case ConnState::syn_sent:
      // Of a direct flow nobody hears its backend.
      return is_direct(flow.mode) ? "idle" : "unanswered";
    case ConnState::syn_received:
    case ConnState::hello:
    case ConnState::connect:
    case ConnState::header:
      return "unfinished";
    case ConnState::client_fin:
    case ConnState::backend_fin:
      return "half_closed";
    case ConnState::time_wait:
      return "closed";
    case ConnState::closed:
      return flow.proto == Proto::tcp ? "reset" : "closed";
    case ConnState::free:
    case ConnState::established:
    case ConnState::open:
    case ConnState::counted:
      break;
  }
  return "idle";
}

std::string flow_line(const FlowRecord& flow, const std::string& service, WorkerIndex worker, const ClockPair& now) {
  const int64_t last_ms = now.unix_ms - age_ms(now, flow.last_packet_ms);
  const uint32_t duration_ms = flow.last_packet_ms - flow.opened_ms;
  nlohmann::ordered_json line = {{"start", iso_time(last_ms - duration_ms)},
                                 {"duration_ms", duration_ms},
                                 {"end", flow_end_name(flow)},
                                 {"service", service},
                                 {"protocol", flow.proto == Proto::tcp ? "tcp" : "udp"},
                                 {"mode", mode_name(flow.mode)},
                                 {"client", format_endpoint({flow.client, flow.client_port})},
                                 {"vip", format_endpoint({flow.vip, flow.vip_port})}};
  // A proxied connection that no backend took has neither; in mode dsr nothing is translated.
  if (flow.snat_port.raw != 0) line["snat"] = format_endpoint({flow.snat, flow.snat_port});
  if (flow.backend != kNoBackend) line["backend"] = format_endpoint({flow.backend_addr, flow.backend_port});
  if (flow.spliced != 0) line["proxied"] = true;
  line["worker"] = raw(worker);
  return line.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

}  // namespace millrace::control
