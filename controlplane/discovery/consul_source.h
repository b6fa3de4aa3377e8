// consul_source.h: kind = "consul": the instances of a service by Consul's health API. A blocking query tells of changes:
// it is answered when there is one, and its answer is the next one of ask().
// Bound:  at most one question in kAskEvery, whatever the agent says.
// Tests:  tests/unit/control/consul_test.cpp
#pragma once

#include <cstdint>
#include <optional>

#include "controlplane/client/http_client.h"
#include "controlplane/discovery/source.h"

namespace millrace::control {

class ConsulSource final : public Source {
 public:
  explicit ConsulSource(const config::ConsulDiscovery& config);
  boost::asio::awaitable<Answer> ask(std::chrono::milliseconds timeout) override;
  boost::asio::awaitable<void> await_change(std::chrono::steady_clock::time_point deadline) override;

 private:
  enum class Waited : uint8_t { changed, unchanged, failed };

  boost::asio::awaitable<Waited> wait_once(std::chrono::steady_clock::time_point deadline);

  HttpRequest request_;
  uint64_t index_ = 0;                   // of the last answer; 0: none to wait from
  std::optional<HttpResponse> changed_;  // the answer of a blocking query
};

}  // namespace millrace::control
