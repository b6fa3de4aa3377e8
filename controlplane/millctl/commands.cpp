#include "controlplane/millctl/commands.h"

#include <fmt/format.h>

#include <cstdio>

#include "controlplane/config/config.h"
#include "controlplane/millctl/client.h"
#include "controlplane/millctl/finish.h"
#include "controlplane/millctl/show.h"

namespace millrace::millctl {
namespace {

// What takes longer says so.
constexpr uint32_t kSilentSecondsMax = 2;

std::string backend_target(const std::string& service, const std::string& backend) {
  return "/v1/services/" + percent_encode(service) + "/backends/" + percent_encode(backend);
}

}  // namespace

Exit run_status(const Options& options) {
  return finish(options, Client(options.socket).get("/v1/status"), show_status);
}

Exit run_services(const Options& options) {
  return finish(options, Client(options.socket).get("/v1/services"), show_services);
}

Exit run_backends(const Options& options, const std::string& service) {
  const std::string query = service.empty() ? "" : "?service=" + percent_encode(service);
  return finish(options, Client(options.socket).get("/v1/backends" + query), show_backends);
}

Exit run_connections(const Options& options, const ConnectionOptions& which) {
  std::string target = fmt::format("/v1/connections?limit={}", which.limit);
  if (which.count) target += "&count=1";
  if (!which.service.empty()) target += "&service=" + percent_encode(which.service);
  if (!which.backend.empty()) target += "&backend=" + percent_encode(which.backend);
  if (!which.client.empty()) target += "&client=" + percent_encode(which.client);
  return finish(options, Client(options.socket).get(target),
                which.verbose ? show_connections_verbose : show_connections);
}

Exit run_counters(const Options& options) {
  return finish(options, Client(options.socket).get("/v1/counters"), show_counters);
}

Exit run_stages(const Options& options, const StageOptions& which) {
  std::string target = "/v1/stages";
  if (which.worker) target += fmt::format("?worker={}", *which.worker);
  if (which.interval_s) target += fmt::format("{}interval_s={}", which.worker ? '&' : '?', *which.interval_s);
  const uint32_t seconds = which.interval_s.value_or(0);
  if (seconds > kSilentSecondsMax) complain(fmt::format("measuring for {} s", seconds));
  return finish(options, Client(options.socket, seconds).get(target), show_stages);
}

Exit run_drops(const Options& options) {
  return finish(options, Client(options.socket).get("/v1/counters"), show_drops);
}

Exit run_snat(const Options& options) { return finish(options, Client(options.socket).get("/v1/snat"), show_snat); }

Exit run_steering(const Options& options) {
  return finish(options, Client(options.socket).get("/v1/steering"), show_steering);
}

Exit run_reload(const Options& options) {
  return finish(options, Client(options.socket).post("/v1/reload", ""), show_reload);
}

Exit run_admin(const Options& options, const std::string& service, const std::string& backend,
               const std::string& admin) {
  const Json body = {{"admin", admin}};
  return finish(options, Client(options.socket).post(backend_target(service, backend), body.dump()), show_backend);
}

Exit run_weight(const Options& options, const std::string& service, const std::string& backend, uint32_t weight) {
  const Json body = {{"weight", weight}};
  return finish(options, Client(options.socket).post(backend_target(service, backend), body.dump()), show_backend);
}

// Says its own version even when there is no millraced to ask.
Exit run_version(const Options& options) {
  const Answer answer = Client(options.socket).get("/v1/version");
  if (options.json) {
    Json body = {{"millctl", MR_VERSION}};
    if (answer.ok()) body["millraced"] = answer.body;
    print(to_text(body));
    return Exit::done;
  }
  print("millctl " MR_VERSION "\n");
  print(answer.ok() ? fmt::format("millraced {} (segment ABI {})\n", field(answer.body, "version"),
                                  field(answer.body, "abi_version"))
                    : "millraced: " + answer.problem + "\n");
  return Exit::done;
}

Exit run_check(const Options& options, const std::string& file) {
  const config::LoadResult loaded = config::load_config(file);
  if (loaded.config) {
    size_t backends = 0;
    for (const config::ServiceConfig& service : loaded.config->services) backends += service.backends.size();
    const size_t services = loaded.config->services.size();
    if (options.json)
      print(to_text({{"ok", true}, {"file", file}, {"services", services}, {"backends", backends}}));
    else
      print(fmt::format("{}: good: {} services, {} backends\n", file, services, backends));
    return Exit::done;
  }
  Json errors = Json::array();
  for (const config::ConfigError& error : loaded.errors) {
    if (!options.json) std::fputs((config::format_error(error) + "\n").c_str(), stderr);
    errors.push_back({{"file", error.file},
                      {"line", error.line},
                      {"column", error.column},
                      {"key", error.key},
                      {"problem", error.problem},
                      {"remedy", error.remedy}});
  }
  if (options.json) print(to_text({{"ok", false}, {"file", file}, {"errors", std::move(errors)}}));
  return Exit::refused;
}

}  // namespace millrace::millctl
