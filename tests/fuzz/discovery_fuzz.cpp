// discovery_fuzz.cpp: what registries say: lines, expressions over lines, JSON lists, DNS messages, Consul, Docker, LXD. Either
// an answer whose backends a service could have, or a sentence.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "controlplane/discovery/backend_text.h"
#include "controlplane/discovery/registry_answer.h"
#include "controlplane/dns/dns_message.h"
#include "millrace/limits.h"

namespace {

using namespace millrace;
using namespace millrace::control;

bool holds(const Answer& answer) {
  if (!answer.problem.empty()) return answer.backends.empty();
  if (answer.left_out.size() > kComplaintMax + 1 || answer.backends.size() > kEntryMax) return false;
  for (const config::BackendConfig& backend : answer.backends)
    if (backend.weight > kWeightMax || backend.priority > kPriorityMax || backend.endpoint.port.host() == 0 ||
        backend.endpoint.addr.is_any() || backend.endpoint.addr.is_loopback())
      return false;
  return true;
}

bool holds(const std::optional<DnsMessage>& message, size_t bytes) {
  return !message || message->answers.size() + message->additional.size() <= bytes;
}

Answer read_docker(std::string_view text) {
  const PublishedPorts found = parse_docker_containers(text, {.private_port = 80});
  if (!found.problem.empty()) return Answer::failed(found.problem);
  std::string problem;
  const std::string host = parse_docker_variable(text, "HOST", problem);
  AnswerBuilder builder;
  for (const PublishedPort& port : found.ports) builder.add(to_backend(port, host), port.container_name);
  return builder.take("ports");
}

}  // namespace

// The first byte says who reads the others.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  static const config::BytePattern pattern =
      config::BytePattern::compile("^(?P<host>[^;]+);(?P<port>[0-9]+)(;(?P<weight>.*))?$").pattern;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  bool sound = true;
  switch (data[0] % 7) {
    case 0:
      sound = holds(parse_lines(text));
      break;
    case 1:
      sound = holds(parse_lines(text, pattern));
      break;
    case 2:
      sound = holds(parse_json_list(text, {.host = "net.[0].addr", .port = "port"}));
      break;
    case 4:
      sound = holds(parse_consul_health(text));
      break;
    case 5:
      sound = holds(read_docker(text));
      break;
    case 6:
      sound = holds(parse_lxd_instances(
          text, {.port = 80, .port_key = "user.port", .interface_key = "user.interface", .interface = "eth0"}));
      break;
    default:
      sound = holds(parse_dns_message({data + 1, size - 1}), size);
  }
  if (!sound) std::abort();
  return 0;
}
