// docker_test.cpp: a Docker daemon of our own, as its API is documented: containers, inspection, events, accidents.
#include "controlplane/discovery/docker_source.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <nlohmann/json.hpp>

#include "tests/unit/control/api_server.h"
#include "tests/unit/control/asking.h"
#include "tests/unit/control/fake_dataplane.h"

namespace millrace::control {
namespace {

using nlohmann::json;
using std::chrono::milliseconds;
using std::chrono::steady_clock;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

json port(const std::string& ip, int private_port, int public_port, const std::string& type = "tcp") {
  return {{"IP", ip}, {"PrivatePort", private_port}, {"PublicPort", public_port}, {"Type", type}};
}

json container(const std::string& name, const json& ports) {
  return {{"Id", name + "-id"},
          {"Names", json::array({"/" + name})},
          {"State", "running"},
          {"Labels", json::object()},
          {"Ports", ports}};
}

// A daemon whose containers a test may set.
class Daemon {
  std::vector<std::string> targets_;  // in the order of the questions

 public:
  json containers = json::array();
  std::map<std::string, std::string> inspections;  // by container
  unsigned events = 0;                             // that have happened; each stream tells of those after it was opened
  bool events_allowed = true;
  size_t streams = 0;

  TempDir dir;
  ApiServer server{[this](const ApiServer::Request& request, const ApiServer::Send& send) { answer(request, send); },
                   dir.path("docker.sock")};

  config::DockerDiscovery config() const {
    return {.endpoint = {.unix_path = dir.path("docker.sock")}, .private_port = 80};
  }
  std::vector<std::string> targets() {
    std::vector<std::string> seen;
    server.change([&] { seen = targets_; });
    return seen;
  }

 private:
  void answer(const ApiServer::Request& request, const ApiServer::Send& send) {
    const std::string target = request.target();
    std::string text = "HTTP/1.1 404 Not Found\r\nContent-Length: 31\r\n\r\n{\"message\":\"No such container\"}\n";
    server.change([&] {
      targets_.push_back(target);
      if (target.starts_with("/containers/json")) text = api_ok(containers.dump());
      for (const auto& [id, body] : inspections)
        if (target == "/containers/" + id + "/json") text = api_ok(body);
    });
    if (target.starts_with("/events") && events_allowed) return stream_events(send);
    send(text);
  }

  void stream_events(const ApiServer::Send& send) {
    unsigned seen = 0;
    server.change([&] {
      seen = events;
      ++streams;
    });
    if (!send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")) return;
    while (server.await([&] { return events != seen; })) {
      ++seen;
      if (!send("13\r\n{\"Action\":\"start\"}\n\r\n")) return;
    }
  }
};

Answer ask_daemon(const config::DockerDiscovery& config) {
  boost::asio::io_context loop;  // the source has a stream of it
  DockerSource source(config);
  return ask_on(loop, source);
}

TEST(DockerSource_ask, published_ports_of_running_containers) {
  Daemon daemon;
  daemon.containers =
      json::array({container("a", json::array({port("192.0.2.1", 80, 8080), port("192.0.2.1", 443, 8443)})),
                   container("b", json::array({port("192.0.2.1", 80, 8081), port("192.0.2.1", 80, 8082, "udp")})),
                   container("c", json::array())});
  daemon.containers[0]["Labels"]["sni"] = "www.example.com";
  config::DockerDiscovery config = daemon.config();
  config.label = "proxied=true";
  const Answer answer = ask_daemon(config);
  EXPECT_THAT(endpoints(answer), ElementsAre("192.0.2.1:8080", "192.0.2.1:8081"));
  EXPECT_EQ(answer.backends.at(0).host, "www.example.com");
  EXPECT_THAT(answer.left_out, IsEmpty());
  EXPECT_THAT(daemon.targets().back(),
              HasSubstr("/containers/json?filters=%7B%22label%22%3A%5B%22proxied%3Dtrue%22%5D%2C%22status%22%3A%5B%22"
                        "running%22%5D%7D"));
  config.udp = true;
  EXPECT_THAT(endpoints(ask_daemon(config)), ElementsAre("192.0.2.1:8082"));
}

TEST(DockerSource_ask, hosts_that_nobody_reaches_are_left_out_with_the_remedy) {
  Daemon daemon;
  json unpublished = port("", 80, 0);
  unpublished.erase("PublicPort");
  daemon.containers = json::array({container("any", json::array({port("0.0.0.0", 80, 8080), port("::", 80, 8080)})),
                                   container("loop", json::array({port("127.0.0.1", 80, 8081)})),
                                   container("inner", json::array({unpublished})),
                                   container("good", json::array({port("192.0.2.1", 80, 8083)}))});
  const Answer answer = ask_daemon(daemon.config());
  EXPECT_THAT(endpoints(answer), ElementsAre("192.0.2.1:8083"));
  EXPECT_THAT(answer.left_out,
              ElementsAre(HasSubstr("container \"any\": its port is published on every address of this host"),
                          HasSubstr("container \"loop\": its port is at 127.0.0.1, which no network card reaches"),
                          HasSubstr("container \"inner\": its port is not published: start it with -p")));
}

TEST(DockerSource_ask, host_by_the_containers_variable) {
  Daemon daemon;
  daemon.containers = json::array({container("a", json::array({port("0.0.0.0", 80, 8080)})),
                                   container("b", json::array({port("192.0.2.9", 80, 8081)})),
                                   container("gone", json::array({port("192.0.2.9", 80, 8082)}))});
  daemon.inspections["a-id"] = R"({"Config":{"Env":["PATH=/bin","HOSTING=1.1.1.1","HOST=192.0.2.7"]}})";
  daemon.inspections["b-id"] = R"({"Config":{"Env":["PATH=/bin"]}})";
  config::DockerDiscovery config = daemon.config();
  config.host_env_var = "HOST";
  boost::asio::io_context loop;
  DockerSource source(config);
  EXPECT_THAT(endpoints(ask_on(loop, source)), ElementsAre("192.0.2.7:8080", "192.0.2.9:8081"));
  const size_t before = daemon.targets().size();
  EXPECT_THAT(endpoints(ask_on(loop, source)), ElementsAre("192.0.2.7:8080", "192.0.2.9:8081"));
  EXPECT_EQ(daemon.targets().size(), before + 2) << "a list, and the container that is not there; the others are known";
}

TEST(DockerSource_ask, address_of_a_remote_docker_host) {
  ApiServer server([](const ApiServer::Request& request, const ApiServer::Send& send) {
    const json list = json::array({container("a", json::array({port("0.0.0.0", 80, 8080), port("::", 80, 8080)}))});
    send(request.target().starts_with("/containers") ? api_ok(list.dump()) : "");
  });
  boost::asio::io_context loop;
  DockerSource source({.endpoint = {.url = "http://" + server.at()}, .private_port = 80});
  EXPECT_THAT(ask_on(loop, source).problem, HasSubstr("its port is at 127.0.0.1, which no network card reaches"))
      << "it is taken for the endpoint's, which is the loopback here";
}

TEST(DockerSource_ask, broken_answers_are_failures) {
  const std::pair<const char*, const char*> cases[] = {
      {"HTTP/1.1 500 Internal\r\nContent-Length: 19\r\n\r\n{\"message\":\"broken\"",
       "status 500: {\"message\":\"broken\""},
      {"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n[{", "its answer ends in the middle"},
      {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[{", "it is no JSON"},
      {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", "its JSON is object, not a list"},
      {"", "it hangs up without an answer"}};
  for (const auto& [says, problem] : cases) {
    ApiServer server([says = says](const ApiServer::Request&, const ApiServer::Send& send) { send(says); });
    boost::asio::io_context loop;
    DockerSource source({.endpoint = {.url = "http://" + server.at()}, .private_port = 80});
    EXPECT_THAT(ask_on(loop, source).problem, HasSubstr(problem));
  }
}

// How long await_change takes after an answer when `change` comes.
milliseconds await_change(boost::asio::io_context& loop, DockerSource& source, const std::function<void()>& change,
                          milliseconds patience) {
  loop.restart();
  bool over = false;
  const auto start = steady_clock::now();
  boost::asio::co_spawn(loop, source.await_change(start + patience), [&](const std::exception_ptr&) { over = true; });
  loop.poll();
  EXPECT_FALSE(over) << "nothing has changed yet";
  change();
  loop.run();
  EXPECT_TRUE(over);
  return std::chrono::duration_cast<milliseconds>(steady_clock::now() - start);
}

TEST(DockerSource_await_change, event_is_seen_at_once) {
  Daemon daemon;
  boost::asio::io_context loop;
  DockerSource source(daemon.config());
  for (const std::string name : {"a", "b"}) {
    ask_on(loop, source);
    const milliseconds lasted = await_change(
        loop, source,
        [&] {
          daemon.server.change([&] {
            daemon.containers.push_back(container(name, json::array({port("192.0.2.1", 80, 8080)})));
            daemon.events += 50;
          });
        },
        milliseconds(8000));
    EXPECT_LT(lasted, milliseconds(4000));
  }
  EXPECT_EQ(daemon.streams, 2u) << "one for each answer, however many events";
}

TEST(DockerSource_await_change, without_events_the_interval_alone_counts) {
  Daemon daemon;
  daemon.events_allowed = false;
  daemon.containers = json::array({container("a", json::array({port("192.0.2.1", 80, 8080)}))});
  boost::asio::io_context loop;
  DockerSource source(daemon.config());
  EXPECT_THAT(endpoints(ask_on(loop, source)), ElementsAre("192.0.2.1:8080"));
  EXPECT_GE(await_change(
                loop, source, [] {}, milliseconds(200)),
            milliseconds(190));
}

}  // namespace
}  // namespace millrace::control
