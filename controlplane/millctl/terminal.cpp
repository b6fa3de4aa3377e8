#include "controlplane/millctl/terminal.h"

#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>
#include <string_view>
#include <utility>

namespace millrace::millctl {
namespace {

// ECMA-48 and xterm: the alternate screen, the cursor, and the place of what follows.
constexpr char kEnter[] = "\x1b[?1049h\x1b[?25l";
constexpr char kLeave[] = "\x1b[?25h\x1b[?1049l";
constexpr char kHome[] = "\x1b[H";
constexpr char kClearLine[] = "\x1b[K";
constexpr char kClearRest[] = "\x1b[J";

constexpr char kControlC = 3;
constexpr char kControlD = 4;

sigset_t watched_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGWINCH, SIGTSTP}) sigaddset(&set, number);
  return set;
}

void write_all(std::string_view text) {
  while (!text.empty()) {
    const ssize_t bytes = write(STDOUT_FILENO, text.data(), text.size());
    if (bytes < 0 && errno == EINTR) continue;
    if (bytes <= 0) return;
    text.remove_prefix(static_cast<size_t>(bytes));
  }
}

}  // namespace

std::optional<Terminal> Terminal::take(std::string& problem) {
  termios before{};
  if (isatty(STDOUT_FILENO) == 0 || tcgetattr(STDIN_FILENO, &before) != 0) {
    problem = "top needs a terminal; `millctl services`, `backends` and `status` print the same once";
    return std::nullopt;
  }
  const sigset_t set = watched_signals();
  sigprocmask(SIG_BLOCK, &set, nullptr);
  const int signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
  if (signals < 0) {
    problem = "signalfd: no descriptor is free";
    return std::nullopt;
  }
  termios raw = before;
  raw.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO | ISIG);
  raw.c_cc[VMIN] = 0;
  raw.c_cc[VTIME] = 0;
  tcsetattr(STDIN_FILENO, TCSADRAIN, &raw);
  write_all(kEnter);
  return Terminal(before, signals);
}

Terminal::Terminal(Terminal&& other) noexcept : before_(other.before_), signals_(std::exchange(other.signals_, -1)) {}

Terminal::~Terminal() {
  if (signals_ < 0) return;
  write_all(kLeave);
  tcsetattr(STDIN_FILENO, TCSADRAIN, &before_);
  close(signals_);
}

Terminal::Read Terminal::read(int timeout_ms) const {
  pollfd from[] = {{STDIN_FILENO, POLLIN, 0}, {signals_, POLLIN, 0}};
  if (poll(from, 2, timeout_ms) <= 0) return {};
  signalfd_siginfo signal{};
  if (::read(signals_, &signal, sizeof signal) == static_cast<ssize_t>(sizeof signal))
    return {signal.ssi_signo == SIGWINCH ? Input::resized : Input::end, 0};
  char key = 0;
  if (::read(STDIN_FILENO, &key, 1) != 1)
    return {(from[0].revents & (POLLIN | POLLHUP)) != 0 ? Input::end : Input::nothing, 0};
  return {key == kControlC || key == kControlD ? Input::end : Input::key, key};
}

Size Terminal::size() const {
  winsize window{};
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &window) != 0 || window.ws_row == 0 || window.ws_col == 0) return {};
  return {window.ws_row, window.ws_col};
}

void Terminal::draw(const std::string& text) const {
  std::string screen = kHome;
  for (const char c : text) {
    if (c == '\n') screen += kClearLine;
    screen += c;
  }
  write_all(screen + kClearLine + kClearRest);
}

}  // namespace millrace::millctl
