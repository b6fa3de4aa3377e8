// top_test.cpp: millctl top in a terminal of its own: what it shows, what keys do, and that the terminal is as it was.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <pty.h>
#include <sys/ioctl.h>
#include <termios.h>

#include <algorithm>

#include "tests/unit/control/program.h"
#include "tests/unit/control/running_daemon.h"
#include "tests/unit/control/sample_config.h"

namespace millrace::control {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr char kLeave[] = "\x1b[?25h\x1b[?1049l";

// millctl top on the inside of a pseudo-terminal; we are the screen and the keyboard.
class Top {
 public:
  Top(const std::string& socket, unsigned short rows, unsigned short columns) {
    winsize size{rows, columns, 0, 0};
    pid_ = forkpty(&screen_, nullptr, nullptr, &size);
    if (pid_ != 0) {
      tcgetattr(screen_, &before_);
      return;
    }
    execl(MILLCTL_PATH, MILLCTL_PATH, "--socket", socket.c_str(), "top", nullptr);
    _exit(127);
  }
  ~Top() {
    if (pid_ > 0) {
      kill(pid_, SIGKILL);
      waitpid(pid_, nullptr, 0);
    }
    close(screen_);
  }
  Top(const Top&) = delete;
  Top& operator=(const Top&) = delete;

  void press(const std::string& keys) { EXPECT_EQ(write(screen_, keys.data(), keys.size()), ssize_t(keys.size())); }
  void resize(unsigned short rows, unsigned short columns) {
    const winsize size{rows, columns, 0, 0};
    ioctl(screen_, TIOCSWINSZ, &size);
  }
  void signal(int number) { kill(pid_, number); }
  // From now on, within 20 s.
  bool shows(const std::string& wanted) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    shown.clear();
    while (std::chrono::steady_clock::now() < deadline) {
      if (!read_some()) return false;
      if (shown.find(wanted) != std::string::npos) return true;
    }
    return false;
  }
  int wait() {
    while (read_some()) {
    }
    int status = 0;
    waitpid(pid_, &status, 0);
    pid_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }
  bool is_as_before() const {
    termios now{};
    tcgetattr(screen_, &now);
    return now.c_lflag == before_.c_lflag && now.c_cc[VMIN] == before_.c_cc[VMIN];
  }
  std::string shown;

 private:
  // False: the other side is closed.
  bool read_some() {
    pollfd from{screen_, POLLIN, 0};
    if (poll(&from, 1, 100) == 0) return true;
    char part[4096];
    const ssize_t bytes = read(screen_, part, sizeof part);
    if (bytes <= 0) return false;
    shown.append(part, static_cast<size_t>(bytes));
    return true;
  }

  int screen_ = -1;
  pid_t pid_ = -1;
  termios before_{};
};

struct TopTest : testing::Test {
  RunningDaemon running;
  Admin admin_of(const std::string& backend) {
    Admin admin = Admin::enabled;
    running.with([&] {
      const DesiredService* web = find_service(running.daemon->desired(), "web");
      admin = find_backend(*web, endpoint(backend))->admin;
    });
    return admin;
  }
};

TEST_F(TopTest, shows_sorts_filters_and_ends) {
  running.start_dataplane();
  Top top(running.socket, 30, 120);
  ASSERT_TRUE(top.shows("10.0.0.3:53")) << top.shown;
  EXPECT_THAT(top.shown, HasSubstr("services 2/2 up"));
  EXPECT_FALSE(top.is_as_before());
  top.press("/web");
  ASSERT_TRUE(top.shows("filter: web_"));
  top.press("\n");
  ASSERT_TRUE(top.shows("q quit"));
  EXPECT_THAT(top.shown, HasSubstr("10.0.0.1:80"));
  EXPECT_THAT(top.shown, Not(HasSubstr("10.0.0.3:53")));
  top.press("q");
  EXPECT_EQ(top.wait(), 0);
  EXPECT_TRUE(top.is_as_before());
  EXPECT_THAT(top.shown, HasSubstr(kLeave));
}

TEST_F(TopTest, drains_and_enables_when_confirmed) {
  Top top(running.socket, 30, 120);
  ASSERT_TRUE(top.shows("10.0.0.2:80"));
  top.press("jd");
  ASSERT_TRUE(top.shows("drain 10.0.0.2:80 of web? y/n"));
  top.press("n");
  ASSERT_TRUE(top.shows("nothing was changed"));
  EXPECT_EQ(admin_of("10.0.0.2:80"), Admin::enabled);
  top.press("dy");
  ASSERT_TRUE(top.shows("10.0.0.2:80 of web: drain"));
  EXPECT_EQ(admin_of("10.0.0.2:80"), Admin::drain);
  EXPECT_EQ(admin_of("10.0.0.1:80"), Admin::enabled);
  top.press("ey");
  ASSERT_TRUE(top.shows("10.0.0.2:80 of web: enabled"));
  EXPECT_EQ(admin_of("10.0.0.2:80"), Admin::enabled);
}

TEST_F(TopTest, fits_every_size) {
  Top top(running.socket, 30, 120);
  ASSERT_TRUE(top.shows("q quit"));
  for (const auto& [rows, columns] : {std::pair{6, 20}, {1, 1}, {2, 200}, {100, 300}}) {
    top.resize(static_cast<unsigned short>(rows), static_cast<unsigned short>(columns));
    ASSERT_TRUE(top.shows("\x1b[J"));
    ASSERT_TRUE(top.shows("\x1b[J"));
    const size_t end = top.shown.rfind("\x1b[J");
    const size_t begin = top.shown.rfind("\x1b[H", end);
    ASSERT_NE(begin, std::string::npos);
    EXPECT_LT(std::ranges::count(top.shown.substr(begin, end - begin), '\n'), rows) << rows;
  }
}

TEST_F(TopTest, gives_the_terminal_back_after_signals) {
  for (const int number : {SIGTERM, SIGINT, SIGHUP}) {
    Top top(running.socket, 30, 120);
    ASSERT_TRUE(top.shows("q quit"));
    top.signal(number);
    EXPECT_EQ(top.wait(), 0);
    EXPECT_TRUE(top.is_as_before()) << number;
    EXPECT_THAT(top.shown, HasSubstr(kLeave)) << number;
  }
}

TEST_F(TopTest, refuses_what_is_no_terminal) {
  const Said said = millctl(running.dir, {"--socket", running.socket, "top"});
  EXPECT_EQ(said.exit, 2);
  EXPECT_THAT(said.err, HasSubstr("needs a terminal"));
  EXPECT_EQ(millctl(running.dir, {"--socket", running.dir.path("none"), "top"}).exit, 3);
}

}  // namespace
}  // namespace millrace::control
