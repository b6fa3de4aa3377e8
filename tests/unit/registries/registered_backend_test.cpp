// registered_backend_test.cpp: what servers write about themselves.
#include "controlplane/discovery/registered_backend.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace millrace::control {
namespace {

using testing::HasSubstr;

config::BackendConfig backend_of(std::string_view data, std::string_view name = "n") {
  const Registered registered = parse_registered(name, data);
  EXPECT_TRUE(registered && registered->value) << data << (registered ? registered->problem : "");
  return registered && registered->value ? *registered->value : config::BackendConfig{};
}

std::string problem_of(std::string_view data, std::string_view name = "n") {
  const Registered registered = parse_registered(name, data);
  return registered ? registered->problem : "";
}

TEST(parse_registered, line_of_a_static_list) {
  const config::BackendConfig backend = backend_of(" [fd72::1]:80 weight=7 \n");
  EXPECT_EQ(format_endpoint(backend.endpoint), "[fd72::1]:80");
  EXPECT_EQ(backend.weight, 7);
}

TEST(parse_registered, name_where_there_is_no_data) {
  EXPECT_EQ(format_endpoint(backend_of("", "10.0.0.1:80").endpoint), "10.0.0.1:80");
  EXPECT_NE(problem_of("", "member_0001"), "");
  EXPECT_NE(problem_of("", ""), "");
}

TEST(parse_registered, objects) {
  for (
      const char* data :
      {R"({"host": "10.0.0.1", "port": 80, "weight": 7})", R"({"address": "10.0.0.1", "port": "80", "weight": "7"})",
       R"({"serviceEndpoint": {"host": "10.0.0.1", "port": 80}, "additionalEndpoints": {}, "status": "ALIVE", "weight": 7})",
       R"({"name": "web", "id": "x", "address": "10.0.0.1", "port": 80, "sslPort": null, "enabled": true, "weight": 7})"}) {
    EXPECT_EQ(format_endpoint(backend_of(data).endpoint), "10.0.0.1:80") << data;
    EXPECT_EQ(backend_of(data).weight, 7) << data;
  }
}

TEST(parse_registered, one_that_does_not_serve_is_no_mistake) {
  EXPECT_FALSE(parse_registered("n", R"({"serviceEndpoint": {"host": "10.0.0.1", "port": 80}, "status": "STOPPING"})"));
  EXPECT_FALSE(parse_registered("n", R"({"address": "10.0.0.1", "port": 80, "enabled": false})"));
}

TEST(parse_registered, mistakes) {
  EXPECT_THAT(problem_of("{"), HasSubstr("no JSON"));
  EXPECT_THAT(problem_of("{}"), HasSubstr("no host"));
  EXPECT_THAT(problem_of(R"({"host": "10.0.0.1"})"), HasSubstr("no port"));
  EXPECT_THAT(problem_of(R"({"host": "10.0.0.1", "port": 80, "weight": 999})"), HasSubstr("weight=999"));
  EXPECT_THAT(problem_of(std::string(kRegisteredBytesMax + 1, '1')), HasSubstr("has 16385 bytes"));
  EXPECT_NE(problem_of("127.0.0.1:80"), "");
  EXPECT_NE(problem_of("10.0.0.1:80\n10.0.0.2:80"), "");
}

}  // namespace
}  // namespace millrace::control
