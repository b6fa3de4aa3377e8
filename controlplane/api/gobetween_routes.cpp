#include "controlplane/api/gobetween_routes.h"

#include <fmt/format.h>

#include "controlplane/api/views.h"
#include "controlplane/config/document.h"

namespace millrace::control {
namespace {

ApiReply known(Json body, const std::string& name) {
  if (!body.is_null()) return {200, std::move(body), {}};
  return error_reply(404, fmt::format("there is no server '{}'", name), "GET /servers lists them");
}

ApiReply get_dump(const Daemon& daemon, const Target& target) {
  const auto asked = target.query.find("format");
  const std::string format = asked == target.query.end() ? "toml" : asked->second;
  const std::shared_ptr<const config::Document> document = daemon.config().document;
  if (!document) return error_reply(404, "this configuration was not read from a text", "ask /v1/services");
  const toml::table root = config::without_secrets(document->root);
  if (format == "json") return {200, config::to_json(root), {}};
  if (format != "toml") return error_reply(400, fmt::format("format '{}' is not known", format), "write toml or json");
  ApiReply reply;
  reply.text = config::to_toml(root);
  return reply;
}

ApiReply ping() {
  ApiReply reply;
  reply.text = "OK";
  return reply;
}

}  // namespace

std::optional<ApiReply> route_gobetween(const Daemon& daemon, const Target& target, const ApiRequest& request) {
  const std::vector<std::string>& path = target.path;
  const bool is_root = path.empty() || (path.size() == 1 && path[0].empty());
  const bool is_servers = !path.empty() && path[0] == "servers" && path.size() <= 3;
  const bool is_server = is_servers && path.size() == 2;
  const bool is_stats = is_servers && path.size() == 3 && path[2] == "stats";
  const bool is_ping = path.size() == 1 && path[0] == "ping";
  const bool is_dump = path.size() == 1 && path[0] == "dump";
  if (!is_root && !is_ping && !is_dump && !(is_servers && (path.size() < 3 || is_stats))) return std::nullopt;
  if (request.method != "GET") return method_reply(request.method, is_server ? "GET, POST, DELETE" : "GET");
  if (is_root) return ApiReply{200, gobetween_info(daemon), {}};
  if (is_ping) return ping();
  if (is_dump) return get_dump(daemon, target);
  if (path.size() == 1) return ApiReply{200, gobetween_servers(daemon), {}};
  return known(is_stats ? gobetween_stats(daemon, path[1]) : gobetween_server(daemon, path[1]), path[1]);
}

}  // namespace millrace::control
