// backends_test.cpp: backends that are added to a static_list, changed and removed by REST, one by one.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "controlplane/api/static_list.h"
#include "tests/unit/control/api_client.h"
#include "tests/unit/control/sample_config.h"

namespace millrace::control {
namespace {

using testing::HasSubstr;
using Json = nlohmann::json;

TEST(StaticList, a_wish_is_read_or_refused_by_name) {
  BackendWish wish;
  EXPECT_EQ(read_backend_wish(R"({"backend": "10.0.0.1:80", "weight": 5, "sni": null})", true, wish).status, 0u);
  EXPECT_EQ(wish.endpoint, "10.0.0.1:80");
  EXPECT_EQ(wish.options.at("weight"), "5");
  EXPECT_EQ(wish.options.at("sni"), std::nullopt);
  const std::pair<const char*, const char*> kBad[] = {{"", "no JSON"},
                                                      {"[1]", "no JSON object"},
                                                      {R"({"wieght": 1})", "wieght"},
                                                      {R"({"weight": [1]})", "weight"},
                                                      {R"({"weight": 1.5})", "weight"},
                                                      {R"({"sni": "a b"})", "sni"},
                                                      {R"({"weight": 1})", "names no backend"}};
  for (const auto& [body, said] : kBad) {
    BackendWish none;
    EXPECT_THAT(read_backend_wish(body, true, none).error, HasSubstr(said)) << body;
  }
  BackendWish none;
  EXPECT_THAT(read_backend_wish("{}", false, none).error, HasSubstr("changes nothing"));
  EXPECT_EQ(read_backend_wish(R"({"backend": "10.0.0.1:80"})", false, none).status, 400u) << "its name stays";
  EXPECT_EQ(read_backend_wish(std::string(5000, '['), true, none).status, 400u);
}

struct Backends : Api {
  Json row(const std::string& endpoint) {
    const Json all = get("/v1/backends?service=web").body;
    for (const Json& backend : all["backends"])
      if (backend["backend"] == endpoint) return backend;
    return nullptr;
  }
};

TEST_F(Backends, are_added_and_kept) {
  Reply reply = post("/v1/services/web/backends", R"({"backend": "10.0.0.7:80", "weight": 4, "priority": 1})");
  EXPECT_EQ(reply.status, 201) << reply.body;
  EXPECT_EQ(row("10.0.0.7:80")["weight"], 4);
  EXPECT_EQ(row("10.0.0.7:80")["priority"], 1);
  EXPECT_EQ(row("10.0.0.1:80")["weight"], 5) << "the others stay as they are written";
  EXPECT_EQ(get("/v1/services/web").body["origin"], "rest");

  reply = post("/v1/services/web/backends", R"({"backend": "10.0.0.7:80"})");
  EXPECT_EQ(reply.status, 409);
  EXPECT_THAT(reply.body["remedy"].dump(), HasSubstr("PATCH"));
  EXPECT_EQ(post("/v1/services/nobody/backends", R"({"backend": "10.0.0.7:80"})").status, 404);
  EXPECT_THAT(post("/v1/services/web/backends", R"({"backend": "127.0.0.1:80"})").body.dump(), HasSubstr("loopback"));
  const config::LoadResult loaded = config::load_changed_config(running.file);
  ASSERT_TRUE(loaded.config);
  for (const config::ServiceConfig& service : loaded.config->services)
    EXPECT_EQ(service.backends.size(), service.name == "web" ? 3u : 1u) << service.name;
}

TEST_F(Backends, are_changed) {
  EXPECT_EQ(ask("PATCH", "/v1/services/web/backends/10.0.0.1:80", R"({"max_connections": 9})").status, 200);
  EXPECT_EQ(row("10.0.0.1:80")["max_connections"], 9);
  EXPECT_EQ(row("10.0.0.1:80")["weight"], 5) << "what the patch does not name stays";
  EXPECT_EQ(ask("PATCH", "/v1/services/web/backends/10.0.0.1:80", R"({"max_connections": null})").status, 200);
  EXPECT_FALSE(row("10.0.0.1:80").contains("max_connections"));

  EXPECT_EQ(post("/v1/services/web/backends/10.0.0.1:80", R"({"weight": 0})").status, 200);
  EXPECT_EQ(row("10.0.0.1:80")["weight"], 0);
  EXPECT_EQ(ask("PATCH", "/v1/services/web/backends/10.0.0.1:80", R"({"weight": 8})").status, 200);
  EXPECT_EQ(row("10.0.0.1:80")["weight"], 8) << "over what was said for the time being";

  const Reply reply = ask("PATCH", "/v1/services/web/backends/10.0.0.1:80", R"({"weight": 999})");
  EXPECT_EQ(reply.status, 400);
  EXPECT_THAT(reply.body["error"].dump(), HasSubstr("weight=999"));
  EXPECT_EQ(ask("PATCH", "/v1/services/web/backends/10.0.0.77:80", R"({"weight": 1})").status, 404);
  EXPECT_EQ(ask("PATCH", "/v1/services/web/backends/ten", R"({"weight": 1})").status, 400);
}

TEST_F(Backends, are_removed_but_for_the_last) {
  running.start_dataplane();
  EXPECT_EQ(ask("DELETE", "/v1/services/web/backends/10.0.0.1:80").body["dataplane"], "applied");
  EXPECT_TRUE(row("10.0.0.1:80").is_null());
  const Reply reply = ask("DELETE", "/v1/services/web/backends/10.0.0.2:80");
  EXPECT_EQ(reply.status, 409);
  EXPECT_THAT(reply.body["remedy"].dump(), HasSubstr("drain"));
  EXPECT_EQ(ask("DELETE", "/v1/services/web/backends/10.0.0.1:80").status, 404);
}

TEST_F(Backends, of_a_source_are_the_sources) {
  write_file(running.dir.path("list"), "10.0.0.8:81\n");
  write_file(running.file, sample_toml(running.dir,
                                       "[servers.found]\nbind = \"203.0.113.10:81\"\n"
                                       "[servers.found.discovery]\nkind = \"file\"\nfile_path = \"" +
                                           running.dir.path("list") + "\"\n"));
  ASSERT_EQ(post("/v1/reload", "").status, 200);
  const Reply reply = post("/v1/services/found/backends", R"({"backend": "10.0.0.9:81"})");
  EXPECT_EQ(reply.status, 409);
  EXPECT_THAT(reply.body["error"].dump(), HasSubstr("discovery file"));
  EXPECT_THAT(reply.body["remedy"].dump(), HasSubstr("what the source lists"));
  EXPECT_EQ(ask("DELETE", "/v1/services/found/backends/10.0.0.8:81").status, 409);
}

TEST_F(Backends, a_deep_body_is_refused) {
  const std::string deep = R"({"admin": )" + std::string(400'000, '[');
  EXPECT_EQ(post("/v1/services/web/backends/10.0.0.1:80", deep).status, 400);
  EXPECT_EQ(post("/v1/services/web/backends", deep).status, 400);
  EXPECT_EQ(ask("PATCH", "/v1/services/web", deep + std::string(400'000, ']') + "}").status, 400);
}

}  // namespace
}  // namespace millrace::control
