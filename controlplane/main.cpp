// main.cpp: millraced: reads the configuration, takes the control plane's place at the segment, opens its socket and
// runs the event loop until SIGINT or SIGTERM. Traffic goes on without it.
// Exit:   0 after a signal, 1 when it could not start (each reason is one sentence on stderr), 2 on wrong arguments.
#include <spdlog/spdlog.h>
#include <sys/resource.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <csignal>
#include <cstdio>

#include "controlplane/api/http_server.h"
#include "controlplane/api/routes.h"
#include "controlplane/api/tcp_listener.h"
#include "controlplane/api/unix_listener.h"
#include "controlplane/command_line.h"
#include "controlplane/config/changes.h"
#include "controlplane/daemon.h"
#include "controlplane/file_watch.h"
#include "controlplane/history/unconfirmed.h"
#include "controlplane/log_output.h"
#include "controlplane/metrics/metrics_routes.h"
#include "controlplane/net/asio_types.h"

namespace millrace::control {
namespace {

namespace asio = boost::asio;

struct Options {
  ConfigPlace place{""};
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
    const auto [error, number] = co_await signals.async_wait(kQuietly);
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

struct Begun {
  config::Config config;
  OwnerLock lock;
};

// A change that nobody had confirmed when the last millraced ended is taken back before anything counts.
PutBack end_trial(const std::string& file) {
  std::string problem;
  const PutBack put = put_back(file, problem);
  if (put == PutBack::done)
    spdlog::warn("the last change of {} was not confirmed: it holds again what it did before", file);
  if (put == PutBack::edited)
    spdlog::warn("the last change of {} was not confirmed, but it was edited since: it is left as it is", file);
  if (put == PutBack::failed)
    spdlog::error("the last change of {} was not confirmed and cannot be taken back: {}; mend that, or remove {}", file,
                  problem, unconfirmed_path(file));
  return put;
}

config::LoadResult load(asio::io_context& loop, const ConfigPlace& place) {
  if (place.is_file()) return config::load_changed_config(place.name());
  config::TextFile read;
  asio::co_spawn(loop, place.read(), [&](const std::exception_ptr&, config::TextFile text) { read = std::move(text); });
  loop.run();
  loop.restart();
  if (read.text) return config::parse_changed_config(*read.text, place.name());
  return {std::nullopt, {{.file = place.name(), .problem = read.problem, .remedy = place.remedy()}}};
}

// Reads the configuration and takes the control plane's place. With the lock in hand, so that a second millraced, started
// by mistake, ends nobody's trial. nullopt: why is logged.
std::optional<Begun> begin(asio::io_context& loop, const ConfigPlace& place) {
  for (bool is_first = true;; is_first = false) {
    config::LoadResult loaded = load(loop, place);
    std::string problem;
    std::optional<OwnerLock> lock;
    if (loaded.config) lock = OwnerLock::take(loaded.config->dataplane.segment, problem);
    if (loaded.config && !lock) {
      spdlog::error("{}", problem);
      return std::nullopt;
    }
    const PutBack put = is_first && place.is_file() ? end_trial(place.name()) : PutBack::nothing;
    if (put == PutBack::failed) return std::nullopt;
    if (put == PutBack::done) continue;
    if (loaded.config) return Begun{std::move(*loaded.config), std::move(*lock)};
    for (const config::ConfigError& error : loaded.errors) spdlog::error("{}", config::format_error(error));
    return std::nullopt;
  }
}

// Null where it is not asked for, or not possible: then a warning says so.
std::unique_ptr<FileWatch> watch_file(Daemon& daemon) {
  if (!daemon.config().api.watch_file) return nullptr;
  std::string problem = "[api] watch_file: the configuration is not read from a file";
  std::unique_ptr<FileWatch> watch;
  if (daemon.place().is_file()) watch = FileWatch::open(daemon, problem);
  if (!watch) spdlog::warn("{}", problem);
  return watch;
}

// Who may ask, and where. Those that are not asked for are null.
struct Listeners {
  std::unique_ptr<UnixListener> socket;
  std::unique_ptr<TcpListener> api;
  HttpOptions over_tcp;
  std::unique_ptr<TcpListener> metrics;
};

// `problem` says what cannot be opened.
Listeners open_listeners(asio::io_context& loop, const config::Config& config, std::string& problem) {
  const config::ApiConfig& api = config.api;
  const config::MetricsConfig& metrics = config.metrics;
  Listeners open;
  open.over_tcp = {std::make_shared<const Authority>(api), nullptr, api.cors,
                   [](const ApiRequest& request) { return api_routes().writes(request); }};
  if (api.enabled) open.socket = UnixListener::open(loop.get_executor(), api.socket, problem);
  if (api.bind && problem.empty()) open.api = TcpListener::open(loop.get_executor(), *api.bind, "[api] bind", problem);
  if (api.bind && api.tls && problem.empty()) open.over_tcp.tls = make_tls(*api.tls, problem);
  if (metrics.enabled && problem.empty())
    open.metrics = TcpListener::open(loop.get_executor(), metrics.bind, "[metrics] bind", problem);
  return open;
}

void serve(asio::io_context& loop, Daemon& daemon, Listeners& listeners) {
  const auto ask_api = [&daemon](ApiRequest request) { return route_request(daemon, std::move(request)); };
  const auto ask_metrics = [&daemon](ApiRequest request) { return route_metrics(daemon, std::move(request)); };
  const config::Config& config = daemon.config();
  if (listeners.socket) asio::co_spawn(loop, serve_api(*listeners.socket, ask_api), asio::detached);
  if (listeners.api) {
    asio::co_spawn(loop, serve_api(*listeners.api, ask_api, listeners.over_tcp), asio::detached);
    spdlog::info("the API is at {}://{}, too", config.api.tls ? "https" : "http", format_endpoint(*config.api.bind));
  }
  if (listeners.metrics) {
    asio::co_spawn(loop, serve_api(*listeners.metrics, ask_metrics), asio::detached);
    spdlog::info("metrics for Prometheus at http://{}/metrics", format_endpoint(config.metrics.bind));
  }
  spdlog::info("millraced {} serves {} at {}", MR_VERSION, daemon.place().name(),
               listeners.socket ? config.api.socket : "no socket");
}

int run(const Options& options) {
  log_to_stderr(options.verbose);
  raise_descriptor_limit();
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGCHLD, SIG_DFL);  // ignored, as somebody may have started us, it would take exit statuses from checks

  asio::io_context loop(1);
  std::optional<Begun> begun = begin(loop, options.place);
  if (!begun) return 1;
  std::string problem;
  Listeners listeners = open_listeners(loop, begun->config, problem);
  if (!problem.empty() || !log_as_configured(begun->config.logging, options.verbose, problem)) {
    spdlog::error("{}", problem);
    return 1;
  }
  Daemon daemon(loop.get_executor(), options.place, std::move(begun->config), std::move(begun->lock));
  daemon.on_in_force([&](const config::Config& config) { log_from_level(config.logging.level, options.verbose); });
  asio::signal_set signals(loop, SIGINT, SIGTERM, SIGHUP);
  daemon.start();
  const std::unique_ptr<FileWatch> watch = watch_file(daemon);
  if (watch) asio::co_spawn(loop, watch->run(), asio::detached);
  asio::co_spawn(loop, obey_signals(signals, daemon, loop), asio::detached);
  serve(loop, daemon, listeners);
  loop.run();
  return 0;
}

}  // namespace
}  // namespace millrace::control

int main(int argc, char** argv) {
  millrace::control::Options options;
  millrace::control::CommandLine line;
  try {
    line.app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return line.app.exit(error) == 0 ? 0 : 2;
  }
  std::string problem;
  std::optional<millrace::control::ConfigPlace> place = line.place(problem);
  if (!place) {
    std::fputs(("millraced: " + problem + "\n").c_str(), stderr);
    return 2;
  }
  options.place = std::move(*place);
  options.verbose = line.verbose;
  return millrace::control::run(options);
}
