// list_file.h: long lists that a table names a file for: one value a line, # begins a comment.
// Fails:  into the ErrorList, at the key that names the file, with the line; of one file no more than kFileErrorsMax.
// Tests:  tests/unit/config/prefix_lists_test.cpp
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "controlplane/config/table_reader.h"
#include "controlplane/config/values.h"

namespace millrace::config {

inline constexpr unsigned kFileErrorsMax = 10;  // more would only say that it is the wrong file

// What is wrong with a line, and what would be right.
struct LineProblem {
  std::string problem;
  std::string remedy;
};

// Calls `take` with every line that is not empty, without comment and outer blanks. `item`: what stands on a line.
void read_list_file(const Text& path, ErrorList& errors, std::string_view item,
                    const std::function<std::optional<LineProblem>(std::string_view)>& take);

// The strings of table[`list_key`], then the lines of the file that table[`file_key`] names; those that `parse` refuses
// are reported.
template <typename Value>
std::vector<Value> read_list(TableReader& table, std::string_view list_key, std::string_view file_key,
                             std::string_view item, Parsed<Value> (*parse)(std::string_view)) {
  std::vector<Value> values;
  bool complete = true;
  for (const Text& text : table.read_texts(list_key, complete)) {
    Parsed<Value> value = parse(text.text);
    if (value.value)
      values.push_back(*value.value);
    else
      table.errors().add(text.origin, std::move(value.problem), std::move(value.remedy));
  }
  const Origin file_origin = table.origin_of(file_key);
  if (std::optional<std::string> path = table.read_path(file_key))
    read_list_file({std::move(*path), file_origin}, table.errors(), item,
                   [&](std::string_view line) -> std::optional<LineProblem> {
                     Parsed<Value> value = parse(line);
                     if (!value.value) return LineProblem{std::move(value.problem), std::move(value.remedy)};
                     values.push_back(*value.value);
                     return std::nullopt;
                   });
  return values;
}

}  // namespace millrace::config
