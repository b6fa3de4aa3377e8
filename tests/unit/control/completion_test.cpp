// completion_test.cpp: what millctl's completion offers, asked of a real bash.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

#include "tests/unit/control/program.h"

namespace millrace::control {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

struct Completion : testing::Test {
  TempDir dir;
  // What bash offers for the last of the words.
  std::vector<std::string> offers(const std::string& words) {
    const std::string script = "source <(" MILLCTL_PATH
                               " completion bash)\n"
                               "read -ra COMP_WORDS <<< '" +
                               words +
                               "'\n"
                               "[[ '" +
                               words +
                               "' != *' ' ]] || COMP_WORDS+=('')\n"
                               "COMP_CWORD=$((${#COMP_WORDS[@]} - 1))\n"
                               "complete -p millctl > /dev/null && _millctl && printf '%s\\n' \"${COMPREPLY[@]}\"\n";
    Process bash(dir, "/bin/bash", {"--norc", "-c", script});
    EXPECT_EQ(bash.wait(), 0) << bash.err();
    std::istringstream lines(bash.out());
    std::vector<std::string> all;
    for (std::string line; std::getline(lines, line);)
      if (!line.empty()) all.push_back(line);
    return all;
  }
};

TEST_F(Completion, bash_knows_commands_and_options) {
  EXPECT_THAT(offers("millctl sta"), ElementsAre("status", "stages"));
  EXPECT_THAT(offers("millctl backend "), Contains("drain"));
  EXPECT_THAT(offers("millctl backend re"), ElementsAre("remove"));
  EXPECT_THAT(offers("millctl --json service s"), ElementsAre("set", "show"));
  EXPECT_THAT(offers("millctl connections --l"), ElementsAre("--limit"));
  EXPECT_THAT(offers("millctl connections --"), Contains("--socket")) << "options of millctl itself";
  EXPECT_THAT(offers("millctl completion "), Contains("fish"));
  EXPECT_THAT(offers("millctl tune timeouts.syn"), ElementsAre("timeouts.syn_sent", "timeouts.syn_received"));
  EXPECT_THAT(offers("millctl tune --reset log"), ElementsAre("logging.level"));
  EXPECT_THAT(offers("millctl status "), Not(Contains("drain")));
  EXPECT_THAT(offers("millctl nonsense-"), testing::IsEmpty());
}

TEST_F(Completion, every_command_of_the_help_is_known) {
  std::istringstream help(millctl(dir, {"--help"}).out);
  const std::vector<std::string> known = offers("millctl ");
  bool below = false;
  size_t commands = 0;
  for (std::string line; std::getline(help, line);) {
    if (line == "Subcommands:") below = true;
    if (!below || !line.starts_with("  ") || line.starts_with("   ")) continue;
    std::istringstream words(line);
    std::string name;
    words >> name;
    if (name == "millctl") break;  // the examples
    EXPECT_THAT(known, Contains(name));
    ++commands;
  }
  EXPECT_GT(commands, 15u);
}

TEST_F(Completion, zsh_and_fish_have_theirs) {
  EXPECT_THAT(millctl(dir, {"completion", "zsh"}).out, HasSubstr("#compdef millctl"));
  EXPECT_THAT(millctl(dir, {"completion", "zsh"}).out, HasSubstr("'drain:"));
  EXPECT_THAT(millctl(dir, {"completion", "fish"}).out, HasSubstr("-l limit"));
  EXPECT_EQ(millctl(dir, {"completion", "tcsh"}).exit, 2);
}

}  // namespace
}  // namespace millrace::control
