#include "controlplane/config/env_text.h"

#include <algorithm>

namespace millrace::config {
namespace {

bool is_name(std::string_view text) {
  const auto is_letter = [](unsigned char c) { return c == '_' || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'); };
  return !text.empty() && is_letter(text.front()) &&
         std::ranges::all_of(text, [&](char c) { return is_letter(c) || (c >= '0' && c <= '9'); });
}

// What would end a string of TOML or JSON, or a line.
bool is_plain(std::string_view value) {
  return std::ranges::none_of(value, [](unsigned char c) { return c < 0x20 || c == 0x7f || c == '"' || c == '\\'; });
}

// Where comments of TOML begin on this line; its end where there is none. A # within a string is none.
size_t comment_of(std::string_view line) {
  char quoted_by = 0;
  for (size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    if (quoted_by == 0 && c == '#') return i;
    if (quoted_by == '"' && c == '\\')
      ++i;
    else if (c == quoted_by)
      quoted_by = 0;
    else if (quoted_by == 0 && (c == '"' || c == '\''))
      quoted_by = c;
  }
  return line.size();
}

class LineWriter {
 public:
  LineWriter(uint32_t number, const Environment& environment, ErrorList& errors, std::string& to)
      : number_(number), environment_(environment), errors_(errors), to_(to) {}

  void write(std::string_view line) {
    const size_t comment = comment_of(line);
    size_t done = 0;
    for (size_t at = 0; (at = line.find("${", at)) < comment;) {
      if (at != 0 && line[at - 1] == '$') {
        to_.append(line, done, at - 1 - done);
        done = at++;
        continue;
      }
      const size_t end = line.find('}', at);
      const std::string name(line.substr(at + 2, end == std::string_view::npos ? end : end - at - 2));
      const uint32_t column = static_cast<uint32_t>(at) + 1;
      to_.append(line, done, at - done);
      done = at;
      if (end == std::string_view::npos || !is_name(name)) {
        report(column, quote("${" + name) + " names no variable of the environment",
               "write ${NAME}, or $${ for a plain ${");
        at += 2;
        continue;
      }
      if (take(name, column)) done = end + 1;
      at = end + 1;
    }
    to_.append(line, done);
  }

 private:
  void report(uint32_t column, std::string problem, std::string remedy) {
    errors_.add({{number_, column}, ""}, std::move(problem), std::move(remedy));
  }

  bool take(const std::string& name, uint32_t column) {
    const char* value = environment_(name);
    if (value == nullptr)
      report(column, "the variable " + name + " is not set", "set it in the environment of millraced");
    else if (!is_plain(value))
      report(column, "the value of " + name + " has quotes, backslashes or control characters", "write it out here");
    else
      to_ += value;
    return value != nullptr && is_plain(value);
  }

  uint32_t number_;
  const Environment& environment_;
  ErrorList& errors_;
  std::string& to_;
};

}  // namespace

std::string replace_variables(std::string_view text, const Environment& environment, ErrorList& errors) {
  std::string replaced;
  replaced.reserve(text.size());
  for (uint32_t number = 1; !text.empty(); ++number) {
    const size_t end = text.find('\n');
    const size_t length = end == std::string_view::npos ? text.size() : end + 1;
    LineWriter(number, environment, errors, replaced).write(text.substr(0, length));
    text.remove_prefix(length);
  }
  return replaced;
}

}  // namespace millrace::config
