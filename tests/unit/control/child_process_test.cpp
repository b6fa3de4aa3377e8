// child_process_test.cpp: programs run for their output, against a real shell.
#include "controlplane/process/child_process.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <cerrno>
#include <thread>

namespace millrace::control {
namespace {

namespace asio = boost::asio;
using End = ChildResult::End;
using std::chrono::milliseconds;

struct Ran {
  ChildResult result;
  milliseconds took{};
};

Ran run(std::vector<std::string> argv, milliseconds timeout = milliseconds(5000), size_t max_bytes = 1000) {
  asio::io_context loop;
  Ran ran;
  const auto start = std::chrono::steady_clock::now();
  asio::co_spawn(loop, run_child(std::move(argv), {.timeout = timeout, .output_bytes_max = max_bytes}),
                 [&](std::exception_ptr error, ChildResult result) {
                   EXPECT_FALSE(error);
                   ran.result = std::move(result);
                   ran.took = std::chrono::duration_cast<milliseconds>(std::chrono::steady_clock::now() - start);
                 });
  loop.run();
  return ran;
}

Ran run_shell(const std::string& script, milliseconds timeout = milliseconds(5000), size_t max_bytes = 1000) {
  return run({"sh", "-c", script}, timeout, max_bytes);
}

void expect_no_child_left() {
  EXPECT_EQ(waitpid(-1, nullptr, WNOHANG), -1);
  EXPECT_EQ(errno, ECHILD);
}

bool dies(pid_t pid) {
  for (int i = 0; i < 200; ++i) {
    if (kill(pid, 0) != 0) return true;
    std::this_thread::sleep_for(milliseconds(10));
  }
  return false;
}

TEST(run_child, output_and_status) {
  const Ran ran = run_shell("echo one; echo two");
  EXPECT_TRUE(ran.result.succeeded());
  EXPECT_EQ(ran.result.output, "one\ntwo\n");
  expect_no_child_left();
}

TEST(run_child, arguments_are_not_read_by_a_shell) {
  EXPECT_EQ(run({"echo", "$HOME;", "a b"}).result.output, "$HOME; a b\n");
}

TEST(run_child, failure_has_its_status_and_the_first_line_of_stderr) {
  const Ran ran = run_shell("echo no such host >&2; echo and more >&2; exit 3");
  EXPECT_EQ(ran.result.end, End::exited);
  EXPECT_FALSE(ran.result.succeeded());
  EXPECT_EQ(describe(ran.result, milliseconds(1)), "exit status 3: no such host");
}

TEST(run_child, long_complaint_is_cut_and_does_not_stop_the_program) {
  const Ran ran = run_shell("head -c 300000 /dev/zero | tr '\\0' x >&2; echo end");
  EXPECT_EQ(ran.result.output, "end\n");
  EXPECT_EQ(ran.result.complaint, std::string(kComplaintBytesMax, 'x'));
}

TEST(run_child, no_such_program) {
  const Ran ran = run({"/no/such/program"});
  EXPECT_EQ(ran.result.end, End::not_started);
  EXPECT_EQ(describe(ran.result, milliseconds(1)), "not started: No such file or directory");
  expect_no_child_left();
}

TEST(run_child, killed_by_another) {
  const Ran ran = run_shell("kill -TERM $$");
  EXPECT_EQ(ran.result.end, End::killed);
  EXPECT_EQ(ran.result.code, SIGTERM);
}

TEST(run_child, timeout_kills_what_the_program_started_too) {
  const Ran ran = run_shell("sleep 600 & echo $!; wait", milliseconds(200));
  EXPECT_EQ(ran.result.end, End::timed_out);
  EXPECT_GE(ran.took, milliseconds(190));
  EXPECT_LT(ran.took, milliseconds(3000));
  EXPECT_TRUE(dies(std::stoi(ran.result.output)));
  EXPECT_EQ(describe(ran.result, milliseconds(200)), "no end within 200 ms");
  expect_no_child_left();
}

TEST(run_child, closed_output_is_no_end) {
  const Ran ran = run_shell("exec >&- 2>&-; sleep 0.2; exit 4");
  EXPECT_EQ(ran.result.end, End::exited);
  EXPECT_EQ(ran.result.code, 4);
}

TEST(run_child, program_left_behind_does_not_hold_the_answer) {
  const Ran ran = run_shell("sleep 600 & echo $!");
  EXPECT_TRUE(ran.result.succeeded());
  EXPECT_LT(ran.took, milliseconds(3000));
  EXPECT_TRUE(dies(std::stoi(ran.result.output)));
}

TEST(run_child, program_that_left_the_group_does_not_hold_the_answer) {
  const Ran ran = run_shell("setsid sh -c 'echo $$; exec sleep 3' & sleep 0.3; echo end");
  EXPECT_TRUE(ran.result.succeeded());
  EXPECT_LT(ran.took, milliseconds(2500));
  EXPECT_NE(ran.result.output.find("end\n"), std::string::npos);
  EXPECT_EQ(kill(std::stoi(ran.result.output), SIGKILL), 0);
}

TEST(run_child, endless_output_is_cut_short) {
  const Ran ran = run_shell("yes", milliseconds(5000), 100'000);
  EXPECT_EQ(ran.result.end, End::output_too_long);
  EXPECT_EQ(ran.result.output.size(), 100'000u);
  EXPECT_LT(ran.took, milliseconds(3000));
  expect_no_child_left();
}

TEST(run_child, output_of_exactly_the_maximum) {
  EXPECT_TRUE(run_shell("printf 0123456789", milliseconds(5000), 10).result.succeeded());
  EXPECT_EQ(run_shell("printf 0123456789", milliseconds(5000), 9).result.end, End::output_too_long);
}

TEST(run_child, input_is_empty_and_no_descriptor_is_inherited) {
  const int leak = dup(STDERR_FILENO);  // not close-on-exec
  EXPECT_EQ(run_shell("cat; ls /proc/self/fd | wc -l").result.output, "4\n") << "0, 1, 2 and that of ls itself";
  close(leak);
}

TEST(run_child, broken_pipes_end_the_program_although_millraced_ignores_them) {
  const auto before = signal(SIGPIPE, SIG_IGN);
  const Ran ran = run_shell("grep ^SigIgn /proc/self/status | cut -f2; kill -PIPE $$");
  signal(SIGPIPE, before);
  EXPECT_EQ(std::stoull(ran.result.output, nullptr, 16) & (1u << (SIGPIPE - 1)), 0u);
  EXPECT_EQ(ran.result.end, End::killed);
}

TEST(run_child, loop_that_ends_takes_the_program_along) {
  {
    asio::io_context loop;
    asio::co_spawn(loop, run_child({"sleep", "600"}, {.timeout = milliseconds(60'000), .output_bytes_max = 10}),
                   [](auto...) {});
    loop.poll();
    siginfo_t info{};
    EXPECT_EQ(waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT), 0) << "it runs";
  }
  int status = 0;
  if (waitpid(-1, &status, 0) < 0)
    EXPECT_EQ(errno, ECHILD) << "reaped at once";
  else
    EXPECT_TRUE(WIFSIGNALED(status));
}

}  // namespace
}  // namespace millrace::control
