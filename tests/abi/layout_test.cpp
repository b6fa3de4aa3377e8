// layout_test.cpp: the layout of the shared segment equals the checked-in one, layout.golden. The two processes of a
// host may come from two builds: a layout that changes under one version number would be read wrongly, not refused.
// Usage: abi_layout LAYOUT.GOLDEN [--regenerate]
#include <gtest/gtest.h>

#include <cstdio>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "millrace/segment.h"
#include "tests/abi/layout_list.h"

namespace millrace {
namespace {

std::string golden_path;

std::string read_golden() {
  std::ifstream file(golden_path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

// The first line that differs, in the words of both sides.
std::string first_difference(const std::string& golden, const std::string& current) {
  const std::vector<std::string> before = lines_of(golden), now = lines_of(current);
  std::string section;
  for (size_t i = 0;; ++i) {
    const std::string was = i < before.size() ? before[i] : "(end)", is = i < now.size() ? now[i] : "(end)";
    if (was != is)
      return "line " + std::to_string(i + 1) + ", in \"" + section + "\": was \"" + was + "\", is \"" + is + '"';
    if (was == "(end)") return "none";
    if (was[0] != ' ') section = was;
  }
}

TEST(layout_list, equals_the_golden_layout) {
  const std::string golden = read_golden(), current = layout_list();
  ASSERT_FALSE(golden.empty()) << "cannot read " << golden_path;
  if (golden == current) return;
  const bool version_raised = lines_of(golden)[0] != lines_of(current)[0];
  FAIL() << "The layout of the shared segment has changed: " << first_difference(golden, current) << ".\n"
         << (version_raised ? ""
                            : "If that is meant, raise kAbiVersion in include/millrace/segment.h, rebuild, and then\n")
         << "write it down with\n  BUILD/tests/abi/abi_layout tests/abi/layout.golden --regenerate\n"
         << "and commit layout.golden together with the change.";
}

TEST(layout_list, names_the_first_difference) {
  EXPECT_EQ(first_difference("struct A\n  0 x 4\n", "struct A\n  0 x 8\n"),
            "line 2, in \"struct A\": was \"  0 x 4\", is \"  0 x 8\"");
  EXPECT_EQ(first_difference("a\n", "a\nb\n"), "line 2, in \"a\": was \"(end)\", is \"b\"");
  EXPECT_EQ(first_difference("a\n", "a\n"), "none");
}

}  // namespace
}  // namespace millrace

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  const bool regenerate = argc == 3 && std::string(argv[2]) == "--regenerate";
  if (argc != 2 && !regenerate) {
    std::fprintf(stderr, "usage: %s LAYOUT.GOLDEN [--regenerate]\n", argv[0]);
    return 2;
  }
  millrace::golden_path = argv[1];
  if (!regenerate) return RUN_ALL_TESTS();
  std::ofstream file(argv[1]);
  file << millrace::layout_list();
  file.close();
  if (!file) std::fprintf(stderr, "cannot write %s\n", argv[1]);
  return file ? 0 : 1;
}
