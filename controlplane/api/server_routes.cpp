#include "controlplane/api/server_routes.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <boost/asio/use_awaitable.hpp>

#include "controlplane/api/server_body.h"
#include "controlplane/api/views.h"
#include "controlplane/config/document.h"

namespace millrace::control {
namespace {

namespace asio = boost::asio;

// GCC 12 destroys some temporaries of a full expression with co_await twice: what is handed over has a name here.

ApiReply refused(const std::string& what, const ReloadReport& report) {
  const bool by_dataplane = report.outcome == Outcome::rejected;
  ApiReply reply = error_reply(by_dataplane ? 409 : 400, fmt::format("{}: not possible; nothing was changed", what),
                               "mend what the errors name");
  reply.body["errors"] = report.errors;
  return reply;
}

asio::awaitable<ApiReply> put(Daemon& daemon, const std::string& name, Wanted wanted) {
  if (!wanted.server)
    co_return error_reply(400, "the body is no server: " + wanted.problem,
                          "send the keys of [servers.NAME] as one JSON object");
  const config::Document& document = *daemon.config().document;
  const bool is_new = !document.has_server(name);
  config::Changes changes = document.changes;
  changes.servers[name] = std::move(wanted.server);
  std::string what = fmt::format("server {} {}", name, is_new ? "added" : "replaced");
  ApiReply reply = co_await apply_changes(daemon, std::move(changes), std::move(what));
  if (is_new && reply.status == 200) reply.status = 201;
  co_return reply;
}

asio::awaitable<ApiReply> remove(Daemon& daemon, const std::string& name) {
  const config::Document& document = *daemon.config().document;
  if (!document.has_server(name)) co_return unknown_server(name);
  config::Changes changes = document.changes;
  if (document.in_file.contains(name))
    changes.servers[name] = std::nullopt;
  else
    changes.servers.erase(name);
  std::string what = fmt::format("server {} removed: its connections drain", name);
  co_return co_await apply_changes(daemon, std::move(changes), std::move(what));
}

asio::awaitable<ApiReply> patch(Daemon& daemon, const std::string& name, const std::string& body) {
  const config::Document& document = *daemon.config().document;
  if (!document.has_server(name)) co_return unknown_server(name);
  Wanted patched = patch_server(*document.root["servers"][name].as_table(), body);
  co_return co_await put(daemon, name, std::move(patched));
}

// As gobetween answers: null.
ApiReply as_gobetween(ApiReply reply) {
  if (reply.status >= 300) return reply;
  return {200, nullptr, {}};
}

}  // namespace

ApiReply unknown_server(const std::string& name) {
  return error_reply(404, fmt::format("there is no server '{}'", name), "GET /servers lists them");
}

asio::awaitable<ApiReply> apply_changes(Daemon& daemon, config::Changes changes, std::string what) {
  const ReloadReport report = co_await daemon.change_over_file(std::move(changes));
  if (!report.accepted) co_return refused(what, report);
  spdlog::info("{} (by REST)", what);
  ApiReply reply;
  reply.body = reload_view(report);
  co_return reply;
}

asio::awaitable<ApiReply> post_server(Daemon& daemon, const Call& call) {
  const std::string& name = call.part("name");
  const Turns::Turn turn = co_await daemon.turns().take();
  if (daemon.config().document->has_server(name))
    co_return error_reply(409, fmt::format("there is a server '{}' already", name),
                          fmt::format("DELETE it first, or PUT /v1/services/{}", name));
  Wanted wanted = read_server(call.request.body);
  ApiReply reply = co_await put(daemon, name, std::move(wanted));
  co_return as_gobetween(std::move(reply));
}

asio::awaitable<ApiReply> delete_server(Daemon& daemon, const Call& call) {
  const Turns::Turn turn = co_await daemon.turns().take();
  ApiReply reply = co_await remove(daemon, call.part("name"));
  co_return as_gobetween(std::move(reply));
}

ApiReply get_services(Daemon& daemon, const Call&) { return {200, services_view(daemon), {}}; }

ApiReply get_service(Daemon& daemon, const Call& call) {
  const std::string& name = call.part("service");
  Json view = service_view(daemon, name);
  if (view.is_null()) return unknown_server(name);
  const config::Document& document = *daemon.config().document;
  view["origin"] = document.changes.servers.contains(name) ? "rest" : "file";
  view["config"] = config::to_json(config::without_secrets(*document.root["servers"][name].as_table()));
  return {200, std::move(view), {}};
}

asio::awaitable<ApiReply> put_service(Daemon& daemon, const Call& call) {
  const Turns::Turn turn = co_await daemon.turns().take();
  Wanted wanted = read_server(call.request.body);
  co_return co_await put(daemon, call.part("service"), std::move(wanted));
}

asio::awaitable<ApiReply> patch_service(Daemon& daemon, const Call& call) {
  const Turns::Turn turn = co_await daemon.turns().take();
  co_return co_await patch(daemon, call.part("service"), call.request.body);
}

asio::awaitable<ApiReply> delete_service(Daemon& daemon, const Call& call) {
  const Turns::Turn turn = co_await daemon.turns().take();
  co_return co_await remove(daemon, call.part("service"));
}

ApiReply get_changes(Daemon& daemon, const Call&) {
  Json changed = Json::array();
  Json removed = Json::array();
  for (const auto& [name, server] : daemon.config().document->changes.servers)
    (server ? changed : removed).push_back(name);
  Json tuned = config::to_json(daemon.config().document->changes.tuned);
  return {200,
          {{"file", daemon.config().api.changes_file},
           {"changed", std::move(changed)},
           {"removed", std::move(removed)},
           {"tuned", std::move(tuned)}},
          {}};
}

asio::awaitable<ApiReply> delete_changes(Daemon& daemon, const Call&) {
  const Turns::Turn turn = co_await daemon.turns().take();
  config::Changes none;
  std::string what = "servers and settings are those of the file again";
  co_return co_await apply_changes(daemon, std::move(none), std::move(what));
}

}  // namespace millrace::control
