// running_daemon.h: millraced's parts on a thread of their own, with its real socket, beside a fake dataplane.
#pragma once

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "controlplane/api/unix_listener.h"
#include "controlplane/daemon.h"
#include "tests/unit/control/fake_dataplane.h"

namespace millrace::control {

// A file with service web (10.0.0.1:80 weight 5, 10.0.0.2:80) and service dns, plus `more` at the end.
std::string sample_toml(const TempDir& dir, const std::string& more = "");
void write_file(const std::string& path, const std::string& text);

class RunningDaemon {
 public:
  // `more`: of the file. `prepare`: what a dataplane has that runs before the daemon; without it there is none yet.
  explicit RunningDaemon(const std::string& more = "", const std::function<void(FakeDataplane&)>& prepare = {});
  ~RunningDaemon();
  RunningDaemon(const RunningDaemon&) = delete;
  RunningDaemon& operator=(const RunningDaemon&) = delete;

  // Between two turns of the loop, on the caller's thread.
  void with(const std::function<void()>& act);
  // with(), until it is so or 20 s have passed.
  bool until(const std::function<bool()>& is_so);
  // Reads the file again; the report of that.
  ReloadReport reload();
  // Starts a dataplane and waits until it has the configuration.
  void start_dataplane();

  TempDir dir;
  std::string file = dir.path("millrace.toml");
  std::string socket = dir.path("api.sock");
  std::unique_ptr<FakeDataplane> fake;  // only within with()
  std::unique_ptr<Daemon> daemon;       // likewise

 private:
  void run();

  boost::asio::io_context loop_;
  std::unique_ptr<UnixListener> listener_;
  std::mutex mutex_;
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

}  // namespace millrace::control
