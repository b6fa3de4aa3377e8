// corpus_test.cpp: every file of tests/config/bad is refused with exactly the errors that its head names, in file
// order; every file of tests/config/good and docs/examples loads.
// Format: "# expect: LINE:KEY:SUBSTRING", LINE 0 for the whole file, SUBSTRING of the formatted error.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "controlplane/config/config.h"

namespace millrace::config {
namespace {

struct Expected {
  uint32_t line = 0;
  std::string key;
  std::string substring;
};

std::vector<std::filesystem::path> toml_files(const std::string& folder) {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(std::string(MR_SOURCE_DIR) + "/" + folder))
    if (entry.path().extension() == ".toml") files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  return files;
}

std::vector<Expected> read_expected(const std::filesystem::path& path) {
  constexpr std::string_view kMark = "# expect: ";
  std::ifstream file(path);
  std::vector<Expected> expected;
  for (std::string line; std::getline(file, line);) {
    if (line.substr(0, kMark.size()) != kMark) continue;
    std::istringstream parts(line.substr(kMark.size()));
    Expected one;
    std::string number;
    std::getline(parts, number, ':');
    std::getline(parts, one.key, ':');
    std::getline(parts, one.substring);
    one.line = static_cast<uint32_t>(std::stoul(number));
    expected.push_back(one);
  }
  return expected;
}

std::string all_errors(const LoadResult& result) {
  std::string text;
  for (const ConfigError& error : result.errors) text += format_error(error) + "\n";
  return text;
}

class Corpus : public testing::TestWithParam<std::filesystem::path> {};

class BadFile : public Corpus {};
class GoodFile : public Corpus {};

std::string test_name(const testing::TestParamInfo<std::filesystem::path>& param) {
  std::string name = param.param.stem().string();
  std::replace_if(
      name.begin(), name.end(), [](unsigned char c) { return std::isalnum(c) == 0; }, '_');
  return name;
}

TEST_P(BadFile, is_refused_with_exactly_its_errors) {
  const std::vector<Expected> expected = read_expected(GetParam());
  const LoadResult result = load_config(GetParam().string());
  ASSERT_FALSE(expected.empty()) << "the file names no expected error";
  EXPECT_FALSE(result.config.has_value());
  ASSERT_EQ(result.errors.size(), expected.size()) << all_errors(result);
  for (size_t i = 0; i < expected.size(); ++i) {
    const ConfigError& error = result.errors[i];
    const std::string text = format_error(error);
    EXPECT_EQ(error.line, expected[i].line) << text;
    EXPECT_EQ(error.key, expected[i].key) << text;
    EXPECT_NE(text.find(expected[i].substring), std::string::npos) << text << "\nlacks " << expected[i].substring;
    EXPECT_EQ(error.line == 0, error.column == 0) << text;
    EXPECT_FALSE(error.problem.empty()) << text;
    EXPECT_FALSE(error.remedy.empty()) << text;
  }
}

TEST_P(GoodFile, loads) {
  const LoadResult result = load_config(GetParam().string());
  EXPECT_TRUE(result.config.has_value()) << all_errors(result);
  EXPECT_TRUE(result.errors.empty());
}

INSTANTIATE_TEST_SUITE_P(Config, BadFile, testing::ValuesIn(toml_files("tests/config/bad")), test_name);
INSTANTIATE_TEST_SUITE_P(Config, GoodFile, testing::ValuesIn(toml_files("tests/config/good")), test_name);
INSTANTIATE_TEST_SUITE_P(Examples, GoodFile, testing::ValuesIn(toml_files("docs/examples")), test_name);

TEST(Docs_configuration, explains_every_key_and_links_every_example) {
  std::ifstream doc(std::string(MR_SOURCE_DIR) + "/docs/configuration.md");
  const std::string text((std::istreambuf_iterator<char>(doc)), std::istreambuf_iterator<char>());
  unsigned count = 0;
  for (const char* name : {"every_key.toml", "proxied.toml", "healthchecks.toml"}) {
    std::ifstream keys(std::string(MR_SOURCE_DIR) + "/tests/config/good/" + name);
    for (std::string line; std::getline(keys, line);) {
      const size_t equals = line.find(" = ");
      if (equals == std::string::npos || line.front() == '#') continue;
      const std::string key = line.substr(0, equals);
      EXPECT_NE(text.find("`" + key + "`"), std::string::npos) << key;
      ++count;
    }
  }
  EXPECT_GT(count, 80u);
  for (const std::filesystem::path& path : toml_files("docs/examples"))
    EXPECT_NE(text.find("(examples/" + path.filename().string() + ")"), std::string::npos) << path;
}

TEST(Corpus_bad, holds_the_mistakes_people_make) { EXPECT_GE(toml_files("tests/config/bad").size(), 30u); }

}  // namespace
}  // namespace millrace::config
