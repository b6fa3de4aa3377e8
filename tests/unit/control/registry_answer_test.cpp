// registry_answer_test.cpp: what registries say about instances and containers, well-formed and not.
#include "controlplane/discovery/registry_answer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/control/asking.h"

namespace millrace::control {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

TEST(parse_consul_health, address_of_the_service_or_else_of_its_node) {
  const Answer answer = parse_consul_health(R"([
    {"Node":{"Address":"10.0.0.1"},"Service":{"ID":"a","Address":"10.1.0.1","Port":80,"Tags":["v1","sni=old","sni=www.example.com"]}},
    {"Node":{"Address":"10.0.0.2"},"Service":{"ID":"b","Address":"","Port":81,"Tags":null}},
    {"Node":{"Address":"fd72::2"},"Service":{"ID":"c","Port":82}}])");
  EXPECT_THAT(endpoints(answer), ElementsAre("10.1.0.1:80", "10.0.0.2:81", "[fd72::2]:82"));
  EXPECT_EQ(answer.backends.at(0).host, "www.example.com");
  EXPECT_EQ(answer.backends.at(1).weight, 1);
}

TEST(parse_consul_health, weight_by_health) {
  const Answer answer = parse_consul_health(R"([
    {"Service":{"ID":"a","Address":"10.0.0.1","Port":80,"Weights":{"Passing":10,"Warning":2}},"Checks":[{"Status":"passing"}]},
    {"Service":{"ID":"b","Address":"10.0.0.2","Port":80,"Weights":{"Passing":10,"Warning":2}},"Checks":[{"Status":"passing"},{"Status":"warning"}]}])");
  ASSERT_EQ(answer.backends.size(), 2u) << answer.problem;
  EXPECT_EQ(answer.backends[0].weight, 10);
  EXPECT_EQ(answer.backends[1].weight, 2);
}

TEST(parse_consul_health, large_weights_are_scaled_down_together) {
  const Answer answer = parse_consul_health(R"([
    {"Service":{"ID":"a","Address":"10.0.0.1","Port":80,"Weights":{"Passing":65535,"Warning":1}}},
    {"Service":{"ID":"b","Address":"10.0.0.2","Port":80,"Weights":{"Passing":32768,"Warning":1}}},
    {"Service":{"ID":"c","Address":"10.0.0.3","Port":80,"Weights":{"Passing":1,"Warning":1}}}])");
  ASSERT_EQ(answer.backends.size(), 3u) << answer.problem;
  EXPECT_EQ(answer.backends[0].weight, 256);
  EXPECT_EQ(answer.backends[1].weight, 128);
  EXPECT_EQ(answer.backends[2].weight, 1);
}

TEST(parse_consul_health, instances_that_are_no_backends_are_left_out_by_name) {
  const Answer answer = parse_consul_health(R"([
    {"Service":{"ID":"loop","Address":"127.0.0.1","Port":80}},
    {"Service":{"ID":"portless","Address":"10.0.0.2","Port":0}},
    {"Service":{"ID":"named","Address":"web.example.com","Port":80}},
    17, {"Service":[]},
    {"Service":{"ID":"good","Address":"10.0.0.1","Port":80}}])");
  EXPECT_THAT(endpoints(answer), ElementsAre("10.0.0.1:80"));
  EXPECT_THAT(answer.left_out,
              ElementsAre(HasSubstr("instance \"loop\": "), HasSubstr("instance \"portless\": "),
                          HasSubstr("instance \"named\": "), HasSubstr("has no host"), HasSubstr("has no host")));
}

TEST(parse_docker_variable, by_its_whole_name) {
  constexpr char kContainer[] = R"({"Config":{"Env":["AHOST=1","HOST","HOST2=2","HOST=10.0.0.1","HOST=3"]}})";
  std::string problem;
  EXPECT_EQ(parse_docker_variable(kContainer, "HOST", problem), "10.0.0.1");
  EXPECT_EQ(parse_docker_variable(kContainer, "NONE", problem), "");
  EXPECT_EQ(parse_docker_variable("[]", "HOST", problem), "");
  EXPECT_EQ(problem, "");
  EXPECT_EQ(parse_docker_variable("{", "HOST", problem), "");
  EXPECT_THAT(problem, HasSubstr("it is no JSON"));
}

TEST(parse_docker_containers, name_is_the_first_or_the_id) {
  const PublishedPorts found = parse_docker_containers(
      R"([{"Id":"0123456789abcdef","Names":["/a/b","/c"],"Ports":[{"PrivatePort":80,"PublicPort":1,"IP":"192.0.2.1"}]},
          {"Id":"0123456789abcdef","Names":[],"Ports":[{"PrivatePort":80,"PublicPort":2,"IP":"192.0.2.1"}]},
          {"Ports":{}}, 5])",
      {.private_port = 80});
  ASSERT_EQ(found.ports.size(), 2u) << found.problem;
  EXPECT_EQ(found.ports[0].container_name, "a/b");
  EXPECT_EQ(found.ports[1].container_name, "0123456789ab");
}

constexpr char kInstances[] = R"({"metadata":[
  {"name":"a","status":"Running","config":{"user.app":"web","user.port":"8080","user.sni":"a.example.com"},
   "state":{"network":{
     "lo":{"addresses":[{"family":"inet","address":"127.0.0.1","scope":"local"}]},
     "eth0":{"addresses":[{"family":"inet6","address":"fe80::1","scope":"link"},
                          {"family":"inet6","address":"fd72::a","scope":"global"},
                          {"family":"inet","address":"10.0.0.1","scope":"global"}]},
     "eth1":{"addresses":[{"family":"inet","address":"10.1.0.1","scope":"global"}]}}}},
  {"name":"b","status":"Running","config":{"user.app":"db","user.interface":"eth1"},
   "state":{"network":{"eth1":{"addresses":[{"family":"inet","address":"10.1.0.2","scope":"global"}]}}}},
  {"name":"c","status":"Stopped","config":{"user.app":"web"},"state":{"network":null}}]})";

TEST(parse_lxd_instances, interface_port_and_name_by_keys_of_the_container) {
  const Answer answer = parse_lxd_instances(kInstances, {.port = 80,
                                                         .port_key = "user.port",
                                                         .interface_key = "user.interface",
                                                         .sni_key = "user.sni",
                                                         .interface = "eth0"});
  EXPECT_THAT(endpoints(answer), ElementsAre("10.0.0.1:8080", "10.1.0.2:80"));
  EXPECT_EQ(answer.backends.at(0).host, "a.example.com");
  EXPECT_THAT(answer.left_out, IsEmpty()) << "a stopped container is none";
}

TEST(parse_lxd_instances, filters_by_key_and_value) {
  EXPECT_THAT(endpoints(parse_lxd_instances(
                  kInstances, {.label_key = "user.app", .label_value = "web", .port = 80, .interface = "eth0"})),
              ElementsAre("10.0.0.1:80"));
  EXPECT_THAT(endpoints(parse_lxd_instances(kInstances, {.label_key = "user.port", .port = 80, .interface = "eth0"})),
              ElementsAre("10.0.0.1:80"));
  EXPECT_THAT(parse_lxd_instances(kInstances, {.label_key = "user.none", .port = 80, .interface = "eth0"}).backends,
              IsEmpty());
}

TEST(parse_lxd_instances, ipv6_is_the_global_address) {
  EXPECT_THAT(endpoints(parse_lxd_instances(kInstances,
                                            {.label_key = "user.port", .port = 80, .interface = "eth0", .ipv6 = true})),
              ElementsAre("[fd72::a]:80"));
}

TEST(parse_lxd_instances, containers_without_address_or_port_are_left_out_with_the_remedy) {
  const Answer eth0 = parse_lxd_instances(kInstances, {.port = 80, .interface = "eth0"});
  EXPECT_THAT(eth0.left_out,
              ElementsAre(HasSubstr("container \"b\": it has no interface \"eth0\": set lxd_container_")));
  const Answer keyed = parse_lxd_instances(kInstances, {.port_key = "user.port", .interface = "eth1"});
  EXPECT_THAT(keyed.left_out, ElementsAre(HasSubstr("container \"b\": its configuration has no key user.port")));
  const Answer bare = parse_lxd_instances(R"({"metadata":[{"name":"a","status":"Running"}]})", {.port = 80});
  EXPECT_THAT(bare.problem, HasSubstr("LXD 3.7 or later"));
  const Answer early = parse_lxd_instances(
      R"({"metadata":[{"name":"a","status":"Running","state":{"network":{"eth0":{"addresses":[]}}}}]})",
      {.port = 80, .interface = "eth0"});
  EXPECT_THAT(early.problem, HasSubstr("has no IPv4 address yet"));
}

}  // namespace
}  // namespace millrace::control
