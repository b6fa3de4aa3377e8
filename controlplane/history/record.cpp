#include "controlplane/history/record.h"

#include <charconv>

namespace millrace::control {
namespace {

constexpr std::string_view kHead = "millrace-record 1\n";

}  // namespace

std::string format_record(const Record& record) {
  std::string text(kHead);
  for (const auto& [name, value] : record) text += name + " " + std::to_string(value.size()) + "\n" + value + "\n";
  return text;
}

std::optional<Record> parse_record(std::string_view text) {
  if (!text.starts_with(kHead)) return std::nullopt;
  text.remove_prefix(kHead.size());
  Record record;
  while (!text.empty()) {
    const size_t line_end = text.find('\n');
    const size_t space = text.find(' ');
    if (line_end == std::string_view::npos || space > line_end) return std::nullopt;
    size_t bytes = 0;
    const char* const digits_end = text.data() + line_end;
    const auto [end, error] = std::from_chars(text.data() + space + 1, digits_end, bytes);
    if (error != std::errc{} || end != digits_end) return std::nullopt;
    const std::string name(text.substr(0, space));
    text.remove_prefix(line_end + 1);
    if (bytes >= text.size() || text[bytes] != '\n') return std::nullopt;
    if (!record.emplace(name, text.substr(0, bytes)).second) return std::nullopt;
    text.remove_prefix(bytes + 1);
  }
  return record;
}

}  // namespace millrace::control
