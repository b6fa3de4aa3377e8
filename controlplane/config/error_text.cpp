// error_text.cpp: see error_text.h.
#include "controlplane/config/error_text.h"

#include <algorithm>
#include <utility>

namespace millrace::config {

namespace {

constexpr size_t kQuotedBytesMax = 60;  // One error stays within about two terminal lines.

// Levenshtein's distance with swaps of neighbours counted once, as typing mistakes go.
size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::vector<size_t>> cost(a.size() + 1, std::vector<size_t>(b.size() + 1));
  for (size_t i = 0; i <= a.size(); ++i) cost[i][0] = i;
  for (size_t j = 0; j <= b.size(); ++j) cost[0][j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t replace = cost[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      cost[i][j] = std::min({replace, cost[i - 1][j] + 1, cost[i][j - 1] + 1});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        cost[i][j] = std::min(cost[i][j], cost[i - 2][j - 2] + 1);
    }
  }
  return cost[a.size()][b.size()];
}

bool is_bare_key(std::string_view key) {
  return !key.empty() && std::all_of(key.begin(), key.end(), [](unsigned char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
  });
}

}  // namespace

Position ErrorList::position_of(std::string_view path) const {
  while (positions_ != nullptr && !path.empty()) {
    if (const auto found = positions_->find(std::string(path)); found != positions_->end()) return found->second;
    const size_t end = path.find_last_of(".[");
    path = path.substr(0, end == std::string_view::npos ? 0 : end);
  }
  return {};
}

void ErrorList::add(const Origin& origin, std::string problem, std::string remedy) {
  errors_.push_back({file_, origin.at.line, origin.at.column, origin.key, std::move(problem), std::move(remedy)});
}

std::vector<ConfigError> ErrorList::take() {
  std::stable_sort(errors_.begin(), errors_.end(), [](const ConfigError& a, const ConfigError& b) {
    return Position{a.line, a.column} < Position{b.line, b.column};
  });
  return std::exchange(errors_, {});
}

std::string escape(std::string_view text) {
  constexpr char kHex[] = "0123456789abcdef";
  std::string escaped;
  for (const unsigned char c : text) {
    if (c >= 0x20 && c < 0x7f)
      escaped += static_cast<char>(c);
    else
      (escaped += "\\x") += {kHex[c >> 4], kHex[c & 15]};
  }
  return escaped;
}

std::string quote(std::string_view text) {
  return "\"" + escape(text.substr(0, kQuotedBytesMax)) + (text.size() > kQuotedBytesMax ? "...\"" : "\"");
}

std::string list_words(const std::vector<std::string_view>& words) {
  std::string text;
  for (size_t i = 0; i < words.size(); ++i) {
    if (i > 0) text += i + 1 == words.size() ? " or " : ", ";
    text += words[i];
  }
  return text;
}

std::string_view nearest_word(std::string_view word, const std::vector<std::string_view>& known) {
  constexpr size_t kWordBytesMax = 64;  // Longer than any key: no use in comparing.
  constexpr size_t kStemBytesMin = 3;   // "sock" is socket, "s" may be anything.
  if (word.size() > kWordBytesMax) return {};
  // A third of the letters may be wrong, and one always: "bnd" is bind, "xyz" is nothing.
  size_t best = std::max<size_t>(1, word.size() / 3) + 1;
  std::string_view nearest;
  for (const std::string_view candidate : known) {
    const bool is_stem = word.size() >= kStemBytesMin && candidate.substr(0, word.size()) == word;
    const size_t distance = is_stem ? 1 : edit_distance(word, candidate);
    if (distance < best) {
      best = distance;
      nearest = candidate;
    }
  }
  return nearest;
}

std::string join_key(std::string_view path, std::string_view key) {
  std::string joined(path);
  if (!joined.empty()) joined += '.';
  return joined + (is_bare_key(key) ? std::string(key) : quote(key));
}

std::string format_error(const ConfigError& error) {
  std::string text = error.file;
  if (error.line != 0) text += ":" + std::to_string(error.line) + ":" + std::to_string(error.column);
  text += ": ";
  if (!error.key.empty()) text += error.key + ": ";
  text += error.problem;
  if (error.remedy.find('\n') != std::string::npos)
    text += "\n  " + error.remedy;  // an example to paste
  else if (!error.remedy.empty())
    text += " (" + error.remedy + ")";
  return text;
}

}  // namespace millrace::config
