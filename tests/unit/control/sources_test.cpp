// sources_test.cpp: sources of this host: programs and files.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <filesystem>
#include <fstream>

#include "controlplane/discovery/exec_source.h"
#include "controlplane/discovery/file_source.h"
#include "tests/unit/control/asking.h"
#include "tests/unit/control/running_daemon.h"

namespace millrace::control {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

Answer run_script(const std::string& script, milliseconds timeout = milliseconds(5000)) {
  ExecSource source({{"sh", "-c", script}});
  return ask(source, timeout);
}

TEST(ExecSource_ask, lines_of_a_program) {
  EXPECT_THAT(endpoints(run_script("echo 10.0.0.1:80 weight=2; echo 10.0.0.2:80")),
              ElementsAre("10.0.0.1:80", "10.0.0.2:80"));
  EXPECT_EQ(run_script("true").problem, "") << "no backends at all are an answer";
}

TEST(ExecSource_ask, failures) {
  EXPECT_EQ(run_script("echo 10.0.0.1:80; echo no route >&2; exit 7").problem, "sh: exit status 7: no route");
  EXPECT_EQ(run_script("sleep 60", milliseconds(100)).problem, "sh: no end within 100 ms");
  ExecSource nowhere({{"/no/such/program"}});
  EXPECT_EQ(ask(nowhere).problem, "/no/such/program: not started: No such file or directory");
}

struct Watched {
  boost::asio::io_context loop;
  TempDir dir;
  std::string path;
  FileSource source;

  explicit Watched(const std::string& name = "backends") : path(dir.path(name)), source({path}) {}
  void replace(const std::string& text) {
    write_file(path + ".new", text);
    std::filesystem::rename(path + ".new", path);
  }
};

TEST(FileSource_ask, lines_and_json) {
  Watched lines;
  lines.replace("10.0.0.1:80\n");
  EXPECT_THAT(endpoints(ask_on(lines.loop, lines.source)), ElementsAre("10.0.0.1:80"));
  Watched json("backends.json");
  json.replace(R"([{"host": "10.0.0.2", "port": 80}])");
  EXPECT_THAT(endpoints(ask_on(json.loop, json.source)), ElementsAre("10.0.0.2:80"));
}

TEST(FileSource_ask, failures) {
  Watched it;
  EXPECT_THAT(ask_on(it.loop, it.source).problem, HasSubstr("backends: No such file or directory"));
  std::filesystem::create_directory(it.path);
  EXPECT_THAT(ask_on(it.loop, it.source).problem, HasSubstr("is no regular file"));
}

TEST(FileSource_ask, size_is_bounded) {
  Watched it;
  it.replace(std::string(kAnswerBytesMax + 1, '#'));
  EXPECT_THAT(ask_on(it.loop, it.source).problem, HasSubstr("has more than 4194304 bytes"));
  it.replace(std::string(kAnswerBytesMax, '#'));
  EXPECT_EQ(ask_on(it.loop, it.source).problem, "");
}

// How long await_change takes when `change` comes after a first question.
milliseconds await_change(Watched& it, const std::function<void()>& change, milliseconds patience) {
  bool over = false;
  ask_on(it.loop, it.source);
  const auto start = steady_clock::now();
  it.loop.restart();
  boost::asio::co_spawn(it.loop, it.source.await_change(start + patience), [&](std::exception_ptr) { over = true; });
  it.loop.run_for(milliseconds(50));
  EXPECT_FALSE(over) << "nothing has changed yet";
  change();
  it.loop.run();
  EXPECT_TRUE(over);
  return std::chrono::duration_cast<milliseconds>(steady_clock::now() - start);
}

TEST(FileSource_await_change, rename_write_and_removal_are_seen) {
  const std::function<void(Watched&)> changes[] = {
      [](Watched& it) { it.replace("10.0.0.2:80\n"); },
      [](Watched& it) { write_file(it.path, "10.0.0.3:80\n"); },
      [](Watched& it) { std::filesystem::remove(it.path); },
  };
  for (const auto& change : changes) {
    Watched it;
    it.replace("10.0.0.1:80\n");
    EXPECT_LT(await_change(
                  it, [&] { change(it); }, milliseconds(10'000)),
              milliseconds(2000));
  }
}

TEST(FileSource_await_change, other_files_are_not_it) {
  Watched it;
  it.replace("10.0.0.1:80\n");
  EXPECT_GE(await_change(
                it, [&] { write_file(it.path + ".new", "x"); }, milliseconds(400)),
            milliseconds(390));
}

TEST(FileSource_await_change, a_file_that_comes_is_seen) {
  Watched it;
  EXPECT_LT(await_change(
                it, [&] { it.replace("10.0.0.1:80\n"); }, milliseconds(10'000)),
            milliseconds(2000));
}

}  // namespace
}  // namespace millrace::control
