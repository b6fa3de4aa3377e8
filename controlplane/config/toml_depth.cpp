// toml_depth.cpp: see toml_depth.h.
#include "controlplane/config/toml_depth.h"

#include <algorithm>

namespace millrace::config {

namespace {

// How many bytes from text[0], a quote, to behind the end of its string. A string that never ends is toml++'s to
// refuse: it gives the rest of its line, or of the text where it may hold line ends.
size_t string_bytes(std::string_view text) {
  const char quote = text.front();
  const std::string_view opening = text.substr(0, 3);
  const bool multi_line = opening == "\"\"\"" || opening == "'''";
  size_t i = multi_line ? 3 : 1;
  for (; i < text.size(); ++i) {
    if (text[i] == '\\' && quote == '"') {
      ++i;
    } else if (!multi_line) {
      if (text[i] == quote) return i + 1;
      if (text[i] == '\n') return i;
    } else if (text.substr(i, 3) == opening) {
      // Up to two quotes right before the closing three belong to the string.
      size_t end = i + 3;
      while (end < i + 5 && end < text.size() && text[end] == quote) ++end;
      return end;
    }
  }
  return text.size();
}

}  // namespace

std::optional<Position> find_deep_line(std::string_view text) {
  uint32_t line = 1;
  size_t line_start = 0;
  unsigned dots = 0;
  for (size_t i = 0; i < text.size();) {
    const char c = text[i];
    if (c == '"' || c == '\'') {
      const size_t end = i + string_bytes(text.substr(i));
      for (; i < end; ++i)
        if (text[i] == '\n') {
          ++line;
          line_start = i + 1;
          dots = 0;
        }
      continue;
    }
    if (c == '#') {
      i = std::min(text.find('\n', i), text.size());
      continue;
    }
    if (c == '.' && ++dots > kKeyDotsMax) return Position{line, static_cast<uint32_t>(i - line_start + 1)};
    ++i;
    if (c == '\n') {
      ++line;
      line_start = i;
      dots = 0;
    }
  }
  return std::nullopt;
}

}  // namespace millrace::config
