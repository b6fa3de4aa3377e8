// registry_answer.h: what Consul, Docker and LXD say about instances and containers, as backends.
// Thread: any; pure.
// Bound:  as AnswerBuilder; JSON kJsonDepthMax deep.
// Holds:  an entry that cannot be a backend is left out with a sentence that says what to change in the registry.
// Fails:  with Answer::problem; never throws.
// Tests:  tests/unit/control/registry_answer_test.cpp, tests/fuzz/discovery_fuzz.cpp
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "controlplane/config/discovery_config.h"
#include "controlplane/config/values.h"
#include "controlplane/discovery/source.h"

namespace millrace::control {

// Of /v1/health/service/NAME. Weights over 256 are scaled down together.
Answer parse_consul_health(std::string_view text);

// One port that a container publishes.
struct PublishedPort {
  std::string container_id;
  std::string container_name;
  std::string host;  // empty: every address of the Docker host
  std::string port;  // empty: it is not published after all
  std::string sni;
  bool operator==(const PublishedPort&) const = default;
};
struct PublishedPorts {
  std::vector<PublishedPort> ports;  // at most kEntryMax
  std::string problem;               // not empty: there is no answer
};
// Of /containers/json: the ports that `docker` means, in the answer's order, each once.
PublishedPorts parse_docker_containers(std::string_view text, const config::DockerDiscovery& docker);
// Of /containers/ID/json: a variable of the container's environment; empty: it is not set. `problem`: there is no answer.
std::string parse_docker_variable(std::string_view text, std::string_view name, std::string& problem);
// `own_host`: an address of the Docker host; empty: not known.
config::Parsed<config::BackendConfig> to_backend(const PublishedPort& port, const std::string& own_host);

// Of /1.0/instances?recursion=2.
Answer parse_lxd_instances(std::string_view text, const config::LxdDiscovery& lxd);

}  // namespace millrace::control
