// record.h: a few named texts in one file, each after its length, so that any bytes come back as they were.
//   millrace-record 1
//   summary 11
//   web changed
// Tests:  tests/unit/control/history_test.cpp
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace millrace::control {

using Record = std::map<std::string, std::string>;

std::string format_record(const Record& record);
// nullopt: not one, or cut short.
std::optional<Record> parse_record(std::string_view text);

}  // namespace millrace::control
