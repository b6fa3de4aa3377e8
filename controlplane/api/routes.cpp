#include "controlplane/api/routes.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <charconv>
#include <chrono>
#include <set>

#include "controlplane/api/gobetween_routes.h"
#include "controlplane/api/server_routes.h"
#include "controlplane/api/target.h"
#include "controlplane/api/views.h"

namespace millrace::control {
namespace {

namespace asio = boost::asio;

// A list in an error stays readable.
constexpr size_t kNamesInErrorMax = 20;
// So long a request may keep one of the API's connections.
constexpr uint32_t kIntervalMaxS = 60;

std::string join_names(const std::vector<std::string>& names) {
  std::string text;
  for (size_t i = 0; i < std::min(names.size(), kNamesInErrorMax); ++i) text += (i == 0 ? "" : ", ") + names[i];
  if (names.size() > kNamesInErrorMax) text += fmt::format(" and {} more", names.size() - kNamesInErrorMax);
  return text.empty() ? "none" : text;
}

ApiReply unknown_service(const Daemon& daemon, const std::string& name) {
  std::vector<std::string> names;
  for (const DesiredService& service : daemon.desired().services) names.push_back(service.name);
  return error_reply(404, fmt::format("there is no service '{}'", name), "known services: " + join_names(names));
}

ApiReply unknown_backend(const DesiredService& service, const std::string& endpoint) {
  std::vector<std::string> names;
  for (const DesiredBackend& backend : service.backends) names.push_back(format_endpoint(backend.endpoint));
  return error_reply(404, fmt::format("service '{}' has no backend '{}'", service.name, endpoint),
                     "its backends: " + join_names(names));
}

std::optional<uint32_t> parse_number(const std::string& text, uint32_t least, uint32_t most) {
  uint32_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size() || number < least || number > most) return std::nullopt;
  return number;
}

// The first parameter that the path does not have, as an answer.
std::optional<ApiReply> refuse_parameters(const Target& target, const std::vector<std::string>& known) {
  for (const auto& [name, value] : target.query) {
    if (std::ranges::find(known, name) != known.end()) continue;
    return error_reply(400, fmt::format("unknown parameter '{}'", name),
                       "parameters of this path: " + join_names(known));
  }
  return std::nullopt;
}

struct ConnQuery {
  ConnFilter filter;
  uint32_t limit = kConnectionListDefault;
  bool count_only = false;
};

// Fills `query`, or says what is wrong.
std::optional<ApiReply> read_conn_query(const Daemon& daemon, const Target& target, ConnQuery& query) {
  if (auto refused = refuse_parameters(target, {"service", "backend", "client", "limit", "count"})) return refused;
  const auto value = [&](const char* name) -> const std::string* {
    const auto found = target.query.find(name);
    return found == target.query.end() ? nullptr : &found->second;
  };
  if (const std::string* service = value("service")) {
    // One that has gone from the file may still have connections, but then it is no typing error to ask for it:
    // the slab knows it by name. An unknown name is refused only when nothing at all bears it.
    query.filter.service = *service;
    const Json backends = backends_view(daemon, *service);
    if (find_service(daemon.desired(), *service) == nullptr && backends["backends"].empty())
      return unknown_service(daemon, *service);
  }
  if (const std::string* backend = value("backend")) {
    query.filter.backend = parse_endpoint(*backend);
    if (!query.filter.backend)
      return error_reply(400, fmt::format("'{}' is no backend", *backend), "write 10.0.0.1:80 or [fd00::1]:80");
  }
  if (const std::string* client = value("client")) {
    const std::optional<Endpoint> with_port = parse_endpoint(*client);
    query.filter.client = with_port ? with_port->addr : parse_ip(*client);
    if (with_port) query.filter.client_port = with_port->port.host();
    if (!query.filter.client)
      return error_reply(400, fmt::format("'{}' is no client", *client),
                         "write an address, 192.0.2.1, or one with its port, 192.0.2.1:40000");
  }
  if (const std::string* limit = value("limit")) {
    const std::optional<uint32_t> number = parse_number(*limit, 1, kConnectionListMax);
    if (!number)
      return error_reply(400, fmt::format("limit '{}' is not possible", *limit),
                         fmt::format("write a number from 1 to {}", kConnectionListMax));
    query.limit = *number;
  }
  if (const std::string* count = value("count")) {
    if (*count != "1" && *count != "0") return error_reply(400, "count is neither 0 nor 1", "write count=1");
    query.count_only = *count == "1";
  }
  return std::nullopt;
}

asio::awaitable<ApiReply> get_connections(const Daemon& daemon, const Target& target) {
  ConnQuery query;
  if (std::optional<ApiReply> refused = read_conn_query(daemon, target, query)) co_return std::move(*refused);
  const std::shared_ptr<const Segment> segment = daemon.link().segment();
  ConnScan scan;
  if (segment)
    scan = co_await scan_connections(segment, query.filter, query.count_only ? 0 : query.limit, query.count_only);
  ApiReply reply{200, connections_view(scan, query.count_only), {}};
  reply.body["connected"] = segment != nullptr;
  co_return reply;
}

// With an interval: of the time from now on, so long; the connection waits for it.
asio::awaitable<ApiReply> get_stages(const Daemon& daemon, const Target& target) {
  if (std::optional<ApiReply> refused = refuse_parameters(target, {"worker", "interval_s"}))
    co_return std::move(*refused);
  std::optional<uint32_t> worker, interval_s;
  for (const auto& [name, text] : target.query) {
    const bool is_worker = name == "worker";
    const std::optional<uint32_t> number =
        parse_number(text, is_worker ? 0 : 1, is_worker ? kWorkerMax : kIntervalMaxS);
    if (!number)
      co_return error_reply(400, fmt::format("{} '{}' is not possible", name, text),
                            is_worker ? "write a worker's number, as millctl status shows them"
                                      : fmt::format("write seconds, from 1 to {}", kIntervalMaxS));
    (is_worker ? worker : interval_s) = number;
  }
  const std::shared_ptr<const Segment> segment = daemon.link().segment();
  if (!segment) co_return ApiReply{200, {{"connected", false}}, {}};
  if (worker && *worker >= segment->worker_count())
    co_return error_reply(404, fmt::format("there is no worker {}", *worker),
                          fmt::format("workers: 0 to {}", segment->worker_count() - 1));
  if (!interval_s) co_return ApiReply{200, stages_view(read_stages(*segment), segment->tsc_hz(), worker), {}};

  const std::vector<StagesLive> before = read_stages(*segment);
  asio::steady_timer interval(co_await asio::this_coro::executor, std::chrono::seconds(*interval_s));
  co_await interval.async_wait(asio::use_awaitable);
  if (daemon.link().segment() != segment)
    co_return error_reply(409, "the dataplane went away during the interval", "ask again when it is back");
  ApiReply reply{200, stages_view(stages_between(before, read_stages(*segment)), segment->tsc_hz(), worker), {}};
  reply.body["interval_s"] = *interval_s;
  co_return reply;
}

ApiReply get_backends(const Daemon& daemon, const Target& target) {
  if (std::optional<ApiReply> refused = refuse_parameters(target, {"service"})) return std::move(*refused);
  const auto asked = target.query.find("service");
  if (asked == target.query.end()) return {200, backends_view(daemon, ""), {}};
  Json view = backends_view(daemon, asked->second);
  if (find_service(daemon.desired(), asked->second) == nullptr && view["backends"].empty())
    return unknown_service(daemon, asked->second);
  return {200, std::move(view), {}};
}

// {"admin": "drain", "weight": 3}, one of both or both. Fills `change`, or says what is wrong.
std::optional<ApiReply> read_change(const std::string& body, Override& change) {
  const char* const remedy = R"(send {"admin": "enabled" | "drain" | "disabled"} or {"weight": 0..256})";
  const Json said = Json::parse(body, nullptr, false);
  if (said.is_discarded() || !said.is_object() || said.empty())
    return error_reply(400, "the body is no JSON object with a change", remedy);
  for (const auto& [key, value] : said.items()) {
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

ApiReply post_backend(Daemon& daemon, const Target& target, const std::string& body) {
  const std::string& name = target.path[2];
  const std::string& endpoint_text = target.path[4];
  const DesiredService* service = find_service(daemon.desired(), name);
  if (service == nullptr) return unknown_service(daemon, name);
  const std::optional<Endpoint> endpoint = parse_endpoint(endpoint_text);
  if (!endpoint || find_backend(*service, *endpoint) == nullptr) return unknown_backend(*service, endpoint_text);
  Override change;
  if (std::optional<ApiReply> refused = read_change(body, change)) return std::move(*refused);
  const BackendKey key(name, *endpoint);
  daemon.override_backend(key, change);
  ApiReply reply{200, backend_view(daemon, key), {}};
  reply.body["dataplane"] = daemon.link().status().connected ? "sent" : "waiting";
  return reply;
}

asio::awaitable<ApiReply> post_reload(Daemon& daemon) {
  const std::optional<ReloadReport> report = co_await daemon.reload();
  if (!report) co_return error_reply(409, "a reload is already under way", "ask again when it is done");
  if (report->accepted) co_return ApiReply{200, reload_view(*report), {}};
  ApiReply reply = error_reply(409, fmt::format("{} was not reloaded; the old configuration stays", daemon.file()),
                               "mend what the errors name and reload again");
  reply.body["errors"] = report->errors;
  co_return reply;
}

enum class Path {
  unknown,
  status,
  services,
  backends,
  connections,
  counters,
  stages,
  snat,
  steering,
  version,
  reload,
  backend
};

Path which_path(const Target& target) {
  const std::vector<std::string>& path = target.path;
  if (path.size() < 2 || path[0] != "v1") return Path::unknown;
  if (path.size() == 5 && path[1] == "services" && path[3] == "backends") return Path::backend;
  if (path.size() != 2) return Path::unknown;
  constexpr std::pair<const char*, Path> kPaths[] = {{"status", Path::status},     {"services", Path::services},
                                                     {"backends", Path::backends}, {"connections", Path::connections},
                                                     {"counters", Path::counters}, {"stages", Path::stages},
                                                     {"snat", Path::snat},         {"steering", Path::steering},
                                                     {"version", Path::version},   {"reload", Path::reload}};
  for (const auto& [name, which] : kPaths)
    if (path[1] == name) return which;
  return Path::unknown;
}

}  // namespace

asio::awaitable<ApiReply> route_request(Daemon& daemon, ApiRequest request) {
  const std::optional<Target> target = parse_target(request.target);
  if (!target) co_return error_reply(400, "the request target is malformed", "percent-encode it");
  if (std::optional<ApiReply> reply = co_await route_servers(daemon, *target, request)) co_return std::move(*reply);
  if (std::optional<ApiReply> reply = route_gobetween(daemon, *target, request)) co_return std::move(*reply);
  const Path path = which_path(*target);
  if (path == Path::unknown)
    co_return error_reply(404, "there is nothing at this path",
                          "paths: /v1/status, services, backends, connections, counters, stages, snat, steering, "
                          "version, reload, changes");
  const char* method = path == Path::reload || path == Path::backend ? "POST" : "GET";
  if (request.method != method) co_return method_reply(request.method, method);
  if (path == Path::connections) co_return co_await get_connections(daemon, *target);
  if (path == Path::stages) co_return co_await get_stages(daemon, *target);
  if (path == Path::backends) co_return get_backends(daemon, *target);
  if (std::optional<ApiReply> refused = refuse_parameters(*target, {})) co_return std::move(*refused);
  if (path == Path::reload) co_return co_await post_reload(daemon);
  if (path == Path::backend) co_return post_backend(daemon, *target, request.body);
  if (path == Path::status) co_return ApiReply{200, status_view(daemon), {}};
  if (path == Path::services) co_return ApiReply{200, services_view(daemon), {}};
  if (path == Path::counters) co_return ApiReply{200, counters_view(daemon), {}};
  if (path == Path::snat) co_return ApiReply{200, snat_view(daemon), {}};
  if (path == Path::steering) co_return ApiReply{200, steering_view(daemon), {}};
  co_return ApiReply{200, version_view(), {}};
}

}  // namespace millrace::control
