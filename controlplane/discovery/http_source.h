// http_source.h: kind = "json" and kind = "plaintext": a list by HTTP.
// Tests:  tests/unit/control/http_client_test.cpp
#pragma once

#include "controlplane/client/http_client.h"
#include "controlplane/discovery/source.h"

namespace millrace::control {

class JsonSource final : public Source {
 public:
  explicit JsonSource(const config::JsonDiscovery& config);
  boost::asio::awaitable<Answer> ask(std::chrono::milliseconds timeout) override;

 private:
  HttpRequest request_;
  config::JsonPatterns patterns_;
};

class PlaintextSource final : public Source {
 public:
  explicit PlaintextSource(const config::PlaintextDiscovery& config);
  boost::asio::awaitable<Answer> ask(std::chrono::milliseconds timeout) override;

 private:
  HttpRequest request_;
  config::BytePattern pattern_;  // none: lines of a static_list
};

}  // namespace millrace::control
