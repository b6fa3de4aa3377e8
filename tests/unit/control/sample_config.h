// sample_config.h: configurations for the tests, and a loop that turns until something is so.
#pragma once

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <functional>
#include <string>

#include "controlplane/config/config.h"
#include "tests/unit/control/fake_dataplane.h"

namespace millrace::control {

inline Endpoint endpoint(const std::string& text) { return parse_endpoint(text).value(); }

// Service web with two backends, service dns with one; no checks.
inline config::Config sample_config() {
  config::Config config;
  config.file = "sample.toml";
  config.snat_pools = {{"lan", {{parse_ip("10.9.0.1").value(), parse_ip("10.9.0.4").value(), 1024, 65535}}}};
  config::ServiceConfig web;
  web.name = "web";
  web.binds = {endpoint("203.0.113.10:80"), endpoint("[2001:db8::10]:80")};
  web.pool = "lan";
  web.client_idle_timeout_ms = web.backend_idle_timeout_ms = 60'000;
  web.backends = {{endpoint("10.0.0.1:80"), 1, 0}, {endpoint("10.0.0.2:80"), 2, 1}};
  config::ServiceConfig dns;
  dns.name = "dns";
  dns.proto = Proto::udp;
  dns.mode = Mode::nat;
  dns.balance = Balance::maglev;
  dns.binds = {endpoint("203.0.113.10:53")};
  dns.client_idle_timeout_ms = dns.backend_idle_timeout_ms = 30'000;
  dns.backends = {{endpoint("10.0.0.3:53"), 1, 0}};
  config.services = {web, dns};
  return config;
}

// Runs the loop, and the fake dataplane when there is one, until `is_so`; false after `patience`.
inline bool turn_until(boost::asio::io_context& loop, FakeDataplane* fake, const std::function<bool()>& is_so,
                       std::chrono::milliseconds patience = std::chrono::seconds(20)) {
  const auto deadline = std::chrono::steady_clock::now() + patience;
  while (std::chrono::steady_clock::now() < deadline) {
    if (fake != nullptr) fake->turn();
    if (is_so()) return true;
    loop.restart();
    loop.run_for(std::chrono::milliseconds(2));
  }
  return is_so();
}

}  // namespace millrace::control
