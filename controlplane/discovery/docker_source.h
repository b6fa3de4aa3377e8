// docker_source.h: kind = "docker": the ports that running containers publish. Docker's events tell of changes.
// Route:  ask > (events open) > /containers/json > (inspect each new container for its variable) > Answer
// Holds:  the stream of events is open before the list is asked for, so that no change is between them.
// Bound:  one list in kAskEvery, however many containers come and go; one remembered host a container.
// Fails:  without events (a proxy in between may not pass them) the interval alone says when to ask.
// Tests:  tests/unit/control/docker_test.cpp
#pragma once

#include <map>
#include <memory>

#include "controlplane/client/http_stream.h"
#include "controlplane/discovery/registry_answer.h"
#include "controlplane/discovery/source.h"

namespace millrace::control {

class DockerSource final : public Source {
 public:
  explicit DockerSource(const config::DockerDiscovery& config);
  boost::asio::awaitable<Answer> ask(std::chrono::milliseconds timeout) override;
  boost::asio::awaitable<void> await_change(std::chrono::steady_clock::time_point deadline) override;

 private:
  HttpRequest request_for(const std::string& target) const;
  boost::asio::awaitable<void> open_events(std::chrono::milliseconds timeout);
  boost::asio::awaitable<std::string> find_own_host(std::string& problem);
  boost::asio::awaitable<std::string> name_hosts(std::vector<PublishedPort>& ports);

  config::DockerDiscovery config_;
  config::Url url_;
  std::unique_ptr<HttpStream> events_;  // null: there are none
  std::map<std::string, std::string>
      variable_hosts_;  // by container, which keeps its environment for life; "": not set
};

}  // namespace millrace::control
