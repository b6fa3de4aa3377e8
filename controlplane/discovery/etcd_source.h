// etcd_source.h: kind = "etcd": the keys below a prefix are backends, by etcd's JSON gateway (v3).
// Bound:  kEntryMax keys.
// Tests:  tests/unit/control/etcd_test.cpp, tests/registries/test_etcd.py
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "controlplane/discovery/etcd_message.h"
#include "controlplane/discovery/registered_backend.h"
#include "controlplane/discovery/watched_source.h"

namespace millrace::control {

class EtcdSource final : public WatchedSource {
 public:
  explicit EtcdSource(config::EtcdDiscovery config);

 protected:
  boost::asio::awaitable<std::string> list(Clock::time_point deadline) override;
  HttpRequest watch() const override;
  Told take(const std::string& line) override;
  Answer answer() const override;

 private:
  // Of one endpoint. Empty, or why that failed.
  boost::asio::awaitable<std::string> list_at(Clock::time_point deadline);
  boost::asio::awaitable<std::string> log_in(Clock::time_point deadline);
  HttpRequest request(const char* target, std::string body) const;
  void take_pair(const EtcdPair& pair);

  config::EtcdDiscovery config_;
  size_t endpoint_ = 0;                        // that answered last
  std::string token_;                          // of the login; empty: none
  std::map<std::string, Registered> entries_;  // by key
  int64_t revision_ = 0;
};

}  // namespace millrace::control
