// main.cpp: millraced: reads the configuration, takes the control plane's place at the segment, opens its socket and
// runs the event loop until SIGINT or SIGTERM. Traffic goes on without it.
// Exit:   0 after a signal, 1 when it could not start (each reason is one sentence on stderr), 2 on wrong arguments.
#include <spdlog/spdlog.h>
#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <csignal>

#include "controlplane/api/http_server.h"
#include "controlplane/api/routes.h"
#include "controlplane/api/tcp_listener.h"
#include "controlplane/api/unix_listener.h"
#include "controlplane/config/server_changes.h"
#include "controlplane/daemon.h"
#include "controlplane/log_output.h"
#include "controlplane/metrics/metrics_routes.h"

namespace millrace::control {
namespace {

namespace asio = boost::asio;

struct Options {
  std::string file;
  bool verbose = false;
};

// A descriptor per running check and API connection: what the system allows, instead of the usual 1024.
void raise_descriptor_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

asio::awaitable<void> obey_signals(asio::signal_set& signals, Daemon& daemon, asio::io_context& loop) {
  while (true) {
    const auto [error, number] = co_await signals.async_wait(asio::as_tuple(asio::use_awaitable));
    if (error) co_return;
    if (number != SIGHUP) {
      spdlog::info("{}: ending; traffic goes on with the last configuration", number == SIGINT ? "SIGINT" : "SIGTERM");
      daemon.stop();
      loop.stop();
      co_return;
    }
    // Not awaited: a reload may wait for the dataplane, and SIGTERM must not wait for a reload.
    asio::co_spawn(loop, daemon.reload(), [](std::exception_ptr, const std::optional<ReloadReport>& report) {
      if (!report) spdlog::warn("SIGHUP ignored: a reload is already under way");
    });
  }
}

int run(const Options& options) {
  log_to_stderr(options.verbose);
  raise_descriptor_limit();
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGCHLD, SIG_DFL);  // ignored, as somebody may have started us, it would take exit statuses from checks

  config::LoadResult loaded = config::load_changed_config(options.file);
  if (!loaded.config) {
    for (const config::ConfigError& error : loaded.errors) spdlog::error("{}", config::format_error(error));
    return 1;
  }
  std::string problem;
  std::optional<OwnerLock> lock = OwnerLock::take(loaded.config->dataplane.segment, problem);
  if (!lock) {
    spdlog::error("{}", problem);
    return 1;
  }
  asio::io_context loop(1);
  const config::ApiConfig api = loaded.config->api;
  const config::MetricsConfig metrics = loaded.config->metrics;
  std::unique_ptr<UnixListener> listener;
  std::unique_ptr<TcpListener> api_listener;
  std::unique_ptr<TcpListener> metrics_listener;
  HttpOptions over_tcp{std::make_shared<const Authority>(api), nullptr, api.cors,
                       [](const ApiRequest& request) { return api_routes().writes(request); }};
  if (api.enabled) listener = UnixListener::open(loop.get_executor(), api.socket, problem);
  if (api.bind && problem.empty())
    api_listener = TcpListener::open(loop.get_executor(), *api.bind, "[api] bind", problem);
  if (api.bind && api.tls && problem.empty()) over_tcp.tls = make_tls(*api.tls, problem);
  if (metrics.enabled && problem.empty())
    metrics_listener = TcpListener::open(loop.get_executor(), metrics.bind, "[metrics] bind", problem);
  if (!problem.empty() || !log_as_configured(loaded.config->logging, options.verbose, problem)) {
    spdlog::error("{}", problem);
    return 1;
  }
  Daemon daemon(loop.get_executor(), options.file, std::move(*loaded.config), std::move(*lock));
  asio::signal_set signals(loop, SIGINT, SIGTERM, SIGHUP);
  daemon.start();
  asio::co_spawn(loop, obey_signals(signals, daemon, loop), asio::detached);
  if (listener)
    asio::co_spawn(loop,
                   serve_api(*listener, [&](ApiRequest request) { return route_request(daemon, std::move(request)); }),
                   asio::detached);
  if (api_listener) {
    asio::co_spawn(
        loop,
        serve_api(
            *api_listener, [&](ApiRequest request) { return route_request(daemon, std::move(request)); }, over_tcp),
        asio::detached);
    spdlog::info("the API is at {}://{}, too", api.tls ? "https" : "http", format_endpoint(*api.bind));
  }
  if (metrics_listener) {
    asio::co_spawn(
        loop,
        serve_api(*metrics_listener, [&](ApiRequest request) { return route_metrics(daemon, std::move(request)); }),
        asio::detached);
    spdlog::info("metrics for Prometheus at http://{}/metrics", format_endpoint(metrics.bind));
  }
  spdlog::info("millraced {} serves {} at {}", MR_VERSION, options.file, listener ? api.socket : "no socket");
  loop.run();
  return 0;
}

}  // namespace
}  // namespace millrace::control

int main(int argc, char** argv) {
  millrace::control::Options options;
  CLI::App app(
      "millraced: the control plane of Millrace. Checks backends, keeps the dataplane configured, serves millctl.");
  app.add_option("--config,-c", options.file, "configuration file")->required();
  app.add_flag("--verbose,-v", options.verbose, "log details too");
  app.set_version_flag("--version", std::string("millraced " MR_VERSION));
  app.footer("Example: millraced --config /etc/millrace.toml\nSIGHUP reloads the file, SIGINT and SIGTERM end it.");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  return millrace::control::run(options);
}
