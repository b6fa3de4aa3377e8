// config_place_test.cpp: configurations that are not files: what is asked of a web server, Consul and etcd, and what becomes of
// their answers.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <fstream>

#include "controlplane/config/config.h"
#include "controlplane/place/config_place.h"
#include "tests/unit/control/api_server.h"
#include "tests/unit/control/fake_dataplane.h"

namespace millrace::control {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr char kText[] = "[servers.web]\nbind = \"203.0.113.10:80\"\n";

std::string answer(const std::string& status, const std::string& body) {
  return "HTTP/1.1 " + status + "\r\nContent-Length: " + std::to_string(body.size()) + "\r\nConnection: close\r\n\r\n" +
         body;
}

config::TextFile read(const ConfigPlace& place) {
  boost::asio::io_context loop(1);
  config::TextFile text;
  boost::asio::co_spawn(loop, place.read(), [&](const std::exception_ptr& failed, config::TextFile got) {
    EXPECT_FALSE(failed);
    text = std::move(got);
  });
  loop.run();
  return text;
}

// Answers always the same and keeps what it was asked.
struct Registry {
  ApiServer::Request asked;
  std::string reply;
  ApiServer server{[this](const ApiServer::Request& request, const ApiServer::Send& send) {
    asked = request;
    send(reply);
  }};
  explicit Registry(std::string with) : reply(std::move(with)) {}
};

ConfigPlace url_place(const std::string& url) { return ConfigPlace::of_url(*config::parse_url(url).value, {}); }

TEST(ConfigPlace, a_file_is_its_path) {
  const TempDir dir;
  const ConfigPlace place(dir.path("millrace.toml"));
  EXPECT_TRUE(place.is_file());
  EXPECT_THAT(read(place).problem, HasSubstr("No such file"));
  std::ofstream(place.name()) << kText;
  EXPECT_EQ(read(place).text, kText);
}

TEST(ConfigPlace, a_url_gives_its_text_and_hides_its_password) {
  Registry registry(answer("200 OK", kText));
  const ConfigPlace place = url_place("http://me:secret@" + registry.server.at() + "/lb.toml");
  EXPECT_EQ(read(place).text, kText);
  EXPECT_EQ(registry.asked.target(), "/lb.toml");
  EXPECT_THAT(registry.asked.head, HasSubstr("Authorization: Basic "));
  EXPECT_EQ(place.name(), "http://" + registry.server.at() + "/lb.toml");
  EXPECT_FALSE(place.is_file());
  registry.reply = answer("500 Broken", "secret");
  EXPECT_FALSE(read(place).text.has_value());
  EXPECT_THAT(read(place).problem, HasSubstr("500"));
}

TEST(ConfigPlace, a_server_that_is_not_there_is_named) {
  const config::TextFile text = read(url_place("http://127.0.0.1:1/lb.toml"));
  EXPECT_FALSE(text.text.has_value());
  EXPECT_THAT(text.problem, HasSubstr("127.0.0.1:1"));
}

TEST(ConfigPlace, consul_is_asked_for_the_raw_value_with_its_token) {
  Registry registry(answer("200 OK", kText));
  setenv("CONSUL_HTTP_TOKEN", "a-token", 1);
  const auto place = ConfigPlace::of_consul(registry.server.at(), "balancers/front one", false, {});
  unsetenv("CONSUL_HTTP_TOKEN");
  ASSERT_TRUE(place.value);
  EXPECT_EQ(read(*place.value).text, kText);
  EXPECT_EQ(registry.asked.target(), "/v1/kv/balancers/front%20one?raw");
  EXPECT_THAT(registry.asked.head, HasSubstr("X-Consul-Token: a-token"));
  EXPECT_EQ(place.value->name(), "consul://" + registry.server.at() + "/balancers/front one");
  registry.reply = answer("404 Not Found", "");
  EXPECT_THAT(read(*place.value).problem, HasSubstr("no such key"));
}

TEST(ConfigPlace, etcd_is_asked_by_its_gateway) {
  Registry registry(answer(
      "200 OK", R"({"header": {"revision": "7"}, "kvs": [{"key": "L2xi", "value": "aGVsbG8="}], "count": "1"})"));
  const auto place = ConfigPlace::of_etcd({"127.0.0.1:1", registry.server.at()}, "/lb", false, {});
  ASSERT_TRUE(place.value);
  EXPECT_EQ(read(*place.value).text, "hello") << "by the second, the first is not there";
  EXPECT_EQ(registry.asked.method(), "POST");
  EXPECT_EQ(registry.asked.target(), "/v3/kv/range");
  EXPECT_EQ(registry.asked.body, R"({"key":"L2xi"})");
}

TEST(ConfigPlace, etcd_gets_a_login) {
  std::vector<std::string> asked;
  std::string login_reply = answer("200 OK", R"({"header": {"revision": "7"}, "token": "abc.7"})");
  ApiServer server([&](const ApiServer::Request& request, const ApiServer::Send& send) {
    const bool is_login = request.target() == "/v3/auth/authenticate";
    asked.push_back(is_login ? request.body : request.head);
    send(is_login
             ? login_reply
             : answer("200 OK", R"({"header": {"revision": "7"}, "kvs": [{"key": "L2xi", "value": "aGVsbG8="}]})"));
  });
  setenv("ETCDCTL_USER", "me:se:cret", 1);
  const auto place = ConfigPlace::of_etcd({server.at()}, "/lb", false, {});
  setenv("ETCDCTL_USER", "me", 1);
  const auto without = ConfigPlace::of_etcd({server.at()}, "/lb", false, {});
  unsetenv("ETCDCTL_USER");
  EXPECT_FALSE(without.value);
  EXPECT_THAT(without.problem, HasSubstr("ETCDCTL_USER"));
  ASSERT_TRUE(place.value);
  EXPECT_EQ(read(*place.value).text, "hello");
  EXPECT_EQ(read(*place.value).text, "hello") << "a reload logs in anew";
  ASSERT_EQ(asked.size(), 4u);
  EXPECT_EQ(asked[0], R"({"name":"me","password":"se:cret"})");
  EXPECT_THAT(asked[1], HasSubstr("Authorization: abc.7\r\n"));
  login_reply = answer("400 Bad Request", R"({"error": "etcdserver: authentication failed"})");
  const config::TextFile refused = read(*place.value);
  EXPECT_FALSE(refused.text);
  EXPECT_THAT(refused.problem, HasSubstr("it refuses ETCDCTL_USER"));
  EXPECT_THAT(refused.problem, Not(HasSubstr("cret")));
}

TEST(ConfigPlace, answers_that_are_no_etcds_are_refused) {
  Registry registry("");
  const auto place = ConfigPlace::of_etcd({registry.server.at()}, "/lb", false, {});
  ASSERT_TRUE(place.value);
  const std::string head = R"({"header": {"revision": "7"}, "kvs": )";
  for (const std::string& body : {std::string(), std::string("[]"), std::string("{"), std::string("{}"), head + "{}}",
                                  head + "[]}", head + "[7]}", head + R"([{"key": "L2xi", "value": {}}]})",
                                  head + R"([{"key": "L2xi", "value": "no base64!"}]})"}) {
    registry.reply = answer("200 OK", body);
    const config::TextFile text = read(*place.value);
    EXPECT_FALSE(text.text.has_value()) << body;
    EXPECT_FALSE(text.problem.empty()) << body;
  }
  registry.reply = answer("200 OK", head + R"([{"key": "L2xi"}]})");
  EXPECT_EQ(read(*place.value).text, "") << "an empty value is left out";
}

TEST(ConfigPlace, hosts_that_are_none_are_refused) {
  EXPECT_FALSE(ConfigPlace::of_consul("no host", "key", false, {}).value);
  EXPECT_FALSE(ConfigPlace::of_etcd({"10.0.0.1:2379", "host:port"}, "key", false, {}).value);
}

TEST(ConfigPlace, the_keys_of_api_say_where_its_history_is) {
  const std::string head =
      "[dataplane]\nworkers = \"0\"\n[[dataplane.port]]\nname = \"front\"\ndevice = \"null\"\n[api]\n";
  const config::LoadResult good =
      config::parse_config(head + "history_dir = \"/var/lib/lb/history\"\nwatch_file = true\n", "lb.toml");
  ASSERT_TRUE(good.config.has_value());
  EXPECT_EQ(good.config->api.history_dir, "/var/lib/lb/history");
  EXPECT_TRUE(good.config->api.watch_file);
  EXPECT_EQ(config::parse_config(head, "lb.toml").config->api.history_dir, "lb.toml.history");
  EXPECT_FALSE(config::parse_config(head + "history_dir = \"history\"\n", "lb.toml").config.has_value());
}

// Nobody may write beside what is not a file.
TEST(ConfigPlace, what_belongs_to_a_configuration_from_elsewhere_has_a_place) {
  const config::LoadResult loaded = config::parse_config(
      "[dataplane]\nworkers = \"0\"\n[[dataplane.port]]\nname = \"front\"\ndevice = \"null\"\n", "consul://c:8500/a/b");
  ASSERT_TRUE(loaded.config.has_value());
  EXPECT_EQ(loaded.config->api.changes_file, "/var/lib/millrace/consul-c-8500-a-b.changes");
  EXPECT_EQ(loaded.config->api.history_dir, "/var/lib/millrace/consul-c-8500-a-b.history");
}

}  // namespace
}  // namespace millrace::control
