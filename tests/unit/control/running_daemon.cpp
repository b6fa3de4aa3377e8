#include "tests/unit/control/running_daemon.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <fstream>
#include <stdexcept>

#include "controlplane/api/http_server.h"
#include "controlplane/api/routes.h"
#include "tests/unit/control/sample_config.h"

namespace millrace::control {

void write_file(const std::string& path, const std::string& text) { std::ofstream(path, std::ios::trunc) << text; }

std::string sample_toml(const TempDir& dir, const std::string& more) {
  return "[dataplane]\n"
         "workers = \"0\"\n"
         "segment = \"" +
         dir.path("segment") +
         "\"\n"
         "[[dataplane.port]]\n"
         "name = \"front\"\n"
         "device = \"null\"\n"
         "[api]\n"
         "socket = \"" +
         dir.path("api.sock") +
         "\"\n"
         "[snat.lan]\n"
         "addresses = [\"10.9.0.1-10.9.0.4\"]\n"
         "[servers.web]\n"
         "bind = \"203.0.113.10:80\"\n"
         "protocol = \"tcp\"\n"
         "mode = \"fullnat\"\n"
         "balance = \"roundrobin\"\n"
         "  [servers.web.discovery]\n"
         "  kind = \"static\"\n"
         "  static_list = [\"10.0.0.1:80 weight=5\", \"10.0.0.2:80\"]\n"
         "[servers.dns]\n"
         "bind = \"203.0.113.10:53\"\n"
         "protocol = \"udp\"\n"
         "mode = \"nat\"\n"
         "  [servers.dns.discovery]\n"
         "  kind = \"static\"\n"
         "  static_list = [\"10.0.0.3:53\"]\n" +
         more;
}

RunningDaemon::RunningDaemon(const std::string& more, const std::function<void(FakeDataplane&)>& prepare) {
  write_file(file, sample_toml(dir, more));
  if (prepare) {
    fake = std::make_unique<FakeDataplane>(dir.path("segment"));
    fake->turn();
    prepare(*fake);
  }
  config::LoadResult loaded = config::load_config(file);
  if (!loaded.config) throw std::runtime_error(config::format_error(loaded.errors.front()));
  std::string problem;
  std::optional<OwnerLock> lock = OwnerLock::take(loaded.config->dataplane.segment, problem);
  listener_ = UnixListener::open(loop_.get_executor(), socket, problem);
  if (!lock || !listener_) throw std::runtime_error(problem);
  daemon = std::make_unique<Daemon>(loop_.get_executor(), file, *loaded.config, std::move(*lock));
  daemon->start();
  boost::asio::co_spawn(
      loop_, serve_api(*listener_, [this](ApiRequest request) { return route_request(*daemon, std::move(request)); }),
      boost::asio::detached);
  thread_ = std::thread([this] { run(); });
}

RunningDaemon::~RunningDaemon() {
  stop_ = true;
  thread_.join();
  daemon->stop();
  daemon.reset();  // before the loop that its timers belong to
}

void RunningDaemon::run() {
  while (!stop_) {
    {
      const std::lock_guard guard(mutex_);
      if (fake) fake->turn();
      loop_.restart();
      loop_.poll();
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

void RunningDaemon::with(const std::function<void()>& act) {
  const std::lock_guard guard(mutex_);
  act();
}

bool RunningDaemon::until(const std::function<bool()>& is_so) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  bool so = false;
  while (!so && std::chrono::steady_clock::now() < deadline) {
    with([&] { so = is_so(); });
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return so;
}

ReloadReport RunningDaemon::reload() {
  std::optional<ReloadReport> report;
  with([&] {
    boost::asio::co_spawn(loop_, daemon->reload(),
                          [&](std::exception_ptr, std::optional<ReloadReport> result) { report = std::move(result); });
  });
  if (!until([&] { return report.has_value(); })) throw std::runtime_error("the reload did not end");
  return *report;
}

void RunningDaemon::start_dataplane() {
  with([&] { fake = std::make_unique<FakeDataplane>(dir.path("segment")); });
  if (!until([&] { return daemon->link().status().sync == SyncState::applied; }))
    throw std::runtime_error("the dataplane was not configured");
}

}  // namespace millrace::control
