// haproxy_lexer.h: haproxy.cfg as sections of lines of words.
// Fails:  a line before the first section is a complaint.      Tests: tests/unit/import/haproxy_test.cpp
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "controlplane/import/imported.h"

namespace millrace::importing {

struct HaproxyLine {
  uint32_t line = 0;
  std::vector<std::string> words;  // without quotes and backslashes; at least one

  // Empty: there is none.
  std::string_view word(size_t index) const {
    return index < words.size() ? std::string_view(words[index]) : std::string_view();
  }
};

struct HaproxySection {
  HaproxyLine head;  // "frontend NAME"
  std::vector<HaproxyLine> lines;

  std::string_view kind() const { return head.word(0); }
  std::string_view name() const { return head.word(1); }
  // Of "defaults NAME", the section that it begins with; empty: the last one above.
  std::string_view defaults() const;
};

std::vector<HaproxySection> read_haproxy(std::string_view text, Complaints& complaints);

// "5s", "100us"; milliseconds where there is no unit. Nothing: it is no time.
std::optional<uint64_t> haproxy_time_ms(std::string_view text);

}  // namespace millrace::importing
