#include "controlplane/api/backend_routes.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/use_awaitable.hpp>

#include "controlplane/api/server_routes.h"
#include "controlplane/api/static_list.h"
#include "controlplane/api/unknown_name.h"
#include "controlplane/api/views.h"
#include "controlplane/config/document.h"
#include "controlplane/discovery/json_answer.h"

namespace millrace::control {
namespace {

namespace asio = boost::asio;

// {"admin": "drain", "weight": 3}, one of both or both. Fills `change`, or says what is wrong.
std::optional<ApiReply> read_change(const std::string& body, Override& change) {
  const char* const remedy = R"(send {"admin": "enabled" | "drain" | "disabled"} or {"weight": 0..256})";
  std::string problem;
  const std::optional<nlohmann::json> said = parse_json_answer(body, problem);
  if (!said || !said->is_object() || said->empty())
    return error_reply(400, "the body is no JSON object with a change", remedy);
  for (const auto& [key, value] : said->items()) {
    if (key == "admin") {
      for (const Admin admin : {Admin::enabled, Admin::drain, Admin::disabled})
        if (value == admin_name(admin)) change.admin = admin;
      if (!change.admin) return error_reply(400, fmt::format("admin {} is unknown", value.dump()), remedy);
    } else if (key == "weight") {
      if (!value.is_number_unsigned() || value.get<uint64_t>() > kWeightMax)
        return error_reply(400, fmt::format("weight {} is not possible", value.dump()), remedy);
      change.weight = value.get<uint16_t>();
    } else {
      return error_reply(400, fmt::format("unknown key {}", Json(key).dump()), remedy);
    }
  }
  return std::nullopt;
}

ApiReply to_reply(const Refusal& refusal) { return error_reply(refusal.status, refusal.error, refusal.remedy); }

// The server as it is written, when its backends are; otherwise what to do instead.
std::optional<ApiReply> find_static(const Daemon& daemon, const std::string& name, toml::table& server) {
  const config::Document& document = *daemon.config().document;
  if (!document.has_server(name)) return unknown_service(daemon, name);
  const auto& services = daemon.config().services;
  const auto service = std::ranges::find(services, name, &config::ServiceConfig::name);
  if (service != services.end() && !service->discovery.is_static())
    return error_reply(
        409,
        fmt::format("service '{}' gets its backends by discovery {}", name, discovery_kind_name(service->discovery)),
        R"(change what the source lists; POST {"admin": "drain"} keeps new connections away)");
  server = *document.root["servers"][name].as_table();
  return std::nullopt;
}

// The server of a call and the backend in its path, which need not be in its list.
std::optional<ApiReply> find_listed(const Daemon& daemon, const Call& call, toml::table& server, Endpoint& endpoint) {
  if (std::optional<ApiReply> refused = find_static(daemon, call.part("service"), server)) return refused;
  const std::string& text = call.part("endpoint");
  const std::optional<Endpoint> said = parse_endpoint(text);
  if (!said) return error_reply(400, fmt::format("'{}' is no backend", text), "write 10.0.0.1:80 or [fd00::1]:80");
  endpoint = *said;
  return std::nullopt;
}

asio::awaitable<ApiReply> keep(Daemon& daemon, const std::string& name, toml::table server, std::string what) {
  config::Changes changes = daemon.config().document->changes;
  changes.servers[name] = std::move(server);
  co_return co_await apply_changes(daemon, std::move(changes), std::move(what));
}

}  // namespace

ApiReply get_backends(Daemon& daemon, const Call& call) {
  const std::string* asked = call.parameter("service");
  if (asked == nullptr) return {200, backends_view(daemon, ""), {}};
  Json view = backends_view(daemon, *asked);
  if (find_service(daemon.desired(), *asked) == nullptr && view["backends"].empty())
    return unknown_service(daemon, *asked);
  return {200, std::move(view), {}};
}

ApiReply post_backend(Daemon& daemon, const Call& call) {
  const std::string& name = call.part("service");
  const std::string& endpoint_text = call.part("endpoint");
  const DesiredService* service = find_service(daemon.desired(), name);
  if (service == nullptr) return unknown_service(daemon, name);
  const std::optional<Endpoint> endpoint = parse_endpoint(endpoint_text);
  if (!endpoint || find_backend(*service, *endpoint) == nullptr) return unknown_backend(*service, endpoint_text);
  Override change;
  if (std::optional<ApiReply> refused = read_change(call.request.body, change)) return std::move(*refused);
  const BackendKey key(name, *endpoint);
  daemon.override_backend(key, change);
  ApiReply reply{200, backend_view(daemon, key), {}};
  reply.body["dataplane"] = daemon.link().status().connected ? "sent" : "waiting";
  return reply;
}

asio::awaitable<ApiReply> post_new_backend(Daemon& daemon, const Call& call) {
  const Turns::Turn turn = co_await daemon.turns().take();
  const std::string& name = call.part("service");
  toml::table server;
  if (std::optional<ApiReply> refused = find_static(daemon, name, server)) co_return std::move(*refused);
  BackendWish wish;
  if (const Refusal refusal = read_backend_wish(call.request.body, true, wish); refusal.status != 0)
    co_return to_reply(refusal);
  if (const Refusal refusal = add_backend(server, wish); refusal.status != 0) co_return to_reply(refusal);
  std::string what = fmt::format("backend {}/{} added", name, wish.endpoint);
  ApiReply reply = co_await keep(daemon, name, std::move(server), std::move(what));
  if (reply.status == 200) reply.status = 201;
  co_return reply;
}

asio::awaitable<ApiReply> patch_backend(Daemon& daemon, const Call& call) {
  const Turns::Turn turn = co_await daemon.turns().take();
  const std::string& name = call.part("service");
  toml::table server;
  Endpoint endpoint;
  if (std::optional<ApiReply> refused = find_listed(daemon, call, server, endpoint)) co_return std::move(*refused);
  BackendWish wish;
  if (const Refusal refusal = read_backend_wish(call.request.body, false, wish); refusal.status != 0)
    co_return to_reply(refusal);
  if (const Refusal refusal = change_backend(server, endpoint, wish); refusal.status != 0) co_return to_reply(refusal);
  const BackendKey key(name, endpoint);
  std::string what = fmt::format("backend {} changed", format_key(key));
  ApiReply reply = co_await keep(daemon, name, std::move(server), std::move(what));
  // What was said for the time being gives way to what is kept.
  if (reply.status == 200 && wish.options.contains("weight")) daemon.forget_weight(key);
  co_return reply;
}

asio::awaitable<ApiReply> delete_backend(Daemon& daemon, const Call& call) {
  const Turns::Turn turn = co_await daemon.turns().take();
  const std::string& name = call.part("service");
  toml::table server;
  Endpoint endpoint;
  if (std::optional<ApiReply> refused = find_listed(daemon, call, server, endpoint)) co_return std::move(*refused);
  if (const Refusal refusal = remove_backend(server, endpoint); refusal.status != 0) co_return to_reply(refusal);
  std::string what = fmt::format("backend {}/{} removed: its connections drain", name, format_endpoint(endpoint));
  co_return co_await keep(daemon, name, std::move(server), std::move(what));
}

}  // namespace millrace::control
