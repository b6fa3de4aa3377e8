// kubernetes_source.h: kind = "kubernetes": the endpoints of one Service's EndpointSlices that are ready are backends.
// Bound:  kPageSlices slices a question; kEntryMax slices, and as many endpoints of them.
// Tests:  tests/unit/control/kubernetes_test.cpp
#pragma once

#include <map>
#include <string>

#include "controlplane/discovery/endpoint_slices.h"
#include "controlplane/discovery/watched_source.h"

namespace millrace::control {

class KubernetesSource final : public WatchedSource {
 public:
  explicit KubernetesSource(config::KubernetesDiscovery config) : config_(std::move(config)) {}

 protected:
  boost::asio::awaitable<std::string> list(Clock::time_point deadline) override;
  HttpRequest watch() const override;
  Told take(const std::string& line) override;
  Answer answer() const override;

 private:
  // Where the API is, and by whose name it is asked. Empty, or what is missing of it.
  std::string settle();
  HttpRequest request(const std::string& query) const;

  config::KubernetesDiscovery config_;
  config::Url api_;
  std::string namespace_;
  std::string token_;
  std::string ca_path_;
  std::map<std::string, EndpointSlice> slices_;  // by name
  std::string resource_version_;
};

}  // namespace millrace::control
