// gobetween_test.cpp: the API as scripts that were made for gobetween use it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/control/api_client.h"
#include "tests/unit/control/sample_config.h"

namespace millrace::control {
namespace {

using testing::HasSubstr;
using Json = nlohmann::json;

struct Gobetween : Api {
  std::string text(const std::string& target) {
    RawClient client(running.socket);
    client.send("GET " + target + " HTTP/1.1\r\nHost: m\r\nConnection: close\r\n\r\n");
    const std::string all = client.receive_all();
    return all.substr(all.find("\r\n\r\n") + 4);
  }
};

TEST_F(Gobetween, says_who_it_is) {
  const Reply reply = get("/");
  EXPECT_EQ(reply.status, 200);
  EXPECT_EQ(reply.body["pid"], getpid());
  EXPECT_EQ(reply.body["configuration"]["kind"], "file");
  EXPECT_EQ(reply.body["configuration"]["path"], running.file);
  for (const char* key : {"time", "startTime", "uptime", "version"}) EXPECT_TRUE(reply.body[key].is_string()) << key;
  EXPECT_EQ(text("/ping"), "OK");
}

TEST_F(Gobetween, shows_servers_with_defaults) {
  const Reply all = get("/servers");
  EXPECT_EQ(all.status, 200);
  ASSERT_TRUE(all.body.contains("web"));
  ASSERT_TRUE(all.body.contains("dns"));
  const Json web = get("/servers/web").body;
  EXPECT_EQ(web, all.body["web"]);
  EXPECT_EQ(web["protocol"], "tcp");
  EXPECT_EQ(web["discovery"]["kind"], "static");
  EXPECT_TRUE(web["tls"].is_null());
  EXPECT_TRUE(web.contains("max_connections"));
  EXPECT_EQ(get("/servers/wbe").status, 404) << "gobetween answers 200 and null";
}

TEST_F(Gobetween, dumps_what_was_read) {
  const Json dumped = Json::parse(text("/dump?format=json"));
  EXPECT_TRUE(dumped["servers"].contains("web"));
  EXPECT_THAT(text("/dump"), HasSubstr("[servers.web"));
  EXPECT_EQ(text("/dump"), text("/dump?format=toml"));
  EXPECT_EQ(get("/dump?format=yaml").status, 400);
}

TEST_F(Gobetween, dumps_no_secrets) {
  write_file(running.file, sample_toml(running.dir,
                                       "[api.basic_auth]\nlogin = \"admin\"\npassword = \"s3cret\"\n"
                                       "[[api.token]]\ntoken = \"0123456789abcdef\"\n"));
  ASSERT_EQ(post("/v1/reload", "").status, 200);
  for (const char* target : {"/dump", "/dump?format=json"}) {
    const std::string dumped = text(target);
    EXPECT_THAT(dumped, HasSubstr("***"));
    EXPECT_THAT(dumped, testing::Not(testing::AnyOf(HasSubstr("s3cret"), HasSubstr("0123456789abcdef"))));
  }
}

TEST_F(Gobetween, tells_stats) {
  running.start_dataplane();
  running.with([&] {
    running.fake->set_service(7, "web");
    running.fake->set_backend(9, 7, endpoint("10.0.0.1:80"));
    running.fake->set_backend(11, 7, endpoint("10.0.0.2:80"));
    BackendCounters& first = running.fake->backend_counters(0, 9);
    first.connections.set(100);
    first.active.set(7);
    first.forward_bytes.set(1000);
    first.reverse_bytes.set(5000);
    first.connect_failures.set(3);
    running.fake->backend_counters(1, 11).active.set(2);
  });
  const Json stats = get("/servers/web/stats").body;
  EXPECT_EQ(stats["active_connections"], 9);
  EXPECT_EQ(stats["rx_total"], 1000) << "from clients";
  EXPECT_EQ(stats["tx_total"], 5000);
  ASSERT_EQ(stats["backends"].size(), 2u);
  const Json& first = stats["backends"][0];
  EXPECT_EQ(first["host"], "10.0.0.1");
  EXPECT_EQ(first["port"], "80");
  EXPECT_EQ(first["weight"], 5);
  EXPECT_EQ(first["stats"]["live"], true);
  EXPECT_EQ(first["stats"]["total_connections"], 100);
  EXPECT_EQ(first["stats"]["active_connections"], 7);
  EXPECT_EQ(first["stats"]["refused_connections"], 3);
  EXPECT_EQ(get("/servers/nobody/stats").status, 404);
}

TEST_F(Gobetween, refuses_other_methods_and_paths) {
  EXPECT_EQ(ask("PUT", "/servers/web").status, 405);
  EXPECT_EQ(post("/ping", "").status, 405);
  EXPECT_EQ(get("/servers/web/stat").status, 404);
  EXPECT_EQ(get("/servers/web/stats/more").status, 404);
}

}  // namespace
}  // namespace millrace::control
