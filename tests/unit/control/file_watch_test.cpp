// file_watch_test.cpp: a configuration file that changes under a running daemon.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>

#include "controlplane/file_watch.h"
#include "tests/unit/control/api_client.h"

namespace millrace::control {
namespace {

struct FileWatchTest : Api {
  std::unique_ptr<FileWatch> watch;
  unsigned ended = 0;

  FileWatchTest() {
    running.with([&] {
      std::string problem;
      watch = FileWatch::open(*running.daemon, problem);
      ASSERT_TRUE(watch) << problem;
      boost::asio::co_spawn(running.daemon->executor(), watch->run(), [this](std::exception_ptr) { ++ended; });
    });
  }
  ~FileWatchTest() override {
    running.with([&] { watch->stop(); });
    EXPECT_TRUE(running.until([&] { return ended == 1; }));
  }
  std::string with_server(const std::string& name, const std::string& port) {
    return sample_toml(running.dir, "[servers." + name + "]\nbind = \"203.0.113.10:" + port + "\"\n[servers." + name +
                                        ".discovery]\nkind = \"static\"\nstatic_list = [\"10.0.0.9:" + port + "\"]\n");
  }
  bool comes(size_t services) {
    return running.until([&] { return running.daemon->config().services.size() == services; });
  }
};

TEST_F(FileWatchTest, takes_a_file_that_is_written) {
  write_file(running.file, with_server("mail", "25"));
  EXPECT_TRUE(comes(3));
}

TEST_F(FileWatchTest, takes_a_file_that_replaces_it) {
  const std::string fresh = running.dir.path("fresh");
  write_file(fresh, with_server("mail", "25"));
  ASSERT_EQ(rename(fresh.c_str(), running.file.c_str()), 0);
  EXPECT_TRUE(comes(3));
}

// As Kubernetes swaps the files of a ConfigMap.
TEST_F(FileWatchTest, takes_a_link_that_leads_elsewhere) {
  const std::string first = running.dir.path("first"), second = running.dir.path("second");
  write_file(first, with_server("mail", "25"));
  write_file(second, sample_toml(running.dir));
  ASSERT_EQ(unlink(running.file.c_str()), 0);
  ASSERT_EQ(symlink(first.c_str(), running.file.c_str()), 0);
  EXPECT_TRUE(comes(3));
  ASSERT_EQ(symlink(second.c_str(), running.dir.path("link").c_str()), 0);
  ASSERT_EQ(rename(running.dir.path("link").c_str(), running.file.c_str()), 0);
  EXPECT_TRUE(comes(2));
}

TEST_F(FileWatchTest, refuses_a_bad_file_once_and_takes_the_next) {
  write_file(running.file, "[servers.web]\nbind = 1\n");
  EXPECT_TRUE(running.until([&] { return running.daemon->last_reload().has_value(); }));
  running.with([&] { EXPECT_FALSE(running.daemon->last_reload()->accepted); });
  EXPECT_TRUE(comes(2));
  write_file(running.file, with_server("mail", "25"));
  EXPECT_TRUE(comes(3));
}

TEST_F(FileWatchTest, does_not_reload_what_is_applied) {
  const std::string applied = with_server("mail", "25");
  EXPECT_EQ(post("/v1/apply", applied).status, 200);
  EXPECT_TRUE(running.until([&] { return watch->seen() == applied; }));
  running.with([&] { EXPECT_FALSE(running.daemon->last_reload().has_value()); });
}

}  // namespace
}  // namespace millrace::control
