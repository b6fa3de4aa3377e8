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

}  // namespace

ApiReply get_dump(Daemon& daemon, const Call& call) {
  const std::string* asked = call.parameter("format");
  const std::string format = asked == nullptr ? "toml" : *asked;
  const std::shared_ptr<const config::Document> document = daemon.config().document;
  if (!document) return error_reply(404, "this configuration was not read from a text", "ask /v1/services");
  const toml::table root = config::without_secrets(document->root);
  if (format == "json") return {200, config::to_json(root), {}};
  if (format != "toml") return error_reply(400, fmt::format("format '{}' is not known", format), "write toml or json");
  ApiReply reply;
  reply.text = config::to_toml(root);
  return reply;
}

ApiReply get_ping(Daemon&, const Call&) {
  ApiReply reply;
  reply.text = "OK";
  return reply;
}

ApiReply get_info(Daemon& daemon, const Call&) { return {200, gobetween_info(daemon), {}}; }

ApiReply get_servers(Daemon& daemon, const Call&) { return {200, gobetween_servers(daemon), {}}; }

ApiReply get_server(Daemon& daemon, const Call& call) {
  return known(gobetween_server(daemon, call.part("name")), call.part("name"));
}

ApiReply get_server_stats(Daemon& daemon, const Call& call) {
  return known(gobetween_stats(daemon, call.part("name")), call.part("name"));
}

}  // namespace millrace::control
