#include "controlplane/process/child_process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cerrno>
#include <cstring>
#include <utility>

#include "controlplane/config/error_text.h"
#include "controlplane/net/asio_types.h"

// The header of glibc 2.36 does not say so itself.
extern "C" {
#include <sys/pidfd.h>
}

namespace millrace::control {
namespace {

namespace asio = boost::asio;
using namespace asio::experimental::awaitable_operators;

constexpr size_t kReadBytes = 16 * 1024;
constexpr size_t kPipeBytes = 64 * 1024;  // as Linux makes them

struct Pipe {
  int read = -1;
  int write = -1;

  Pipe() {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) == 0) read = ends[0], write = ends[1];
  }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;
  ~Pipe() {
    if (read >= 0) close(read);
    if (write >= 0) close(write);
  }
  int take_read() { return std::exchange(read, -1); }
};

// posix_spawn as run_child needs it. 0, or errno.
int spawn(const std::vector<std::string>& argv, int out, int err, pid_t& pid) {
  std::vector<char*> words;
  for (const std::string& word : argv) words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(nullptr);

  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&files, out, STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&files, err, STDERR_FILENO);
  // Asio's sockets are not close-on-exec.
  posix_spawn_file_actions_addclosefrom_np(&files, STDERR_FILENO + 1);

  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t none, ignored;
  sigemptyset(&none);
  sigemptyset(&ignored);
  sigaddset(&ignored, SIGPIPE);  // by millraced; an ignored signal stays so over exec
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &ignored);
  posix_spawnattr_setpgroup(&attributes, 0);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);

  const int error = posix_spawnp(&pid, words[0], &files, &attributes, words.data(), environ);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&files);
  return error;
}

// A started program, which does not outlive this.
struct Child {
  pid_t pid = -1;
  int status = 0;
  bool ended = false;
  bool timed_out = false;
  bool too_long = false;
  asio::posix::stream_descriptor out;
  asio::posix::stream_descriptor err;
  asio::posix::stream_descriptor exit;  // a pidfd

  explicit Child(const asio::any_io_executor& executor) : out(executor), err(executor), exit(executor) {}
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child() {
    if (pid < 0 || ended) return;
    kill_group();
    waitpid(pid, nullptr, WNOHANG);
  }

  void kill_group() { kill(-pid, SIGKILL); }

  // It is a zombie now. Until it is reaped nobody else can have the number of its group.
  void reap() {
    kill_group();
    waitpid(pid, &status, 0);
    ended = true;
  }
};

// 0, or errno.
int start(Child& child, const std::vector<std::string>& argv) {
  Pipe out, err;
  if (out.read < 0 || err.read < 0) return errno;
  if (const int error = spawn(argv, out.write, err.write, child.pid)) {
    child.pid = -1;
    return error;
  }
  const int exit = pidfd_open(child.pid, 0);
  if (exit < 0) return errno;
  child.exit.assign(exit);
  child.out.assign(out.take_read());
  child.err.assign(err.take_read());
  child.out.non_blocking(true);
  child.err.non_blocking(true);
  return 0;
}

// Takes what a pipe holds; more may come meanwhile. False: no more will come, or more than `bytes_max` came and `cut` does
// not allow that.
bool read_ready(asio::posix::stream_descriptor& from, std::string& text, size_t bytes_max, bool cut, bool& too_long) {
  std::array<char, kReadBytes> part;
  for (size_t taken = 0; taken < kPipeBytes;) {
    boost::system::error_code error;
    const size_t bytes = from.read_some(asio::buffer(part), error);
    if (error == asio::error::would_block) return true;
    if (error) return false;
    taken += bytes;
    const size_t room = bytes_max - text.size();
    text.append(part.data(), std::min(bytes, room));
    too_long = too_long || bytes > room;
    if (too_long && !cut) return false;
  }
  return true;
}

asio::awaitable<void> read_output(Child& child, ChildResult& result, const ChildLimits& limits) {
  while (!child.ended) {
    const auto [error] = co_await child.out.async_wait(asio::posix::stream_descriptor::wait_read, kQuietly);
    if (error || !read_ready(child.out, result.output, limits.output_bytes_max, limits.cut_output, child.too_long))
      break;
  }
  if (child.too_long && !limits.cut_output && !child.ended) child.kill_group();
}

// What is behind the first bytes is read too, so that the program never waits for us, and forgotten.
asio::awaitable<void> read_complaint(Child& child, ChildResult& result) {
  std::array<char, kReadBytes> part;
  while (!child.ended) {
    const auto [error, bytes] = co_await child.err.async_read_some(asio::buffer(part), kQuietly);
    if (error) co_return;
    result.complaint.append(part.data(), std::min(bytes, kComplaintBytesMax - result.complaint.size()));
  }
}

asio::awaitable<void> await_exit(Child& child, ChildResult& result, const ChildLimits& limits) {
  const auto [error] = co_await child.exit.async_wait(asio::posix::stream_descriptor::wait_read, kQuietly);
  if (error) co_return;
  child.reap();
  read_ready(child.out, result.output, limits.output_bytes_max, limits.cut_output, child.too_long);
  bool complaint_cut = false;
  read_ready(child.err, result.complaint, kComplaintBytesMax, true, complaint_cut);
  // What left the group may hold the pipes open.
  child.out.cancel();
  child.err.cancel();
}

// A killed program may take its time to die when it waits for a disk.
asio::awaitable<void> reap_later(pid_t pid, asio::posix::stream_descriptor exit) {
  co_await exit.async_wait(asio::posix::stream_descriptor::wait_read, kQuietly);
  waitpid(pid, nullptr, WNOHANG);
}

void judge(const Child& child, ChildResult& result, const ChildLimits& limits) {
  using End = ChildResult::End;
  result.output_cut = child.too_long;
  if (child.timed_out)
    result.end = End::timed_out;
  else if (child.too_long && !limits.cut_output)
    result.end = End::output_too_long;
  else
    result.end = WIFEXITED(child.status) ? End::exited : End::killed;
  result.code = WIFEXITED(child.status) ? WEXITSTATUS(child.status) : WTERMSIG(child.status);
  result.complaint.resize(std::min(result.complaint.size(), result.complaint.find('\n')));
}

}  // namespace

std::string describe(const ChildResult& result, std::chrono::milliseconds timeout) {
  using End = ChildResult::End;
  const std::string more = result.complaint.empty() ? "" : ": " + config::escape(result.complaint);
  switch (result.end) {
    case End::exited:
      return fmt::format("exit status {}{}", result.code, more);
    case End::killed:
      return fmt::format("ended by signal {} ({}){}", result.code, strsignal(result.code), more);
    case End::timed_out:
      return fmt::format("no end within {} ms{}", timeout.count(), more);
    case End::output_too_long:
      return "its output is too long";
    case End::not_started:
      return fmt::format("not started: {}", std::strerror(result.code));
  }
  return "unknown";
}

asio::awaitable<ChildResult> run_child(std::vector<std::string> argv, ChildLimits limits) {
  const auto executor = co_await asio::this_coro::executor;
  ChildResult result;
  Child child(executor);
  if (const int error = start(child, argv)) {
    result.code = error;
    co_return result;
  }
  asio::steady_timer deadline(executor, limits.timeout);
  const auto first = co_await (
      (read_output(child, result, limits) && read_complaint(child, result) && await_exit(child, result, limits)) ||
      deadline.async_wait(kQuietly));
  if (first.index() == 1 && !child.ended) {
    child.timed_out = true;
    child.kill_group();
    child.ended = true;
    asio::co_spawn(executor, reap_later(child.pid, std::move(child.exit)), asio::detached);
  }
  judge(child, result, limits);
  co_return result;
}

}  // namespace millrace::control
