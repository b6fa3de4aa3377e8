#include "controlplane/api/target.h"

#include <charconv>

namespace millrace::control {
namespace {

std::optional<std::string> percent_decode(std::string_view text) {
  std::string decoded;
  for (size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c == '%') {
      if (text.size() - i < 3) return std::nullopt;
      unsigned value = 0;
      const char* digits = text.data() + i + 1;
      if (std::from_chars(digits, digits + 2, value, 16).ptr != digits + 2) return std::nullopt;
      c = static_cast<char>(value);
      i += 2;
    }
    if (c == '\0') return std::nullopt;
    decoded.push_back(c);
  }
  return decoded;
}

// Calls take(part) for each part between separators; false as soon as it says so.
template <typename Take>
bool split(std::string_view text, char separator, Take take) {
  while (true) {
    const size_t end = text.find(separator);
    if (!take(text.substr(0, end))) return false;
    if (end == std::string_view::npos) return true;
    text.remove_prefix(end + 1);
  }
}

}  // namespace

std::optional<Target> parse_target(std::string_view text) {
  if (text.empty() || text.front() != '/') return std::nullopt;
  Target target;
  const size_t question = text.find('?');
  const bool path_good = split(text.substr(1, question == std::string_view::npos ? question : question - 1), '/',
                               [&](std::string_view part) {
                                 std::optional<std::string> decoded = percent_decode(part);
                                 if (decoded) target.path.push_back(std::move(*decoded));
                                 return decoded.has_value();
                               });
  if (!path_good) return std::nullopt;
  if (question == std::string_view::npos || question + 1 == text.size()) return target;
  const bool query_good = split(text.substr(question + 1), '&', [&](std::string_view part) {
    const size_t equals = part.find('=');
    const std::optional<std::string> name = percent_decode(part.substr(0, equals));
    const std::optional<std::string> value =
        equals == std::string_view::npos ? std::string() : percent_decode(part.substr(equals + 1));
    return name && value && target.query.emplace(*name, *value).second;
  });
  if (!query_good) return std::nullopt;
  return target;
}

}  // namespace millrace::control
