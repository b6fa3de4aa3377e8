// health_exec_test.cpp: kind = "exec" with real commands, those that hang, flood and leave children behind among them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <thread>

#include "controlplane/health/exec_probe.h"
#include "tests/unit/control/probe_peers.h"

namespace millrace::control {
namespace {

using std::chrono::milliseconds;

// A shell script, of which $0 is the address and $1 the port.
config::HealthcheckConfig script(const std::string& text, std::string positive = "", std::string negative = "") {
  return {.kind = config::CheckKind::exec,
          .exec = {.command = {"sh", "-c", text},
                   .positive_output = std::move(positive),
                   .negative_output = std::move(negative)}};
}

void expect_end(const Asked& asked, ProbeOutcome outcome, const std::string& cause) {
  EXPECT_EQ(asked.result.outcome, outcome) << asked.result.cause;
  EXPECT_EQ(asked.result.cause, cause);
}

Asked run(const config::HealthcheckConfig& check, milliseconds timeout = std::chrono::seconds(5)) {
  return ask(check, loopback(8080), timeout);
}

bool has_no_child() { return waitpid(-1, nullptr, WNOHANG) == -1 && errno == ECHILD; }

// Without the children that other tests' loops killed and had no time to wait for.
struct ExecProbe_run : testing::Test {
  ExecProbe_run() {
    for (int i = 0; i < 1000 && !has_no_child(); ++i) std::this_thread::sleep_for(milliseconds(1));
  }
};

TEST_F(ExecProbe_run, address_and_port_are_the_last_arguments) {
  expect_end(run(script("echo $0 $1", "127.0.0.1 8080")), ProbeOutcome::passed,
             R"(its command printed "127.0.0.1 8080\x0a")");
  EXPECT_TRUE(has_no_child());
}

TEST_F(ExecProbe_run, outputs_decide_as_in_gobetween) {
  expect_end(run(script("printf 1", "1", "0")), ProbeOutcome::passed, R"(its command printed "1")");
  expect_end(run(script("printf 0", "1", "0")), ProbeOutcome::failed, R"(its command printed "0")");
  expect_end(run(script("printf maybe", "1", "0")), ProbeOutcome::not_run,
             R"(its command printed "maybe", which is neither of the expected outputs)");
  expect_end(run(script("printf 1; exit 3", "1", "0")), ProbeOutcome::failed, "sh: exit status 3");
  expect_end(run(script("printf 'no\\033[31m host' >&2; exit 3")), ProbeOutcome::failed,
             R"(sh: exit status 3: no\x1b[31m host)");
}

TEST_F(ExecProbe_run, one_output_or_none) {
  EXPECT_EQ(run(script("printf x", "1")).result.outcome, ProbeOutcome::failed);
  EXPECT_EQ(run(script("printf x", "", "0")).result.outcome, ProbeOutcome::passed);
  expect_end(run(script("exit 0")), ProbeOutcome::passed, "its command succeeded");
  expect_end(run(script("exit 1")), ProbeOutcome::failed, "sh: exit status 1");
  expect_end(run(script("kill -SEGV $$")), ProbeOutcome::failed, "sh: ended by signal 11 (Segmentation fault)");
}

TEST_F(ExecProbe_run, no_such_command_says_nothing_about_the_backend) {
  config::HealthcheckConfig check = script("");
  check.exec.command = {"/nonexistent/check"};
  expect_end(run(check), ProbeOutcome::not_run, "/nonexistent/check: not started: No such file or directory");
  EXPECT_TRUE(has_no_child());
}

TEST_F(ExecProbe_run, the_whole_group_is_killed_at_the_timeout) {
  const std::filesystem::path file =
      std::filesystem::temp_directory_path() / ("millrace_exec." + std::to_string(getpid()));
  const Asked asked =
      run(script("trap '' TERM; sleep 60 & echo $! > " + file.string() + "; sleep 60"), milliseconds(300));
  expect_end(asked, ProbeOutcome::failed, "sh: no end within 300 ms");
  EXPECT_LT(asked.took, milliseconds(2000));
  pid_t grandchild = 0;
  std::ifstream(file) >> grandchild;
  std::filesystem::remove(file);
  ASSERT_GT(grandchild, 1);
  // Its parent is gone, so that it is init's to wait for; which may not have come to it.
  for (int i = 0; i < 100 && kill(grandchild, 0) == 0; ++i) {
    std::ifstream stat("/proc/" + std::to_string(grandchild) + "/stat");
    std::string text((std::istreambuf_iterator<char>(stat)), std::istreambuf_iterator<char>());
    if (text.find(") Z") != std::string::npos) break;
    ASSERT_LT(i, 99) << "it lives: " << text;
    std::this_thread::sleep_for(milliseconds(10));
  }
  EXPECT_TRUE(has_no_child()) << "no zombie";
}

TEST_F(ExecProbe_run, a_child_left_behind_does_not_hold_the_answer_up) {
  const Asked asked = run(script("sleep 60 & printf 1", "1", "0"));
  expect_end(asked, ProbeOutcome::passed, R"(its command printed "1")");
  EXPECT_LT(asked.took, milliseconds(3000));
}

TEST_F(ExecProbe_run, output_is_bounded) {
  const Asked endless = run(script("yes", "1", "0"), milliseconds(300));
  expect_end(endless, ProbeOutcome::failed, "sh: no end within 300 ms");
  const Asked much = run(script("head -c 1000000 /dev/zero", "1", "0"));
  EXPECT_EQ(much.result.outcome, ProbeOutcome::not_run);
  EXPECT_THAT(much.result.cause, testing::EndsWith("and much more"));
  EXPECT_LT(much.result.cause.size(), 400u);
  EXPECT_EQ(run(script("head -c 1000000 /dev/zero")).result.outcome, ProbeOutcome::passed) << "the status decides";
  EXPECT_TRUE(has_no_child());
}

TEST_F(ExecProbe_run, inherits_nothing_of_ours) {
  const int descriptor = dup(STDERR_FILENO);
  std::signal(SIGPIPE, SIG_IGN);
  // ls itself opens 3.
  expect_end(run(script("ls /proc/self/fd | tr '\\n' ' '", "0 1 2 3 ")), ProbeOutcome::passed,
             R"(its command printed "0 1 2 3 ")");
  expect_end(run(script("kill -PIPE $$")), ProbeOutcome::failed, "sh: ended by signal 13 (Broken pipe)");
  close(descriptor);
}

TEST_F(ExecProbe_run, so_many_at_once) {
  boost::asio::io_context loop;
  const ProbeMaker make = make_probes(loop.get_executor());
  const std::shared_ptr<Probe> probe = make(script("sleep 0.5"));
  unsigned passed = 0, not_run = 0;
  for (unsigned i = 0; i < kCommandsMax + 3; ++i)
    boost::asio::co_spawn(loop, probe->run(loopback(1), std::chrono::seconds(20)),
                          [&](std::exception_ptr, const ProbeResult& result) {
                            ++(result.outcome == ProbeOutcome::passed ? passed : not_run);
                          });
  loop.run();
  EXPECT_EQ(passed, kCommandsMax);
  EXPECT_EQ(not_run, 3u);
}

}  // namespace
}  // namespace millrace::control
