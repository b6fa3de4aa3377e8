// history_test.cpp: records, the history's files and their rotation, and what a change on trial leaves behind.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "controlplane/history/history.h"
#include "controlplane/history/unconfirmed.h"
#include "tests/unit/control/fake_dataplane.h"

namespace millrace::control {
namespace {

using testing::HasSubstr;

std::string contents(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}
void write(const std::string& path, const std::string& text) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << text;
}
mode_t mode_of(const std::string& path) {
  struct stat found {};
  stat(path.c_str(), &found);
  return found.st_mode & 07777;
}

HistoryEntry entry(const std::string& text, ChangeOrigin origin = ChangeOrigin::apply) {
  HistoryEntry made;
  made.time = 1'795'305'600;
  made.origin = origin;
  made.summary = "of " + text;
  made.text = text;
  return made;
}

TEST(record, brings_any_bytes_back) {
  const Record record = {{"text", std::string("a\n\0 7\nb", 7)}, {"empty", ""}, {"changes", "\xff\n"}};
  EXPECT_EQ(parse_record(format_record(record)), record);
}

TEST(record, refuses_what_is_damaged) {
  const std::string good = format_record({{"text", "hello"}});
  for (size_t bytes = good.size() - 1; bytes > sizeof "millrace-record 1"; --bytes)
    EXPECT_FALSE(parse_record(good.substr(0, bytes)).has_value()) << bytes;
  for (const char* bad : {"", "text 5\nhello\n", "millrace-record 1\ntext -1\n\n", "millrace-record 1\ntext x\nhello\n",
                          "millrace-record 1\ntext 99999999999999999999\nhello\n", "millrace-record 1\na 0\n\na 0\n\n",
                          "millrace-record 1\ntext 18446744073709551615\nhello\n"})
    EXPECT_FALSE(parse_record(bad).has_value()) << bad;
}

struct HistoryFiles : testing::Test {
  std::string problem;
  TempDir dir;
  std::string place = dir.path("history");
};

TEST_F(HistoryFiles, keep_what_was_in_force_over_a_restart) {
  {
    History history(place);
    EXPECT_TRUE(history.rows().empty());
    EXPECT_EQ(history.keep(entry("one", ChangeOrigin::start), problem), 1u);
    EXPECT_EQ(history.keep(entry("two"), problem), 2u);
  }
  const History history(place);
  ASSERT_EQ(history.rows().size(), 2u);
  EXPECT_EQ(history.rows()[0].origin, ChangeOrigin::start);
  EXPECT_EQ(history.rows()[1].summary, "of two");
  EXPECT_EQ(history.read(1, problem)->text, "one");
  EXPECT_EQ(mode_of(place), 0700u);
  EXPECT_EQ(mode_of(place + "/000001.config"), 0600u);
}

TEST_F(HistoryFiles, have_what_is_the_same_once) {
  History history(place);
  EXPECT_EQ(history.keep(entry("one"), problem), 1u);
  EXPECT_EQ(history.keep(entry("one", ChangeOrigin::start), problem), 1u);
  HistoryEntry changed = entry("one", ChangeOrigin::rest);
  changed.changes = "removed = ['web']";
  EXPECT_EQ(history.keep(changed, problem), 2u);
}

TEST_F(HistoryFiles, of_a_row_of_rest_changes_are_one) {
  History history(place);
  history.keep(entry("one"), problem);
  for (int i = 0; i < 100; ++i) {
    HistoryEntry changed = entry("one", ChangeOrigin::rest);
    changed.changes = std::to_string(i);
    changed.summary = "server" + std::to_string(i) + " added";
    EXPECT_EQ(history.keep(changed, problem), 2u);
  }
  EXPECT_EQ(history.read(2, problem)->changes, "99");
  EXPECT_THAT(history.rows()[1].summary, HasSubstr("server0 added, server1 added"));
  EXPECT_LT(history.rows()[1].summary.size(), 220u);
  HistoryEntry later = entry("one", ChangeOrigin::rest);
  later.time += 3600;
  later.changes = "later";
  EXPECT_EQ(history.keep(later, problem), 3u);
}

TEST_F(HistoryFiles, are_the_last_twenty) {
  History history(place);
  for (int i = 1; i <= 30; ++i) EXPECT_EQ(history.keep(entry(std::to_string(i)), problem), static_cast<uint64_t>(i));
  EXPECT_EQ(history.rows().size(), kHistoryMax);
  EXPECT_EQ(history.rows().front().number, 11u);
  EXPECT_FALSE(history.read(10, problem).has_value());
  EXPECT_THAT(problem, HasSubstr("000010.config"));
  size_t files = 0;
  for ([[maybe_unused]] const auto& file : std::filesystem::directory_iterator(place)) ++files;
  EXPECT_EQ(files, kHistoryMax);
  EXPECT_EQ(History(place).keep(entry("31"), problem), 31u);
}

TEST_F(HistoryFiles, that_are_damaged_are_left_alone) {
  History(place).keep(entry("one"), problem);
  write(place + "/000007.config", "no record");
  write(place + "/notes.txt", "mine");
  History history(place);
  EXPECT_EQ(history.rows().size(), 1u);
  EXPECT_EQ(history.keep(entry("two"), problem), 8u);
  EXPECT_EQ(contents(place + "/000007.config"), "no record");
}

TEST_F(HistoryFiles, that_cannot_be_written_are_told) {
  write(place, "a file where the directory would be");
  History history(place);
  EXPECT_EQ(history.keep(entry("one"), problem), 0u);
  EXPECT_THAT(problem, HasSubstr(place));
}

struct OnTrial : testing::Test {
  std::string problem;
  TempDir dir;
  std::string file = dir.path("millrace.toml");

  void begin(const std::string& applied) {
    ASSERT_TRUE(write_unconfirmed(file, {entry("before"), applied, 0}, problem)) << problem;
  }
};

TEST_F(OnTrial, a_change_is_taken_back) {
  write(file, "after");
  chmod(file.c_str(), 0640);
  begin("after");
  EXPECT_EQ(mode_of(unconfirmed_path(file)), 0600u);
  EXPECT_EQ(put_back(file, problem), PutBack::done) << problem;
  EXPECT_EQ(contents(file), "before");
  EXPECT_EQ(mode_of(file), 0640u);
  EXPECT_EQ(put_back(file, problem), PutBack::nothing) << "once";
}

// It ended between the two writes.
TEST_F(OnTrial, a_change_that_never_came_into_the_file_is_forgotten) {
  write(file, "before");
  begin("after");
  EXPECT_EQ(put_back(file, problem), PutBack::done);
  EXPECT_EQ(contents(file), "before");
  EXPECT_EQ(put_back(file, problem), PutBack::nothing);
}

TEST_F(OnTrial, what_somebody_wrote_since_stays) {
  write(file, "edited by hand");
  begin("after");
  EXPECT_EQ(put_back(file, problem), PutBack::edited);
  EXPECT_EQ(contents(file), "edited by hand");
  EXPECT_EQ(put_back(file, problem), PutBack::nothing);
}

TEST_F(OnTrial, a_confirmed_change_is_not_taken_back) {
  write(file, "after");
  begin("after");
  EXPECT_TRUE(forget_unconfirmed(file, problem));
  EXPECT_TRUE(forget_unconfirmed(file, problem));
  EXPECT_EQ(put_back(file, problem), PutBack::nothing);
}

TEST_F(OnTrial, a_damaged_record_is_told_and_touches_nothing) {
  write(file, "after");
  write(unconfirmed_path(file), "millrace-record 1\ntext 5\nhel");
  EXPECT_EQ(put_back(file, problem), PutBack::failed);
  EXPECT_THAT(problem, HasSubstr("is damaged"));
  EXPECT_EQ(contents(file), "after");
}

}  // namespace
}  // namespace millrace::control
