// consul_test.cpp: a Consul agent of our own, as its API is documented: instances, blocking queries, refusals, accidents.
#include "controlplane/discovery/consul_source.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "controlplane/discovery/discovery_monitor.h"
#include "tests/unit/control/api_server.h"
#include "tests/unit/control/asking.h"
#include "tests/unit/control/sample_config.h"

namespace millrace::control {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

std::string instance(const std::string& address, int port) {
  return R"({"Node":{"Node":"n1","Address":"10.9.9.9"},"Service":{"ID":"web-1","Service":"web","Tags":[],"Address":")" +
         address + R"(","Port":)" + std::to_string(port) + R"(},"Checks":[{"Status":"passing"}]})";
}

// An agent with one service, whose state a test may set.
class Agent {
  std::vector<std::string> targets_;  // in the order of the questions

 public:
  uint64_t index = 10;
  std::string body = "[" + instance("10.0.0.1", 80) + "]";
  std::string broken;  // not empty: said to a blocking query instead of everything else

  ApiServer server{[this](const ApiServer::Request& request, const ApiServer::Send& send) { answer(request, send); }};

  config::ConsulDiscovery config() const { return {.endpoint = "http://" + server.at(), .service = "web"}; }
  std::vector<std::string> targets() {
    std::vector<std::string> seen;
    server.change([&] { seen = targets_; });
    return seen;
  }
  void set(uint64_t next_index, const std::string& next_body) {
    server.change([&] {
      index = next_index;
      body = next_body;
    });
  }

 private:
  void answer(const ApiServer::Request& request, const ApiServer::Send& send) {
    const size_t at = request.target().find("index=");
    const uint64_t known = at == std::string::npos ? 0 : std::stoull(request.target().substr(at + 6));
    std::string text;
    server.change([&] { targets_.push_back(request.target()); });
    if (known != 0) server.await([&] { return index != known || !broken.empty(); });
    server.change([&] {
      text = known != 0 && !broken.empty() ? broken : api_ok(body, "X-Consul-Index: " + std::to_string(index) + "\r\n");
    });
    send(text);
  }
};

// How long await_change takes when `change` comes while the question is open.
milliseconds await_change(ConsulSource& source, Agent& agent, const std::function<void()>& change,
                          milliseconds patience) {
  boost::asio::io_context loop;
  const size_t before = agent.server.requests();
  const auto start = steady_clock::now();
  bool over = false;
  boost::asio::co_spawn(loop, source.await_change(start + patience), [&](const std::exception_ptr&) { over = true; });
  while (!over && agent.server.requests() == before && steady_clock::now() < start + patience)
    loop.run_one_for(milliseconds(10));
  change();
  loop.run();
  EXPECT_TRUE(over);
  return std::chrono::duration_cast<milliseconds>(steady_clock::now() - start);
}

TEST(ConsulSource_ask, question_says_what_is_configured) {
  std::string head;
  ApiServer server([&](const ApiServer::Request& request, const ApiServer::Send& send) {
    head = request.head;
    send(api_ok("[]"));
  });
  ConsulSource source({.endpoint = "http://joe:se%2Fcret@" + server.at(),
                       .service = "my web",
                       .tags = {"v1", "a&b"},
                       .passing_only = true,
                       .datacenter = "dc2",
                       .acl_token = "t0ken"});
  EXPECT_EQ(ask(source).problem, "");
  EXPECT_THAT(head, HasSubstr("GET /v1/health/service/my%20web?passing&tag=v1&tag=a%26b&dc=dc2 HTTP/1.1\r\n"));
  EXPECT_THAT(head, HasSubstr("X-Consul-Token: t0ken\r\n"));
  EXPECT_THAT(head, HasSubstr("Authorization: Basic am9lOnNlL2NyZXQ=\r\n"));
}

TEST(ConsulSource_ask, refusals_say_why_and_hold_no_secret) {
  ApiServer server([](const ApiServer::Request&, const ApiServer::Send& send) {
    send("HTTP/1.1 403 Forbidden\r\nContent-Length: 13\r\n\r\nACL not found");
  });
  ConsulSource source({.endpoint = "http://joe:secret@" + server.at(), .service = "web", .acl_token = "t0ken"});
  EXPECT_EQ(ask(source).problem,
            "http://" + server.at() + "/v1/health/service/web: it answers with status 403: ACL not found");
}

TEST(ConsulSource_ask, broken_answers_are_failures) {
  const std::pair<const char*, const char*> cases[] = {
      {"HTTP/1.1 500 Internal\r\nContent-Length: 17\r\n\r\nNo cluster leader", "status 500: No cluster leader"},
      {"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n[{", "its answer ends in the middle"},
      {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[{", "it is no JSON"},
      {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", "its JSON is object, not a list"},
      {"", "it hangs up without an answer"}};
  for (const auto& [says, problem] : cases) {
    ApiServer server([says = says](const ApiServer::Request&, const ApiServer::Send& send) { send(says); });
    ConsulSource source({.endpoint = "http://" + server.at(), .service = "web"});
    EXPECT_THAT(ask(source).problem, HasSubstr(problem));
  }
}

TEST(ConsulSource_ask, by_tls_with_a_client_certificate) {
  const TempDir dir;
  const TestCertificate own(dir.path(""), "server");
  const TestCertificate client(dir.path(""), "client");
  ApiServer server([](const ApiServer::Request&,
                      const ApiServer::Send& send) { send(api_ok("[" + instance("10.0.0.1", 80) + "]")); },
                   ApiServer::Tls{own, client.certificate});
  config::ConsulDiscovery config{.endpoint = "https://" + server.at(), .service = "web"};
  config.tls = {.ca_path = own.certificate, .cert_path = client.certificate, .key_path = client.key};
  ConsulSource source(config);
  EXPECT_THAT(endpoints(ask(source)), ElementsAre("10.0.0.1:80"));
}

TEST(ConsulSource_await_change, change_is_seen_at_once_and_asked_for_once) {
  Agent agent;
  ConsulSource source(agent.config());
  EXPECT_THAT(endpoints(ask(source)), ElementsAre("10.0.0.1:80"));
  EXPECT_LT(await_change(
                source, agent, [&] { agent.set(11, "[" + instance("10.0.0.2", 81) + "]"); }, milliseconds(8000)),
            milliseconds(4000));
  EXPECT_THAT(endpoints(ask(source)), ElementsAre("10.0.0.2:81"));
  const std::vector<std::string> targets = agent.targets();
  ASSERT_EQ(targets.size(), 2u) << "the blocking query's answer is the next one";
  EXPECT_THAT(targets[1], HasSubstr("/v1/health/service/web?index=10&wait="));
}

TEST(ConsulSource_await_change, nothing_new_lasts_until_the_deadline) {
  Agent agent;
  ConsulSource source(agent.config());
  ask(source);
  EXPECT_GE(await_change(
                source, agent, [] {}, milliseconds(300)),
            milliseconds(290));
}

TEST(ConsulSource_await_change, index_that_goes_back_begins_anew) {
  Agent agent;
  ConsulSource source(agent.config());
  ask(source);
  await_change(
      source, agent, [&] { agent.set(3, "[" + instance("10.0.0.3", 83) + "]"); }, milliseconds(8000));
  EXPECT_THAT(endpoints(ask(source)), ElementsAre("10.0.0.3:83"));
  EXPECT_THAT(agent.targets().back(), Not(HasSubstr("index="))) << "asked without an index";
  EXPECT_LT(await_change(
                source, agent, [&] { agent.set(4, "[]"); }, milliseconds(8000)),
            milliseconds(4000));
  EXPECT_THAT(agent.targets().back(), HasSubstr("index=3&"));
}

TEST(ConsulSource_await_change, agent_that_does_not_block_is_not_asked_all_the_time) {
  ApiServer server(
      [](const ApiServer::Request&, const ApiServer::Send& send) { send(api_ok("[]", "X-Consul-Index: 7\r\n")); });
  ConsulSource source({.endpoint = "http://" + server.at(), .service = "web"});
  boost::asio::io_context loop;
  ask_on(loop, source);
  loop.restart();
  boost::asio::co_spawn(loop, source.await_change(steady_clock::now() + milliseconds(500)),
                        [](const std::exception_ptr&) {});
  loop.run();
  EXPECT_EQ(server.requests(), 2u);
}

TEST(ConsulSource_await_change, failed_wait_ends_after_a_pause_so_that_ask_says_why) {
  Agent agent;
  ConsulSource source(agent.config());
  ask(source);
  const milliseconds lasted = await_change(
      source, agent,
      [&] { agent.server.change([&] { agent.broken = "HTTP/1.1 500 E\r\nContent-Length: 0\r\n\r\n"; }); },
      milliseconds(8000));
  EXPECT_GE(lasted, milliseconds(900));
  EXPECT_LT(lasted, milliseconds(5000));
}

TEST(DiscoveryMonitor_consul, service_follows_the_agent) {
  Agent agent;
  boost::asio::io_context loop;
  config::Config config = sample_config();
  config.services[0].discovery = {.source = agent.config(), .interval_ms = 60'000, .timeout_ms = 2000};
  DiscoveryMonitor monitor(loop.get_executor(), make_source, [] {});
  monitor.reconcile(config);
  const auto found = [&] { return monitor.find("web")->found; };
  EXPECT_TRUE(turn_until(loop, nullptr, [&] { return found() == 1 && agent.server.requests() == 2; }));
  agent.set(11, "[" + instance("10.0.0.1", 80) + "," + instance("10.0.0.2", 80) + "]");
  EXPECT_TRUE(turn_until(loop, nullptr, [&] { return found() == 2; }));
  monitor.stop();
  loop.restart();
  loop.poll();
}

}  // namespace
}  // namespace millrace::control
