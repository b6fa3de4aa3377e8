// whole_file_test.cpp: files that are the old one or the new one.
#include "controlplane/config/whole_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace millrace::config {
namespace {

using testing::HasSubstr;

struct WholeFile : testing::Test {
  std::string problem;
  std::string dir;
  std::string path;

  void SetUp() override {
    char made[] = "/tmp/millrace-test-XXXXXX";
    ASSERT_NE(mkdtemp(made), nullptr);
    dir = made;
    path = dir + "/file";
  }
  void TearDown() override { std::filesystem::remove_all(dir); }

  static std::string contents(const std::string& of) {
    std::ifstream file(of, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  static mode_t mode_of(const std::string& of) {
    struct stat found {};
    stat(of.c_str(), &found);
    return found.st_mode & 07777;
  }
  size_t files() const {
    const std::filesystem::directory_iterator all(dir);
    return static_cast<size_t>(std::distance(begin(all), end(all)));
  }
};

TEST_F(WholeFile, that_is_new_is_its_owners) {
  EXPECT_TRUE(write_whole_file(path, std::string("a\0b", 3), problem)) << problem;
  EXPECT_EQ(contents(path), std::string("a\0b", 3));
  EXPECT_EQ(mode_of(path), 0600u);
  EXPECT_TRUE(write_whole_file(path, "", problem));
  EXPECT_EQ(contents(path), "");
  EXPECT_EQ(files(), 1u);
}

TEST_F(WholeFile, that_is_replaced_keeps_owner_and_mode) {
  std::ofstream(path) << "old";
  ASSERT_EQ(chmod(path.c_str(), 0644), 0);
  const bool chowned = chown(path.c_str(), 12, 34) == 0;  // as root alone
  EXPECT_EQ(chowned, geteuid() == 0);
  EXPECT_TRUE(may_replace_file(path, problem));
  EXPECT_TRUE(replace_whole_file(path, "new", problem)) << problem;
  EXPECT_EQ(contents(path), "new");
  EXPECT_EQ(mode_of(path), 0644u);
  struct stat found {};
  ASSERT_EQ(stat(path.c_str(), &found), 0);
  EXPECT_EQ(chowned, found.st_uid == 12 && found.st_gid == 34);
}

TEST_F(WholeFile, behind_a_link_is_replaced_there) {
  ASSERT_EQ(mkdir((dir + "/real").c_str(), 0700), 0);
  std::ofstream(dir + "/real/file") << "old";
  ASSERT_EQ(symlink("real/file", path.c_str()), 0);
  EXPECT_TRUE(replace_whole_file(path, "new", problem)) << problem;
  EXPECT_TRUE(std::filesystem::is_symlink(path));
  EXPECT_EQ(contents(dir + "/real/file"), "new");
}

TEST_F(WholeFile, that_cannot_be_written_stays_as_it_is) {
  std::ofstream(path) << "old";
  ASSERT_EQ(mkdir((path + ".new").c_str(), 0700), 0);
  EXPECT_FALSE(replace_whole_file(path, "new", problem));
  EXPECT_THAT(problem, HasSubstr(path + " cannot be written: "));
  EXPECT_EQ(contents(path), "old");
  EXPECT_FALSE(write_whole_file(dir + "/no/where", "new", problem));
}

// Whoever may write the directory cannot turn a write into one elsewhere.
TEST_F(WholeFile, does_not_follow_a_link_that_lies_in_its_way) {
  std::ofstream(dir + "/victim") << "mine";
  ASSERT_EQ(symlink("victim", (path + ".new").c_str()), 0);
  EXPECT_FALSE(write_whole_file(path, "new", problem));
  EXPECT_EQ(contents(dir + "/victim"), "mine");
}

TEST_F(WholeFile, that_is_none_may_not_be_replaced) {
  EXPECT_FALSE(may_replace_file(path, problem));
  EXPECT_THAT(problem, HasSubstr("is not there"));
  EXPECT_FALSE(may_replace_file(dir, problem));
  EXPECT_THAT(problem, HasSubstr("no regular file"));
}

}  // namespace
}  // namespace millrace::config
