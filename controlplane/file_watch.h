// file_watch.h: reloads when the configuration file changes, however it is changed: written, replaced by rename, or a link
// that leads elsewhere. [api] watch_file.
// Route:  inotify of its directory > settle > Daemon::reload
// Thread: the event loop.
// Bound:  one reload a change, kSettle after its last event; what millraced itself writes is none.
// Fails:  a file that cannot be read or is wrong is refused as by any reload, once.
// Tests:  tests/unit/control/file_watch_test.cpp
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <memory>
#include <string>

#include "controlplane/daemon.h"

namespace millrace::control {

class FileWatch {
 public:
  // Null and a sentence in `problem` when the directory cannot be watched.
  static std::unique_ptr<FileWatch> open(Daemon& daemon, std::string& problem);
  FileWatch(const FileWatch&) = delete;
  FileWatch& operator=(const FileWatch&) = delete;

  // Until stop().
  boost::asio::awaitable<void> run();
  void stop();
  // The text that was looked at last.
  const std::string& seen() const { return seen_; }

 private:
  FileWatch(Daemon& daemon, int inotify);
  boost::asio::awaitable<bool> await_events();
  boost::asio::awaitable<void> reload();

  Daemon& daemon_;
  boost::asio::posix::stream_descriptor events_;
  boost::asio::steady_timer timer_;
  std::string seen_;
  bool stopped_ = false;
};

}  // namespace millrace::control
