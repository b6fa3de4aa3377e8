// routes_test.cpp: the table of paths: each stands once, and what fits none of them is answered from it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "controlplane/api/routes.h"
#include "tests/unit/control/api_client.h"

namespace millrace::control {
namespace {

using testing::HasSubstr;

TEST(Routes, each_path_and_method_stands_once) {
  std::set<std::string> seen;
  for (const Path& path : api_routes().paths()) {
    EXPECT_TRUE(seen.emplace(path.pattern).second) << path.pattern;
    std::set<std::string_view> methods;
    EXPECT_FALSE(path.operations.empty()) << path.pattern;
    for (const Operation& operation : path.operations) {
      EXPECT_TRUE(methods.insert(operation.method).second) << path.pattern;
      EXPECT_TRUE(operation.summary.ends_with('.')) << path.pattern << ": " << operation.summary;
    }
  }
}

TEST(Routes, know_who_writes) {
  const auto writes = [](const char* method, const char* target) {
    return api_routes().writes({method, target, "", "", ""});
  };
  EXPECT_FALSE(writes("GET", "/v1/services/web"));
  EXPECT_TRUE(writes("PUT", "/v1/services/web"));
  EXPECT_TRUE(writes("DELETE", "/nowhere"));
  EXPECT_FALSE(writes("GET", "/nowhere"));
  EXPECT_TRUE(writes("POST", "%"));
}

struct RoutesApi : Api {};

TEST_F(RoutesApi, an_unknown_path_names_the_known_ones) {
  for (const char* target : {"/v1", "/v1/", "/v2/status", "/v1/services//", "/servers//stats", "/v1/status/more"}) {
    const Reply reply = get(target);
    EXPECT_EQ(reply.status, 404) << target;
    EXPECT_THAT(reply.body["remedy"].dump(), HasSubstr("/v1/services/{service}")) << target;
  }
  EXPECT_EQ(get("/v1/services/").status, 200) << "a slash at the end changes nothing";
}

TEST_F(RoutesApi, a_wrong_method_names_the_right_ones) {
  const Reply reply = post("/v1/services/web", "{}");
  EXPECT_EQ(reply.status, 405);
  EXPECT_THAT(reply.head, HasSubstr("Allow: GET, PUT, PATCH, DELETE"));
}

TEST_F(RoutesApi, an_unknown_parameter_names_the_known_ones) {
  Reply reply = get("/v1/connections?servce=web");
  EXPECT_EQ(reply.status, 400);
  EXPECT_THAT(reply.body["remedy"].dump(), HasSubstr("service, backend, client, limit, count"));
  reply = ask("DELETE", "/v1/changes?force=1");
  EXPECT_EQ(reply.status, 400);
  EXPECT_THAT(reply.body["remedy"].dump(), HasSubstr("no parameters"));
  EXPECT_EQ(get("/servers?pretty=1").status, 200) << "gobetween ignores them";
}

}  // namespace
}  // namespace millrace::control
