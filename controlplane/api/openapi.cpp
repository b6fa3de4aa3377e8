#include "controlplane/api/openapi.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "controlplane/api/routes.h"

namespace millrace::control {
namespace {

Json reference(const std::string& name) { return {{"$ref", "#/components/schemas/" + name}}; }

Json of_word(std::string word) {
  const bool nullable = word.ends_with('?');
  if (nullable) word.pop_back();
  Json schema = Json::object();
  if (std::isupper(static_cast<unsigned char>(word.front())) != 0)
    schema = reference(word);
  else if (word.find('|') != std::string::npos) {
    schema = {{"type", "string"}, {"enum", Json::array()}};
    for (size_t start = 0; start < word.size();) {
      const size_t end = std::min(word.find('|', start), word.size());
      schema["enum"].push_back(word.substr(start, end - start));
      start = end + 1;
    }
  } else if (word != "any") {
    schema["type"] = word;
  }
  if (!nullable) return schema;
  // Beside a reference nothing else counts.
  if (schema.contains("$ref")) return {{"nullable", true}, {"allOf", {schema}}};
  schema["nullable"] = true;
  return schema;
}

Json of_object(const Json& fields) {
  Json schema = {{"type", "object"}};
  if (fields.contains("*")) {
    schema["additionalProperties"] = to_schema(fields["*"]);
    return schema;
  }
  Json properties = Json::object();
  Json required = Json::array();
  for (const auto& [field, shape] : fields.items()) {
    const bool optional = field.ends_with('?');
    const std::string name = optional ? field.substr(0, field.size() - 1) : field;
    properties[name] = to_schema(shape);
    if (!optional) required.push_back(name);
  }
  schema["properties"] = std::move(properties);
  if (!required.empty()) schema["required"] = std::move(required);
  schema["additionalProperties"] = false;
  return schema;
}

Json path_parameters(std::string_view pattern) {
  Json parameters = Json::array();
  for (size_t open = 0; (open = pattern.find('{', open)) != std::string_view::npos; ++open) {
    const size_t close = pattern.find('}', open);
    parameters.push_back({{"name", pattern.substr(open + 1, close - open - 1)},
                          {"in", "path"},
                          {"required", true},
                          {"schema", {{"type", "string"}}}});
  }
  return parameters;
}

Json answers(const OperationShape* shape) {
  Json content = Json::object();
  if (shape != nullptr && !shape->type.empty()) content[std::string(shape->type)] = {{"schema", {{"type", "string"}}}};
  if (shape == nullptr || !shape->answer.empty())
    content["application/json"] = {
        {"schema", shape == nullptr ? Json::object() : to_schema(std::string(shape->answer))}};
  const std::string status = std::to_string(shape == nullptr ? 200 : shape->status);
  Json answered = {{status, {{"description", "Done."}, {"content", content}}}};
  if (status == "201") answered["200"] = answered["201"];
  answered["default"] = {{"description", "Refused: why, and what would be right."},
                         {"content", {{"application/json", {{"schema", reference("Error")}}}}}};
  return answered;
}

Json describe(const Path& path, const Operation& operation) {
  const OperationShape* shape = find_shape(operation.method, path.pattern);
  Json described = {{"summary", operation.summary}};
  Json parameters = path_parameters(path.pattern);
  for (const Parameter& parameter : operation.parameters)
    parameters.push_back({{"name", parameter.name},
                          {"in", "query"},
                          {"description", parameter.meaning},
                          {"schema", {{"type", "string"}}}});
  if (!parameters.empty()) described["parameters"] = std::move(parameters);
  if (shape != nullptr && !shape->body.empty()) {
    Json content = {{"schema", to_schema(std::string(shape->body))}};
    if (shape->example != nullptr) content["example"] = Json::parse(shape->example);
    described["requestBody"] = {{"required", true}, {"content", {{"application/json", std::move(content)}}}};
  }
  described["responses"] = answers(shape);
  described["security"] = Json::array({Json::object(), {{"basic", Json::array()}}, {{"token", Json::array()}}});
  described["x-role"] = operation.writes() ? "write" : "read";
  return described;
}

}  // namespace

Json to_schema(const Json& shape) {
  if (shape.is_string()) return of_word(shape.get<std::string>());
  if (shape.is_array()) return {{"type", "array"}, {"items", to_schema(shape.front())}};
  return of_object(shape);
}

Json openapi_document(const RouteTable& routes) {
  Json paths = Json::object();
  for (const Path& path : routes.paths()) {
    Json& described = paths[std::string(path.pattern)];
    for (const Operation& operation : path.operations) {
      std::string method(operation.method);
      std::ranges::transform(method, method.begin(), [](unsigned char c) { return std::tolower(c); });
      described[method] = describe(path, operation);
    }
  }
  Json schemas = Json::object();
  const Json shapes = api_shapes();
  for (const auto& [name, shape] : shapes.items()) schemas[name] = to_schema(shape);
  return {
      {"openapi", "3.0.3"},
      {"info",
       {{"title", "Millrace"},
        {"version", MR_VERSION},
        {"description", "The control plane of Millrace; gobetween's paths beside those under /v1."}}},
      {"paths", std::move(paths)},
      {"components",
       {{"schemas", std::move(schemas)},
        {"securitySchemes",
         {{"basic", {{"type", "http"}, {"scheme", "basic"}}}, {"token", {{"type", "http"}, {"scheme", "bearer"}}}}}}}};
}

ApiReply get_openapi(Daemon&, const Call&) { return {200, openapi_document(api_routes()), {}}; }

}  // namespace millrace::control
