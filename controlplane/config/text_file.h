// text_file.h: a file as a string.
// Bound:  64 MiB; a configuration of every backend in lines of 1 KiB is not larger.
// Tests:  tests/unit/config/load_test.cpp
#pragma once

#include <optional>
#include <string>

namespace millrace::config {

struct TextFile {
  std::optional<std::string> text;
  std::string problem;  // set when text is not: the end of a sentence
};

TextFile read_text_file(const std::string& path);
// The same, but neither of a pipe nor of a device: nothing that might never end.
TextFile read_regular_file(const std::string& path);

}  // namespace millrace::config
