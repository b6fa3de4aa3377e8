#include "controlplane/file_watch.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "controlplane/config/document.h"
#include "controlplane/config/text_file.h"
#include "controlplane/net/asio_types.h"

namespace millrace::control {
namespace {

namespace asio = boost::asio;

// An editor writes in several steps; a person waits no longer than this.
constexpr std::chrono::milliseconds kSettle{200};
constexpr uint32_t kEvents = IN_CLOSE_WRITE | IN_MOVED_TO | IN_CREATE | IN_DELETE | IN_ATTRIB;

}  // namespace

std::unique_ptr<FileWatch> FileWatch::open(Daemon& daemon, std::string& problem) {
  std::filesystem::path directory = std::filesystem::path(daemon.file()).parent_path();
  if (directory.empty()) directory = ".";
  const int inotify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
  if (inotify >= 0 && inotify_add_watch(inotify, directory.c_str(), kEvents) >= 0)
    return std::unique_ptr<FileWatch>(new FileWatch(daemon, inotify));
  problem = fmt::format("{} cannot be watched: {}; write [api] watch_file = false and millctl reload after a change",
                        directory.string(), std::strerror(errno));
  if (inotify >= 0) close(inotify);
  return nullptr;
}

FileWatch::FileWatch(Daemon& daemon, int inotify)
    : daemon_(daemon),
      events_(daemon.executor(), inotify),
      timer_(daemon.executor()),
      seen_(daemon.config().document->text) {}

void FileWatch::stop() {
  stopped_ = true;
  events_.cancel();
  timer_.cancel();
}

// Something happened in the directory, and for kSettle nothing more. False: stopped.
asio::awaitable<bool> FileWatch::await_events() {
  std::array<char, 4096> drain;
  const auto [error, bytes] = co_await events_.async_read_some(asio::buffer(drain), kQuietly);
  if (error || stopped_) co_return false;
  for (bool more = true; more;) {
    timer_.expires_after(kSettle);
    co_await timer_.async_wait(kQuietly);
    if (stopped_) co_return false;
    more = false;
    while (::read(events_.native_handle(), drain.data(), drain.size()) > 0) more = true;
  }
  co_return true;
}

asio::awaitable<void> FileWatch::run() {
  while (co_await await_events()) {
    const config::TextFile now = config::read_text_file(daemon_.file());
    // Between the removal of the old one and the coming of the new one there is none: that comes with an event of its own.
    if (!now.text || *now.text == seen_) continue;
    seen_ = *now.text;
    if (*now.text != daemon_.config().document->text) co_await reload();
  }
}

asio::awaitable<void> FileWatch::reload() {
  spdlog::info("{} has changed: it is read again", daemon_.file());
  while (!stopped_) {
    const std::optional<ReloadReport> report = co_await daemon_.reload();
    if (report) co_return;
    timer_.expires_after(kSettle);  // another change is under way
    co_await timer_.async_wait(kQuietly);
  }
}

}  // namespace millrace::control
