// table.h: rows with aligned columns, and numbers for people.
// Tests:  tests/unit/control/millctl_test.cpp
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <vector>

namespace millrace::millctl {

enum class Align { left, right };

struct Column {
  std::string title;
  Align align = Align::left;
};

class Table {
 public:
  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}
  // As many cells as there are columns.
  void add(std::vector<std::string> cells) { rows_.push_back({std::move(cells), {}}); }
  // Text under the last row, as it is: whole lines.
  void add_below(const std::string& lines) { rows_.back().below += lines; }
  bool empty() const { return rows_.empty(); }
  std::string text() const;

 private:
  struct Row {
    std::vector<std::string> cells;
    std::string below;
  };
  std::vector<Column> columns_;
  std::vector<Row> rows_;
};

std::string format_duration_s(uint64_t seconds);  // "3d 4h", "2m 5s", "7s"
std::string format_duration_ms(uint64_t ms);      // below a minute "1.2s", then as above
std::string format_rate(double per_second);       // "1.25 M"
std::string format_bytes(uint64_t bytes);         // "1.3 GiB"

}  // namespace millrace::millctl
