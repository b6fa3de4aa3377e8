#include "controlplane/import/haproxy_lexer.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "controlplane/config/error_text.h"

namespace millrace::importing {

namespace {

constexpr size_t kWordBytesMax = 1024;  // Defaults are copied to every proxy; real words are far shorter.

constexpr std::string_view kSections[] = {"global",      "defaults", "frontend",    "backend",   "listen",  "peers",
                                          "resolvers",   "userlist", "mailers",     "cache",     "program", "ring",
                                          "http-errors", "fcgi-app", "log-forward", "crt-store", "traces"};

// What follows a backslash becomes one character. How many characters of `text` that takes.
size_t append_escaped(std::string_view text, std::string& word) {
  constexpr std::string_view kLetters = "nrt";
  constexpr std::string_view kBytes = "\n\r\t";
  if (text.empty()) return 0;
  if (const size_t letter = kLetters.find(text.front()); letter != std::string_view::npos) {
    word += kBytes[letter];
    return 1;
  }
  if (text.front() == 'x' && text.size() >= 3) {
    uint8_t byte = 0;
    const auto [end, error] = std::from_chars(text.data() + 1, text.data() + 3, byte, 16);
    if (error == std::errc{} && end == text.data() + 3) {
      word += static_cast<char>(byte);
      return 3;
    }
  }
  word += text.front();
  return 1;
}

HaproxyLine read_line(std::string_view text, uint32_t number) {
  HaproxyLine line{number, {}};
  std::string word;
  bool in_word = false;
  char quoted_by = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quoted_by == 0 && (c == ' ' || c == '\t' || c == '\r')) {
      if (in_word) line.words.push_back(std::exchange(word, {}));
      in_word = false;
      continue;
    }
    if (quoted_by == 0 && c == '#') break;
    in_word = true;
    if (c == '\\' && quoted_by != '\'')
      i += append_escaped(text.substr(i + 1), word);
    else if (c == quoted_by)
      quoted_by = 0;
    else if (quoted_by == 0 && (c == '"' || c == '\''))
      quoted_by = c;
    else
      word += c;
  }
  if (in_word) line.words.push_back(std::move(word));
  return line;
}

}  // namespace

std::string_view HaproxySection::defaults() const {
  for (size_t i = 1; i + 1 < head.words.size(); ++i)
    if (head.words[i] == "from") return head.words[i + 1];
  return {};
}

std::vector<HaproxySection> read_haproxy(std::string_view text, Complaints& complaints) {
  std::vector<HaproxySection> sections;
  for (uint32_t number = 1; !text.empty(); ++number) {
    const size_t end = std::min(text.find('\n'), text.size());
    HaproxyLine line = read_line(text.substr(0, end), number);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.words.empty()) continue;
    if (std::ranges::any_of(line.words, [](const std::string& word) { return word.size() > kWordBytesMax; })) {
      complaints.add(number, "a word of more than " + std::to_string(kWordBytesMax) + " characters", "shorten it");
      continue;
    }
    if (std::ranges::find(kSections, line.words.front()) != std::end(kSections))
      sections.push_back({std::move(line), {}});
    else if (line.words.front().starts_with('.'))
      complaints.add(number, "the condition " + config::quote(line.words.front()) + ": what follows counts as true",
                     "keep one of its branches and import again");
    else if (sections.empty())
      complaints.add(number, config::quote(line.words.front()) + " before the first section", "put it into one");
    else
      sections.back().lines.push_back(std::move(line));
  }
  return sections;
}

std::optional<uint64_t> haproxy_time_ms(std::string_view text) {
  struct Unit {
    std::string_view name;
    uint64_t us;
  };
  constexpr Unit kUnits[] = {{"us", 1},         {"ms", 1000},        {"", 1000},           {"s", 1000'000},
                             {"m", 60'000'000}, {"h", 3600'000'000}, {"d", 86'400'000'000}};
  uint32_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const std::string_view unit = text.substr(static_cast<size_t>(end - text.data()));
  const auto found = std::ranges::find(kUnits, unit, &Unit::name);
  if (error != std::errc{} || found == std::end(kUnits)) return std::nullopt;
  return number * found->us / 1000;
}

}  // namespace millrace::importing
