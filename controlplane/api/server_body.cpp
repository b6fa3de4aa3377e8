#include "controlplane/api/server_body.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "controlplane/config/document.h"
#include "controlplane/config/json_text.h"

namespace millrace::control {

Wanted read_server(const std::string& body) {
  config::JsonText json = config::parse_json(body);
  if (json.root) return {std::move(json.root), {}};
  return {std::nullopt,
          fmt::format("{} (line {}, column {})", json.problem, json.failed_at.line, json.failed_at.column)};
}

Wanted patch_server(const toml::table& server, const std::string& body) {
  Wanted readable = read_server(body);
  if (!readable.server) return readable;
  nlohmann::ordered_json patched = config::to_json(server);
  patched.merge_patch(nlohmann::ordered_json::parse(body));
  return read_server(patched.dump());
}

}  // namespace millrace::control
