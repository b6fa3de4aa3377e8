#include "controlplane/api/routes.h"

#include <boost/asio/use_awaitable.hpp>

#include "controlplane/api/backend_routes.h"
#include "controlplane/api/config_routes.h"
#include "controlplane/api/connection_routes.h"
#include "controlplane/api/event_routes.h"
#include "controlplane/api/gobetween_routes.h"
#include "controlplane/api/openapi.h"
#include "controlplane/api/plan_routes.h"
#include "controlplane/api/server_routes.h"
#include "controlplane/api/setting_routes.h"
#include "controlplane/api/view_routes.h"

namespace millrace::control {
namespace {

constexpr Parameter kOfService = {"service", "only of this service"};

std::vector<Path> gobetween_paths() {
  return {
      {"/", {{"GET", get_info, "Who answers, since when, and where its configuration is."}}, true},
      {"/ping", {{"GET", get_ping, "Whether millraced answers."}}, true},
      {"/dump",
       {{"GET", get_dump, "The configuration in force, without secrets.", {{"format", "toml or json"}}}},
       true},
      {"/servers", {{"GET", get_servers, "Every server as written, defaults filled in."}}, true},
      {"/servers/{name}",
       {{"GET", get_server, "One server as written, defaults filled in."},
        {"POST", post_server, "Adds a server."},
        {"DELETE", delete_server, "Removes a server; its connections live on until they end."}},
       true},
      {"/servers/{name}/stats", {{"GET", get_server_stats, "Traffic of a server and of its backends."}}, true},
  };
}

std::vector<Path> own_paths() {
  return {
      {"/v1/status", {{"GET", get_status, "Both processes, the configuration's state, totals and rates."}}},
      {"/v1/services", {{"GET", get_services, "Every service with its state and counters."}}},
      {"/v1/services/{service}",
       {{"GET", get_service, "One service, with its keys as they are written."},
        {"PUT", put_service, "Creates a service or replaces it."},
        {"PATCH", patch_service, "Changes the keys that the body names (RFC 7396)."},
        {"DELETE", delete_service, "Removes a service; its connections live on until they end."}}},
      {"/v1/services/{service}/backends", {{"POST", post_new_backend, "Adds a backend to a static_list."}}},
      {"/v1/services/{service}/backends/{endpoint}",
       {{"POST", post_backend,
         "Drains, disables or enables a backend, or gives it another weight, for the time being."},
        {"PATCH", patch_backend, "Changes the options of a backend of a static_list."},
        {"DELETE", delete_backend, "Removes a backend from a static_list; its connections live on until they end."}}},
      {"/v1/backends", {{"GET", get_backends, "Every backend with its health and counters.", {kOfService}}}},
      {"/v1/connections",
       {{"GET",
         get_connections,
         "Connections of the slab, or their number.",
         {kOfService,
          {"backend", "only to this backend: 10.0.0.1:80"},
          {"client", "only from this address, or address and port"},
          {"limit", "how many to list, 100 unless given"},
          {"count", "1: only how many there are"}}}}},
      {"/v1/counters", {{"GET", get_counters, "Every counter of every worker, and drops by reason."}}},
      {"/v1/stages",
       {{"GET",
         get_stages,
         "What each stage of a worker's loop costs a packet.",
         {{"worker", "only of this worker"}, {"interval_s", "of so many seconds from now on"}}}}},
      {"/v1/snat", {{"GET", get_snat, "How full each SNAT pool is, and when it will be."}}},
      {"/v1/steering", {{"GET", get_steering, "How packets reach the worker that owns them."}}},
      {"/v1/version", {{"GET", get_version, "Versions of millraced and of the segment's ABI."}}},
      {"/v1/openapi.json", {{"GET", get_openapi, "This API, described as OpenAPI 3.0."}}},
      {"/v1/plan",
       {{"POST", post_plan, "What a configuration would change, and what that does to connections.", {}, true}}},
      {"/v1/apply",
       {{"POST",
         post_apply,
         "Puts a configuration in force and into the file.",
         {{"confirm_within", "60s: it is taken back unless it is confirmed in time"}}}}},
      {"/v1/confirm", {{"POST", post_confirm, "Keeps what was applied on trial."}}},
      {"/v1/rollback",
       {{"POST",
         post_rollback,
         "Goes back to what was in force before, or to an entry of the history.",
         {{"to", "number of the entry"}}}}},
      {"/v1/history", {{"GET", get_history, "The last configurations that were in force."}}},
      {"/v1/history/{number}", {{"GET", get_history_entry, "One of them, without secrets."}}},
      {"/v1/reload", {{"POST", post_reload, "Reads the configuration file again; a bad one changes nothing."}}},
      {"/v1/events",
       {{"GET",
         get_events,
         "What happens, as server-sent events, or what has happened, as a list.",
         {{"after", "begin after the event of this id, 0: with all that are kept"},
          {"follow", "0: a list; otherwise a stream"}}}}},
      {"/v1/changes",
       {{"GET", get_changes, "Which servers and settings are not as the file has them."},
        {"DELETE", delete_changes, "Goes back to the file."}}},
      {"/v1/settings",
       {{"GET", get_settings, "Settings that can be tuned without a restart, with their ranges."},
        {"PATCH", patch_settings, "Tunes the settings that the body names; null goes back to the file."}}},
  };
}

std::vector<Path> all_paths() {
  std::vector<Path> paths = own_paths();
  for (Path& path : gobetween_paths()) paths.push_back(std::move(path));
  return paths;
}

}  // namespace

const RouteTable& api_routes() {
  static const RouteTable routes(all_paths());
  return routes;
}

boost::asio::awaitable<ApiReply> route_request(Daemon& daemon, ApiRequest request) {
  co_return co_await api_routes().answer(daemon, request);
}

}  // namespace millrace::control
