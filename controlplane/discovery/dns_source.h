// dns_source.h: kind = "srv" and kind = "dns": the records of a name. Their shortest TTL is the answer's lifetime.
// Tests:  tests/unit/control/dns_test.cpp
#pragma once

#include <vector>

#include "controlplane/discovery/source.h"
#include "controlplane/dns/dns_message.h"

namespace millrace::control {

class SrvSource final : public Source {
 public:
  explicit SrvSource(config::SrvDiscovery config) : config_(std::move(config)) {}
  boost::asio::awaitable<Answer> ask(std::chrono::milliseconds timeout) override;

 private:
  config::SrvDiscovery config_;
};

class DnsSource final : public Source {
 public:
  explicit DnsSource(config::DnsDiscovery config) : config_(std::move(config)) {}
  boost::asio::awaitable<Answer> ask(std::chrono::milliseconds timeout) override;

 private:
  config::DnsDiscovery config_;
};

// Priorities and weights of SRV records as ours: of priorities over 255 the order is kept, weights over 256 are scaled
// down, and weight 0, which RFC 2782 gives a small share, is 1.
void fit_srv_records(std::vector<DnsRecord>& records);

}  // namespace millrace::control
