#include "controlplane/millctl/table.h"

#include <fmt/format.h>

#include <algorithm>

namespace millrace::millctl {

std::string Table::text() const {
  std::vector<size_t> widths;
  for (const Column& column : columns_) widths.push_back(column.title.size());
  for (const Row& row : rows_)
    for (size_t i = 0; i < row.cells.size(); ++i) widths[i] = std::max(widths[i], row.cells[i].size());
  const auto line = [&](const auto& cell_at) {
    std::string text;
    for (size_t i = 0; i < columns_.size(); ++i) {
      if (i != 0) text += "  ";
      text += columns_[i].align == Align::left ? fmt::format("{:<{}}", cell_at(i), widths[i])
                                               : fmt::format("{:>{}}", cell_at(i), widths[i]);
    }
    text.erase(text.find_last_not_of(' ') + 1);
    return text + "\n";
  };
  std::string text = line([&](size_t i) { return columns_[i].title; });
  for (const Row& row : rows_) text += line([&](size_t i) { return row.cells[i]; }) + row.below;
  return text;
}

std::string format_duration_s(uint64_t seconds) {
  if (seconds < 60) return fmt::format("{}s", seconds);
  if (seconds < 3600) return fmt::format("{}m {}s", seconds / 60, seconds % 60);
  if (seconds < 86400) return fmt::format("{}h {}m", seconds / 3600, seconds % 3600 / 60);
  return fmt::format("{}d {}h", seconds / 86400, seconds % 86400 / 3600);
}

std::string format_duration_ms(uint64_t ms) {
  if (ms < 60'000) return fmt::format("{:.1f}s", static_cast<double>(ms) / 1000);
  return format_duration_s(ms / 1000);
}

std::string format_rate(double per_second) {
  constexpr const char* kUnits[] = {"", "k", "M", "G", "T"};
  size_t unit = 0;
  while (per_second >= 1000 && unit + 1 < std::size(kUnits)) {
    per_second /= 1000;
    ++unit;
  }
  if (unit == 0) return fmt::format("{:.0f} ", per_second);
  return fmt::format("{:.2f} {}", per_second, kUnits[unit]);
}

std::string format_bytes(uint64_t bytes) {
  constexpr const char* kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  double value = static_cast<double>(bytes);
  size_t unit = 0;
  while (value >= 1024 && unit + 1 < std::size(kUnits)) {
    value /= 1024;
    ++unit;
  }
  return unit == 0 ? fmt::format("{} B", bytes) : fmt::format("{:.1f} {}", value, kUnits[unit]);
}

}  // namespace millrace::millctl
