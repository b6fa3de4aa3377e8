// number_parameter.h: numbers of the query.
#pragma once

#include <charconv>
#include <cstdint>
#include <optional>
#include <string>

namespace millrace::control {

// nullopt: no number, or one out of the range.
inline std::optional<uint32_t> parse_number(const std::string& text, uint32_t least, uint32_t most) {
  uint32_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size() || number < least || number > most) return std::nullopt;
  return number;
}

}  // namespace millrace::control
