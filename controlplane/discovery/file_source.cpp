#include "controlplane/discovery/file_source.h"

#include <fmt/format.h>
#include <sys/inotify.h>

#include <array>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "controlplane/discovery/backend_text.h"
#include "controlplane/net/asio_types.h"

namespace millrace::control {
namespace {

namespace asio = boost::asio;
namespace fs = std::filesystem;
using namespace asio::experimental::awaitable_operators;

// Where the directory cannot be watched (it is not there yet, or inotify has no room).
constexpr std::chrono::seconds kPollEvery{2};

}  // namespace

// A watch begins before the file is read: what changes in between is an event.
void FileSource::watch(const asio::any_io_executor& executor) {
  if (events_) return;
  const int fd = inotify_init1(IN_CLOEXEC);
  if (fd < 0) return;
  events_.emplace(executor, fd);
  events_->non_blocking(true);
  const std::string directory = fs::path(config_.path).parent_path();
  if (inotify_add_watch(fd, directory.c_str(),
                        IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_DELETE_SELF | IN_MOVE_SELF) < 0)
    events_.reset();
}

asio::awaitable<Answer> FileSource::ask(std::chrono::milliseconds) {
  watch(co_await asio::this_coro::executor);
  errno = 0;
  std::error_code error;
  if (!fs::is_regular_file(config_.path, error))
    co_return Answer::failed(config_.path + ": " + (error ? error.message() : "is no regular file"));
  std::ifstream file(config_.path, std::ios::binary);
  if (!file) co_return Answer::failed(config_.path + ": " + std::strerror(errno));
  std::string text(kAnswerBytesMax + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<size_t>(file.gcount()));
  if (file.bad()) co_return Answer::failed(config_.path + ": " + std::strerror(errno));
  if (text.size() > kAnswerBytesMax)
    co_return Answer::failed(fmt::format("{} has more than {} bytes", config_.path, kAnswerBytesMax));
  co_return config_.path.ends_with(".json") ? parse_json_list(text, {}) : parse_lines(text);
}

// Reads what happened in the directory. True: something did to the file.
bool FileSource::take_events() {
  const std::string name = fs::path(config_.path).filename();
  bool touched = false;
  alignas(inotify_event) std::array<char, 4096> buffer;
  while (true) {
    boost::system::error_code error;
    const size_t bytes = events_->read_some(asio::buffer(buffer), error);
    if (error == asio::error::would_block) return touched;
    if (error) {
      events_.reset();
      return true;
    }
    for (size_t at = 0; at < bytes;) {
      const auto* event = reinterpret_cast<const inotify_event*>(buffer.data() + at);
      at += sizeof *event + event->len;
      // The directory itself is gone: what comes in its place needs a new watch.
      const bool lost = (event->mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_IGNORED | IN_Q_OVERFLOW)) != 0;
      touched |= lost || (event->len != 0 && name == event->name);
      if (lost) {
        events_.reset();
        return true;
      }
    }
  }
}

asio::awaitable<void> FileSource::await_change(std::chrono::steady_clock::time_point deadline) {
  asio::steady_timer timer(co_await asio::this_coro::executor);
  while (events_) {
    timer.expires_at(deadline);
    const auto first = co_await (events_->async_wait(asio::posix::stream_descriptor::wait_read, kQuietly) ||
                                 timer.async_wait(kQuietly));
    if (first.index() == 1 || take_events()) co_return;
  }
  timer.expires_at(std::min(deadline, std::chrono::steady_clock::now() + kPollEvery));
  co_await timer.async_wait(kQuietly);
}

}  // namespace millrace::control
