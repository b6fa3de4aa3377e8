#include "controlplane/health/child_process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <csignal>
#include <cstring>

#include "controlplane/health/probe_errors.h"

namespace millrace::control {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;

struct SpawnSettings {
  posix_spawn_file_actions_t files;
  posix_spawnattr_t attributes;

  explicit SpawnSettings(int output) {
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&files, output, STDOUT_FILENO);
    posix_spawn_file_actions_addopen(&files, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_addclosefrom_np(&files, STDERR_FILENO + 1);
    posix_spawnattr_init(&attributes);
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  }
  ~SpawnSettings() {
    posix_spawn_file_actions_destroy(&files);
    posix_spawnattr_destroy(&attributes);
  }
  SpawnSettings(const SpawnSettings&) = delete;
  SpawnSettings& operator=(const SpawnSettings&) = delete;
};

int open_pid_descriptor(pid_t pid) { return static_cast<int>(syscall(SYS_pidfd_open, pid, 0)); }

void end_group(pid_t leader) { ::kill(-leader, SIGKILL); }

}  // namespace

std::shared_ptr<ChildProcess> ChildProcess::start(const asio::any_io_executor& executor,
                                                  const std::vector<std::string>& command, std::string& problem) {
  std::vector<char*> arguments;
  for (const std::string& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  int pipe[2];
  if (pipe2(pipe, O_CLOEXEC | O_NONBLOCK) != 0) {
    problem = fmt::format("no pipe for its output: {}", std::strerror(errno));
    return nullptr;
  }
  pid_t pid = 0;
  int error = 0;
  {
    fcntl(pipe[1], F_SETFL, 0);  // the command's end blocks
    const SpawnSettings settings(pipe[1]);
    error = posix_spawnp(&pid, arguments[0], &settings.files, &settings.attributes, arguments.data(), environ);
  }
  close(pipe[1]);
  const int pid_descriptor = error == 0 ? open_pid_descriptor(pid) : -1;
  if (pid_descriptor >= 0)
    return std::shared_ptr<ChildProcess>(new ChildProcess(executor, pid, pid_descriptor, pipe[0]));
  problem = fmt::format("cannot run {}: {}", command.front(), std::strerror(error != 0 ? error : errno));
  close(pipe[0]);
  if (error == 0) {
    end_group(pid);
    waitpid(pid, nullptr, 0);
  }
  return nullptr;
}

ChildProcess::ChildProcess(const asio::any_io_executor& executor, pid_t pid, int pid_descriptor, int output_descriptor)
    : pid_(pid), ended_(executor, pid_descriptor), output_pipe_(executor, output_descriptor) {}

ChildProcess::~ChildProcess() {
  if (reaped_) return;
  end_group(pid_);
  waitpid(pid_, nullptr, WNOHANG);
}

asio::awaitable<bool> ChildProcess::wait(std::shared_ptr<ChildProcess> child) {
  asio::co_spawn(child->ended_.get_executor(), read_output(child), asio::detached);
  const auto [error] = co_await child->ended_.async_wait(asio::posix::stream_descriptor::wait_read, kQuietly);
  if (error) co_return false;
  child->reap();
  child->drain();
  co_return true;
}

void ChildProcess::kill(std::shared_ptr<ChildProcess> child) {
  end_group(child->pid_);
  error_code ignored;
  child->output_pipe_.close(ignored);
  ChildProcess& process = *child;
  process.ended_.async_wait(asio::posix::stream_descriptor::wait_read, [child = std::move(child)](error_code error) {
    if (!error) child->reap();
  });
}

// Its number is its own until it is waited for, so that the group can be no other's.
void ChildProcess::reap() {
  end_group(pid_);
  while (waitpid(pid_, &status_, 0) < 0 && errno == EINTR) {
  }
  reaped_ = true;
}

bool ChildProcess::succeeded() const { return WIFEXITED(status_) && WEXITSTATUS(status_) == 0; }

std::string ChildProcess::ending() const {
  return WIFEXITED(status_) ? fmt::format("exit status {}", WEXITSTATUS(status_))
                            : fmt::format("signal {}", WTERMSIG(status_));
}

void ChildProcess::keep(const char* bytes, size_t count) {
  const size_t kept = std::min(count, kOutputBytesMax - output_.size());
  output_.append(bytes, kept);
  cut_ = cut_ || kept < count;
}

asio::awaitable<void> ChildProcess::read_output(std::shared_ptr<ChildProcess> child) {
  std::array<char, 4096> piece;
  while (true) {
    const auto [error, count] = co_await child->output_pipe_.async_read_some(asio::buffer(piece), kQuietly);
    if (error) co_return;
    child->keep(piece.data(), count);
  }
}

// The command has ended: what is in the pipe is all that there will be.
void ChildProcess::drain() {
  if (!output_pipe_.is_open()) return;
  std::array<char, 4096> piece;
  for (ssize_t count; (count = read(output_pipe_.native_handle(), piece.data(), piece.size())) > 0;)
    keep(piece.data(), static_cast<size_t>(count));
  error_code ignored;
  output_pipe_.close(ignored);
}

}  // namespace millrace::control
