// ipvsadm_lexer.h: what ipvsadm -S prints and ipvsadm -R reads: a command a line, with options, short or long.
// Fails:  an option that is none is kept by its text.      Tests: tests/unit/import/ipvsadm_test.cpp
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace millrace::importing {

struct IpvsadmOption {
  std::string_view name;   // the short one where there is one: "-t"; otherwise the long one, without value
  std::string_view value;  // empty: it has none
};

struct IpvsadmLine {
  uint32_t line = 0;
  std::vector<IpvsadmOption> options;
};

// Without empty lines and comments.
std::vector<IpvsadmLine> read_ipvsadm(std::string_view text);

}  // namespace millrace::importing
