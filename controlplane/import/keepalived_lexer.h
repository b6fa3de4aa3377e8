// keepalived_lexer.h: keepalived.conf as a tree of statements: words, and perhaps a block in braces.
// Bound:  blocks within kDepthMax blocks are read as if they were not within.
// Fails:  a brace too many or too few is a complaint.      Tests: tests/unit/import/keepalived_test.cpp
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "controlplane/import/imported.h"

namespace millrace::importing {

struct Statement {
  uint32_t line = 0;
  std::vector<std::string> words;  // without quotes; at least one
  bool conditional = false;        // began with @
  std::vector<Statement> block;

  const std::string& name() const { return words.front(); }
  // The word behind the name; empty: none.
  std::string_view value(size_t index = 0) const {
    return index + 1 < words.size() ? std::string_view(words[index + 1]) : std::string_view();
  }
};

// Comments begin with ! or # anywhere outside of quotes.
std::vector<Statement> read_keepalived(std::string_view text, Complaints& complaints);

}  // namespace millrace::importing
