// changes_test.cpp: servers that come, change and go by REST: gobetween's way and ours, what is refused, and what is left of
// it after a reload and a restart.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sys/stat.h>

#include <algorithm>
#include <fstream>
#include <future>

#include "tests/unit/control/api_client.h"

namespace millrace::control {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using Json = nlohmann::json;

constexpr char kMail[] = R"({"bind": "203.0.113.10:25", "protocol": "tcp", "balance": "leastconn", "max_connections": 0,
  "healthcheck": {"kind": "none", "interval": "0", "timeout": "0"}, "tls": null,
  "discovery": {"kind": "static", "static_list": ["10.0.0.9:25 weight=3"]}})";

struct Changes : Api {
  std::string kept() const {
    std::ifstream file(running.file + ".changes");
    return {std::istreambuf_iterator<char>(file), {}};
  }
  std::vector<std::string> servers() {
    std::vector<std::string> names;
    const Json all = get("/servers").body;
    for (const auto& [name, server] : all.items()) names.push_back(name);
    return names;
  }
  // As a millraced that starts now reads it.
  std::vector<std::string> after_restart() const {
    std::vector<std::string> names;
    const config::LoadResult loaded = config::load_changed_config(running.file);
    if (!loaded.config) return {config::format_error(loaded.errors.front())};
    for (const config::ServiceConfig& service : loaded.config->services) names.push_back(service.name);
    std::ranges::sort(names);
    return names;
  }
};

TEST_F(Changes, gobetweens_post_and_delete) {
  Reply reply = post("/servers/mail", kMail);
  EXPECT_EQ(reply.status, 200);
  EXPECT_TRUE(reply.body.is_null()) << reply.body;
  EXPECT_THAT(servers(), ElementsAre("dns", "mail", "web"));
  EXPECT_EQ(get("/servers/mail").body["balance"], "leastconn");
  EXPECT_EQ(get("/v1/backends?service=mail").body["backends"][0]["weight"], 3);
  EXPECT_THAT(after_restart(), ElementsAre("dns", "mail", "web"));

  reply = post("/servers/mail", kMail);
  EXPECT_EQ(reply.status, 409);
  EXPECT_THAT(reply.body["remedy"], HasSubstr("PUT /v1/services/mail"));

  reply = ask("DELETE", "/servers/mail");
  EXPECT_EQ(reply.status, 200);
  EXPECT_TRUE(reply.body.is_null());
  EXPECT_THAT(servers(), ElementsAre("dns", "web"));
  EXPECT_EQ(ask("DELETE", "/servers/mail").status, 404);
  EXPECT_THAT(after_restart(), ElementsAre("dns", "web"));
}

TEST_F(Changes, what_get_shows_can_be_posted) {
  const Json web = get("/servers/web").body;
  ASSERT_EQ(ask("DELETE", "/servers/web").status, 200);
  const Reply reply = post("/servers/web", web.dump());
  EXPECT_EQ(reply.status, 200) << reply.body;
  EXPECT_EQ(get("/servers/web").body, web);
}

TEST_F(Changes, a_server_of_the_file_stays_removed) {
  EXPECT_EQ(ask("DELETE", "/servers/dns").status, 200);
  EXPECT_THAT(servers(), ElementsAre("web"));
  EXPECT_EQ(post("/v1/reload", "").status, 200);
  EXPECT_THAT(servers(), ElementsAre("web"));
  EXPECT_THAT(after_restart(), ElementsAre("web"));
  EXPECT_THAT(kept(), HasSubstr("removed = [ 'dns' ]"));
  Reply changes = get("/v1/changes");
  EXPECT_EQ(changes.body["removed"], Json({"dns"}));
  EXPECT_THAT(changes.body["changed"], IsEmpty());
  EXPECT_EQ(changes.body["file"], running.file + ".changes");

  EXPECT_EQ(ask("DELETE", "/v1/changes").status, 200);
  EXPECT_THAT(servers(), ElementsAre("dns", "web"));
  EXPECT_THAT(after_restart(), ElementsAre("dns", "web"));
}

TEST_F(Changes, put_creates_and_replaces) {
  Reply reply = ask("PUT", "/v1/services/mail", kMail);
  EXPECT_EQ(reply.status, 201) << reply.body;
  EXPECT_EQ(reply.body["dataplane"], "waiting");
  Json mail = Json::parse(kMail);
  mail["discovery"]["static_list"] = {"10.0.0.9:25", "10.0.0.10:25"};
  EXPECT_EQ(ask("PUT", "/v1/services/mail", mail.dump()).status, 200);
  reply = get("/v1/services/mail");
  EXPECT_EQ(reply.body["backends"]["total"], 2);
  EXPECT_EQ(reply.body["origin"], "rest");
  EXPECT_EQ(reply.body["config"]["discovery"]["static_list"].size(), 2u);
  EXPECT_EQ(get("/v1/services/web").body["origin"], "file");
  EXPECT_EQ(get("/v1/services/nobody").status, 404);
}

// RFC 7396.
TEST_F(Changes, patch_merges) {
  EXPECT_EQ(ask("PATCH", "/v1/services/web", R"({"balance": "leastconn", "max_connections": 7})").status, 200);
  Reply reply = get("/v1/services/web");
  EXPECT_EQ(reply.body["balance"], "leastconn");
  EXPECT_EQ(reply.body["max_connections"], 7);
  EXPECT_EQ(reply.body["backends"]["total"], 2) << "what the patch does not name stays";
  EXPECT_EQ(ask("PATCH", "/v1/services/web", R"({"max_connections": null})").status, 200);
  EXPECT_FALSE(get("/v1/services/web").body.contains("max_connections"));
  EXPECT_EQ(ask("PATCH", "/v1/services/nobody", "{}").status, 404);
  EXPECT_EQ(ask("PATCH", "/v1/services/web", "[1]").status, 400);
}

TEST_F(Changes, reach_the_dataplane) {
  running.start_dataplane();
  uint64_t before = 0;
  running.with([&] { before = running.fake->commits; });
  const Reply reply = ask("PUT", "/v1/services/mail", kMail);
  EXPECT_EQ(reply.body["dataplane"], "applied") << reply.body;
  running.with([&] { EXPECT_EQ(running.fake->commits, before + 1); });
}

TEST_F(Changes, impossible_ones_change_nothing) {
  const std::pair<std::string, std::string> kBad[] = {
      {"{", "the body is no server"},
      {"[]", "the body is no server"},
      {R"({"bind": "203.0.113.10:25"})", "discovery"},
      {R"({"bind": "203.0.113.10:80", "discovery": {"kind": "static", "static_list": ["10.0.0.9:25"]}})",
       "servers.web"},
      {R"({"bind": "203.0.113.10:25", "discovery": {"kind": "static", "static_list": ["127.0.0.1:25"]}})", "loopback"},
      {R"({"bind": "203.0.113.10:25", "blance": "weight", "discovery": {"kind": "static", "static_list": ["10.0.0.9:25"]}})",
       "did you mean balance?"},
      {std::string(200, '[') + std::string(200, ']'), "the body is no server"}};
  for (const auto& [body, said] : kBad) {
    const Reply reply = post("/servers/mail", body);
    EXPECT_EQ(reply.status, 400) << body;
    EXPECT_THAT(reply.body.dump(), HasSubstr(said)) << body;
  }
  EXPECT_THAT(servers(), ElementsAre("dns", "web"));
  EXPECT_EQ(kept(), "");
  EXPECT_EQ(post("/servers/no%20name", kMail).status, 400);
  EXPECT_EQ(ask("PUT", "/v1/services/" + std::string(200, 'n'), kMail).status, 400);
}

TEST_F(Changes, that_cannot_be_kept_hold_and_say_so) {
  ASSERT_EQ(mkdir((running.file + ".changes.new").c_str(), 0700), 0);
  const Reply reply = ask("PUT", "/v1/services/mail", kMail);
  EXPECT_EQ(reply.status, 201);
  EXPECT_THAT(reply.body["notices"].dump(), HasSubstr("[api] changes_file"));
  EXPECT_THAT(servers(), ElementsAre("dns", "mail", "web"));
}

TEST_F(Changes, a_damaged_file_of_changes_is_named) {
  for (const char* text : {"removed = [", "removed = [1]", "[servers]\nweb = 1", "more = 1", "removed = 'web'"}) {
    write_file(running.file + ".changes", text);
    const Reply reply = post("/v1/reload", "");
    EXPECT_EQ(reply.status, 409) << text;
    EXPECT_THAT(reply.body["errors"].dump(), HasSubstr(running.file + ".changes")) << text;
    EXPECT_THAT(reply.body["errors"].dump(), HasSubstr("remove the file")) << text;
  }
}

TEST_F(Changes, a_reload_says_that_the_file_is_not_all) {
  ASSERT_EQ(ask("PATCH", "/v1/services/web", R"({"balance": "leastconn"})").status, 200);
  const Reply reply = post("/v1/reload", "");
  EXPECT_EQ(reply.status, 200);
  EXPECT_THAT(reply.body["notices"].dump(), HasSubstr("web"));
  EXPECT_THAT(reply.body["notices"].dump(), HasSubstr("/v1/changes"));
}

// Each sees what the one before it left.
TEST_F(Changes, take_turns) {
  std::vector<std::future<Reply>> all;
  for (int i = 0; i < 20; ++i) {
    Json mail = Json::parse(kMail);
    mail["bind"] = "203.0.113.10:" + std::to_string(2000 + i);
    all.push_back(std::async(std::launch::async,
                             [this, i, mail] { return post("/servers/mail" + std::to_string(i), mail.dump()); }));
  }
  for (std::future<Reply>& one : all) EXPECT_EQ(one.get().status, 200);
  EXPECT_EQ(servers().size(), 22u);
  EXPECT_EQ(after_restart().size(), 22u);
}

}  // namespace
}  // namespace millrace::control
