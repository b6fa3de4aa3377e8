// openapi_test.cpp: the document that the API serves about itself, walked against a running daemon: each operation is asked
// for, and each answer has the shape that the document says.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "controlplane/api/openapi.h"
#include "controlplane/api/routes.h"
#include "tests/unit/control/api_client.h"
#include "tests/unit/control/sample_config.h"

namespace millrace::control {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using Value = nlohmann::json;

// What of OpenAPI's schemas the document uses.
class Checker {
 public:
  explicit Checker(Value document) : document_(std::move(document)) {}
  // The first thing that is wrong, or nothing.
  std::string check(const Value& value, const Value& schema, const std::string& at = "$") const {
    if (schema.contains("$ref")) {
      const std::string name = schema["$ref"].get<std::string>();
      return check(value, document_.at(Value::json_pointer(name.substr(1))), at);
    }
    if (value.is_null()) return schema.empty() || schema.value("nullable", false) ? "" : at + " is null";
    if (schema.contains("allOf")) return check(value, schema["allOf"][0], at);
    const std::string type = schema.value("type", "any");
    if (!has_type(value, type)) return at + " is no " + type + ": " + value.dump();
    if (schema.contains("enum") &&
        std::find(schema["enum"].begin(), schema["enum"].end(), value) == schema["enum"].end())
      return at + " is none of " + schema["enum"].dump() + ": " + value.dump();
    if (type == "array")
      for (size_t i = 0; i < value.size(); ++i)
        if (std::string wrong = check(value[i], schema["items"], at + "[" + std::to_string(i) + "]"); !wrong.empty())
          return wrong;
    return type == "object" ? check_fields(value, schema, at) : "";
  }

 private:
  static bool has_type(const Value& value, const std::string& type) {
    return type == "any" || (type == "object" && value.is_object()) || (type == "array" && value.is_array()) ||
           (type == "string" && value.is_string()) || (type == "boolean" && value.is_boolean()) ||
           (type == "integer" && value.is_number_integer()) || (type == "number" && value.is_number());
  }
  std::string check_fields(const Value& value, const Value& schema, const std::string& at) const {
    for (const Value& name : schema.value("required", Value::array()))
      if (!value.contains(name.get<std::string>())) return at + " has no " + name.dump();
    for (const auto& [name, field] : value.items()) {
      const bool known = schema.contains("properties") && schema["properties"].contains(name);
      const Value& more = schema["additionalProperties"];
      if (!known && !more.is_object()) return at + " has an unknown " + name;
      std::string wrong = check(field, known ? schema["properties"][name] : more, at + "." + name);
      if (!wrong.empty()) return wrong;
    }
    return "";
  }

  Value document_;
};

TEST(OpenApi, every_operation_says_what_it_answers) {
  for (const Path& path : api_routes().paths())
    for (const Operation& operation : path.operations)
      EXPECT_NE(find_shape(operation.method, path.pattern), nullptr) << operation.method << " " << path.pattern;
}

TEST(OpenApi, every_reference_leads_somewhere) {
  const std::string text = openapi_document(api_routes()).dump();
  const Value schemas = Value::parse(text)["components"]["schemas"];
  const std::string prefix = "#/components/schemas/";
  size_t references = 0;
  for (size_t at = 0; (at = text.find(prefix, at)) != std::string::npos; ++references) {
    at += prefix.size();
    EXPECT_TRUE(schemas.contains(text.substr(at, text.find('"', at) - at))) << text.substr(at, 30);
  }
  EXPECT_GT(references, 30u);
}

// A checker that finds nothing would pass everything.
TEST(OpenApi, the_checker_finds_what_is_wrong) {
  const Checker checker(Value::object());
  const Value schema = Value::parse(to_schema({{"a", "integer"}, {"b?", "x|y"}, {"c?", {"string?"}}}).dump());
  EXPECT_EQ(checker.check(Value::parse(R"({"a": 1, "b": "x", "c": ["t", null]})"), schema), "");
  const std::pair<const char*, const char*> kWrong[] = {{R"({})", "no \"a\""},
                                                        {R"({"a": "1"})", "$.a is no integer"},
                                                        {R"({"a": null})", "$.a is null"},
                                                        {R"({"a": 1, "b": "z"})", "$.b is none of"},
                                                        {R"({"a": 1, "c": [1]})", "$.c[0] is no string"},
                                                        {R"({"a": 1, "d": 1})", "unknown d"}};
  for (const auto& [value, wrong] : kWrong) EXPECT_THAT(checker.check(Value::parse(value), schema), HasSubstr(wrong));
}

struct OpenApiWalk : Api {
  // Asks for one operation and checks its answer. `parts`: of the path, by name.
  void walk(const Value& document, const std::string& pattern, const std::string& method,
            const std::map<std::string, std::string>& parts, int status, const std::string& query = "",
            std::string body = "") {
    std::string target = pattern;
    for (const auto& [name, value] : parts)
      if (const size_t at = target.find("{" + name + "}"); at != std::string::npos)
        target.replace(at, name.size() + 2, value);
    const Value& operation = document["paths"][pattern][method];
    std::string verb = method;
    std::ranges::transform(verb, verb.begin(), [](unsigned char c) { return std::toupper(c); });
    if (body.empty() && operation.contains("requestBody"))
      body = operation["requestBody"]["content"]["application/json"]["example"].dump();
    const Reply reply = ask(verb, target + query, body);
    EXPECT_EQ(reply.status, status) << verb << " " << target << ": " << reply.body;
    const Value& responses = operation["responses"];
    const std::string said = std::to_string(reply.status);
    const Value& content = responses[responses.contains(said) ? said : "default"]["content"];
    asked_.insert(method + " " + pattern);
    if (reply.head.find("application/json") == std::string::npos) return;
    ASSERT_TRUE(content.contains("application/json")) << verb << " " << target;
    EXPECT_EQ(Checker(document).check(reply.body, content["application/json"]["schema"]), "")
        << verb << " " << target << ": " << reply.body;
  }
  void walk_gets(const Value& document) {
    const std::map<std::string, std::string> parts = {{"service", "web"}, {"name", "web"}, {"number", "1"}};
    for (const auto& [pattern, operations] : document["paths"].items()) {
      if (!operations.contains("get")) continue;
      const bool is_stream = pattern == "/v1/events";
      walk(document, pattern, "get", parts, 200, is_stream ? "?follow=0" : "");
    }
    walk(document, "/v1/services/{service}", "get", {{"service", "nobody"}}, 404);
    walk(document, "/v1/connections", "get", {}, 400, "?limit=x");
    walk(document, "/v1/connections", "get", {}, 200, "?count=1");
    walk(document, "/dump", "get", {}, 200, "?format=json");
  }
  void walk_changes(const Value& document) {
    const std::map<std::string, std::string> web = {{"service", "web"}, {"endpoint", "10.0.0.1:80"}};
    const std::map<std::string, std::string> mail = {{"service", "mail"}, {"name", "smtp"}};
    walk(document, "/v1/services/{service}", "put", mail, 201);
    walk(document, "/v1/services/{service}", "put", mail, 200);
    walk(document, "/v1/services/{service}", "patch", mail, 200);
    walk(document, "/v1/services/{service}", "delete", mail, 200);
    walk(document, "/v1/services/{service}", "delete", mail, 404);
    walk(document, "/servers/{name}", "post", mail, 200);
    walk(document, "/servers/{name}", "post", mail, 409);
    walk(document, "/servers/{name}", "delete", mail, 200);
    walk(document, "/v1/services/{service}/backends", "post", web, 201);
    walk(document, "/v1/services/{service}/backends/{endpoint}", "post", web, 200);
    walk(document, "/v1/services/{service}/backends/{endpoint}", "patch", web, 200);
    walk_gets(document);
    walk(document, "/v1/services/{service}/backends/{endpoint}", "delete", web, 200);
    walk(document, "/v1/settings", "patch", {}, 200);
    walk(document, "/v1/settings", "patch", {}, 400, "", R"({"timeouts": "5s"})");
    walk(document, "/v1/changes", "get", {}, 200);
    walk(document, "/v1/reload", "post", {}, 200);
    walk(document, "/v1/changes", "delete", {}, 200);
  }
  void walk_whole_changes(const Value& document) {
    const std::string other = sample_toml(running.dir, "[metrics]\nenabled = false\n");
    walk(document, "/v1/plan", "post", {}, 200, "", other);
    walk(document, "/v1/plan", "post", {}, 400, "", "[servers]\nweb = 1\n");
    walk(document, "/v1/confirm", "post", {}, 409);
    walk(document, "/v1/apply", "post", {}, 200, "?confirm_within=60s", other);
    walk(document, "/v1/history", "get", {}, 200);
    walk(document, "/v1/apply", "post", {}, 409, "", other);
    walk(document, "/v1/confirm", "post", {}, 200);
    walk(document, "/v1/rollback", "post", {}, 200);
    walk(document, "/v1/rollback", "post", {}, 404, "?to=1000");
    walk(document, "/v1/history/{number}", "get", {{"number", "1"}}, 200);
  }
  std::set<std::string> asked_;
};

TEST_F(OpenApiWalk, every_answer_has_its_shape) {
  const Value document = get("/v1/openapi.json").body;
  ASSERT_EQ(document["openapi"], "3.0.3");
  walk_gets(document);
  running.start_dataplane();
  running.with([&] {
    running.fake->set_service(5, "web");
    running.fake->set_backend(9, 5, endpoint("10.0.0.1:80"));
    running.fake->set_backend(10, 5, endpoint("10.0.0.77:80"), 2);
    running.fake->section<WorkerCounters>(SectionKind::worker_counters)[1].dropped[0].set(4);
  });
  ASSERT_TRUE(running.until([&] { return running.daemon->rates().rates().size() == 2; }));
  walk_gets(document);
  walk_changes(document);
  walk_whole_changes(document);
  for (const auto& [pattern, operations] : document["paths"].items())
    for (const auto& [method, operation] : operations.items())
      EXPECT_TRUE(asked_.contains(method + " " + pattern)) << "walk it: " << method << " " << pattern;
}

}  // namespace
}  // namespace millrace::control
