#include "controlplane/discovery/registered_backend.h"

#include <fmt/format.h>

#include <string>

#include "controlplane/config/backend_line.h"
#include "controlplane/config/error_text.h"
#include "controlplane/discovery/backend_text.h"
#include "controlplane/discovery/json_answer.h"

namespace millrace::control {
namespace {

using Json = nlohmann::json;
using Entry = config::Parsed<config::BackendConfig>;

constexpr std::string_view kBlank = " \t\r\n";

std::string_view trim(std::string_view text) {
  const size_t first = text.find_first_not_of(kBlank);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlank) - first + 1);
}

std::string text_of(const Json& object, const char* key) {
  const auto value = object.find(key);
  return value == object.end() ? "" : scalar_text(*value);
}

// Finagle's "status" and Curator's "enabled".
bool serves(const Json& object) {
  const auto status = object.find("status");
  if (status != object.end() && status->is_string() && *status != "ALIVE") return false;
  const auto enabled = object.find("enabled");
  return enabled == object.end() || *enabled != Json(false);
}

Entry parse_object(const Json& object) {
  const auto nested = object.find("serviceEndpoint");
  const Json& endpoint = nested != object.end() && nested->is_object() ? *nested : object;
  const std::string host = text_of(endpoint, "host");
  return parse_parts({.host = host.empty() ? text_of(endpoint, "address") : host,
                      .port = text_of(endpoint, "port"),
                      .weight = text_of(object, "weight"),
                      .priority = text_of(object, "priority"),
                      .max_connections = text_of(object, "max_connections"),
                      .sni = text_of(object, "sni")});
}

Registered parse_json(std::string_view text) {
  std::string problem;
  const std::optional<Json> object = parse_json_answer(text, problem);
  if (!object) return Entry(problem, "write one JSON object");
  if (!serves(*object)) return std::nullopt;
  return parse_object(*object);
}

}  // namespace

Registered parse_registered(std::string_view name, std::string_view data) {
  if (data.size() > kRegisteredBytesMax)
    return Entry(fmt::format("has {} bytes", data.size()), "write a line, or a small JSON object");
  const std::string_view text = trim(data);
  if (text.starts_with('{')) return parse_json(text);
  return config::parse_backend(text.empty() ? name : text, ProxyProtocol::none);
}

}  // namespace millrace::control
