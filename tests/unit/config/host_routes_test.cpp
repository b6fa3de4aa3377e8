// host_routes_test.cpp: what the kernel says of its routes, and the ports that follow from a file without [dataplane].
#include "controlplane/config/host_routes.h"

#include <gtest/gtest.h>

#include <map>

#include "controlplane/config/tables.h"

namespace millrace::config {
namespace {

IpAddr ip(const char* text) { return parse_ip(text).value(); }

TEST(kernel_source, is_the_address_that_a_socket_would_have) {
  EXPECT_EQ(kernel_source(ip("127.0.0.1")), ip("127.0.0.1"));
  EXPECT_EQ(kernel_source(ip("::1")), ip("::1"));
  EXPECT_EQ(kernel_source(ip("255.255.255.255")), std::nullopt) << "no socket may send there";
}

TEST(interface_of, is_that_of_the_address) {
  EXPECT_EQ(interface_of(ip("127.0.0.1")), "lo");
  EXPECT_EQ(interface_of(ip("::1")), "lo");
  EXPECT_EQ(interface_of(ip("192.0.2.77")), "");
}

struct Choose_ports : testing::Test {
  std::map<std::string, std::string> towards;  // address to interface
  Config config;
  std::vector<ConfigError> errors;

  void serve(const char* bind, const std::vector<const char*>& backends) {
    ServiceConfig service;
    service.binds = {{ip(bind), Be16::from_host(80)}};
    for (const char* backend : backends) service.backends.push_back({{ip(backend), Be16::from_host(80)}});
    config.services.push_back(service);
  }
  std::vector<std::string> names() {
    ErrorList list("file");
    choose_ports(
        config,
        [&](const IpAddr& addr) {
          const auto found = towards.find(format_ip(addr));
          return found == towards.end() ? std::string() : found->second;
        },
        list);
    errors = list.take();
    std::vector<std::string> ports;
    for (const PortConfig& port : config.dataplane.ports) ports.push_back(port.device());
    return ports;
  }
};
using Names = std::vector<std::string>;

TEST_F(Choose_ports, that_have_binds_and_lead_to_backends) {
  towards = {{"203.0.113.10", "eth0"}, {"10.0.0.1", "eth1"}, {"10.0.0.2", "eth1"}, {"2001:db8:7::1", "eth2"}};
  serve("203.0.113.10", {"10.0.0.1", "10.0.0.2", "2001:db8:7::1"});
  EXPECT_EQ(names(), (Names{"af_xdp:eth0", "af_xdp:eth1", "af_xdp:eth2"}));
  EXPECT_TRUE(errors.empty());
  EXPECT_EQ(config.dataplane.workers, std::vector<unsigned>{0});
  EXPECT_TRUE(config.dataplane.idle_adaptive);
  EXPECT_EQ(config.dataplane.ports[0].queues, 1) << "of an interface that does not exist";
}

TEST_F(Choose_ports, of_the_default_route_for_every_address_and_for_backends_not_known_yet) {
  towards = {{"192.0.2.1", "eth0"}, {"2001:db8::1", "eth3"}, {"10.0.0.1", "eth1"}, {"203.0.113.10", "eth1"}};
  serve("0.0.0.0", {"10.0.0.1"});
  EXPECT_EQ(names(), (Names{"af_xdp:eth1", "af_xdp:eth0", "af_xdp:eth3"}));
  config = {};
  serve("203.0.113.10", {});
  EXPECT_EQ(names(), (Names{"af_xdp:eth1", "af_xdp:eth0", "af_xdp:eth3"}));
}

TEST_F(Choose_ports, never_the_loopback) {
  towards = {{"203.0.113.10", "lo"}};
  serve("203.0.113.10", {"10.0.0.1"});
  EXPECT_EQ(names(), Names{});
  ASSERT_EQ(errors.size(), 1u);
  EXPECT_NE(errors[0].problem.find("no server says which interfaces"), std::string::npos);
  EXPECT_NE(errors[0].remedy.find("[[dataplane.port]]"), std::string::npos);
}

}  // namespace
}  // namespace millrace::config
