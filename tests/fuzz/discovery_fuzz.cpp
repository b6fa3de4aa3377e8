// discovery_fuzz.cpp: what registries say: lines, expressions over lines, JSON lists, DNS messages, Consul, Docker, LXD, nodes
// and keys, messages of ZooKeeper, etcd and Kubernetes. Either an answer whose backends a service could have, or a sentence.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "controlplane/discovery/backend_text.h"
#include "controlplane/discovery/endpoint_slices.h"
#include "controlplane/discovery/etcd_message.h"
#include "controlplane/discovery/registered_backend.h"
#include "controlplane/discovery/registry_answer.h"
#include "controlplane/discovery/zookeeper_message.h"
#include "controlplane/dns/dns_message.h"
#include "millrace/limits.h"

namespace {

using namespace millrace;
using namespace millrace::control;

bool holds(const config::BackendConfig& backend) {
  return backend.weight <= kWeightMax && backend.priority <= kPriorityMax && backend.endpoint.port.host() != 0 &&
         !backend.endpoint.addr.is_any() && !backend.endpoint.addr.is_loopback();
}

bool holds(const config::Parsed<config::BackendConfig>& entry) {
  return entry.value ? holds(*entry.value) : !entry.problem.empty();
}

bool holds(const Answer& answer) {
  if (!answer.problem.empty()) return answer.backends.empty();
  if (answer.left_out.size() > kComplaintMax + 1 || answer.backends.size() > kEntryMax) return false;
  return std::ranges::all_of(answer.backends, [](const config::BackendConfig& backend) { return holds(backend); });
}

bool holds(const EndpointSlice& slice) {
  return std::ranges::all_of(slice.entries, [](const auto& entry) { return holds(entry); });
}

// The bytes are a stream of messages, and each message is everything that it could be.
bool read_zookeeper(std::string bytes) {
  const size_t bytes_max = bytes.size();
  bool too_long = false;
  while (const std::optional<std::string> message = take_zookeeper_message(bytes, too_long)) {
    parse_zookeeper_session(*message);
    const std::optional<ZookeeperReply> reply = parse_zookeeper_reply(*message);
    const std::string_view body = reply ? reply->body : std::string_view(*message);
    if (parse_zookeeper_children(body).value_or(std::vector<std::string>{}).size() > kEntryMax + 1) return false;
    if (parse_zookeeper_data(body).value_or("").size() > bytes_max) return false;
    if (parse_zookeeper_event(body).value_or("").size() > bytes_max) return false;
  }
  return true;
}

bool read_etcd(std::string_view text) {
  for (const EtcdUpdate& update : {parse_etcd_range(text), parse_etcd_watch(text)})
    for (const EtcdPair& pair : update.pairs)
      if (pair.key.empty() || pair.key.size() + pair.value.size() > text.size()) return false;
  return parse_etcd_token(text).size() <= text.size();
}

bool read_kubernetes(std::string_view text) {
  for (const char* port : {"", "http"}) {
    if (!std::ranges::all_of(parse_slice_page(text, port).slices,
                             [](const EndpointSlice& slice) { return holds(slice); }) ||
        !holds(parse_slice_event(text, port).slice))
      return false;
  }
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
  switch (data[0] % 11) {
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
    case 7:
      if (const Registered registered = parse_registered(text.substr(0, text.find('\n')), text))
        sound = holds(*registered);
      break;
    case 8:
      sound = read_zookeeper(std::string(text));
      break;
    case 9:
      sound = read_etcd(text);
      break;
    case 3:
      sound = holds(parse_dns_message({data + 1, size - 1}), size);
      break;
    default:
      sound = read_kubernetes(text);
  }
  if (!sound) std::abort();
  return 0;
}
