// whole_file.h: files that are written as a whole or not at all: after a crash they are the old one or the new one.
// Fails:  false, and a sentence in `problem`; the old file is as it was.
// Tests:  tests/unit/config/whole_file_test.cpp
#pragma once

#include <string>

namespace millrace::config {

// Mode 0600.
bool write_whole_file(const std::string& path, const std::string& text, std::string& problem);

// With the owner, group and mode of the file that is there; a symbolic link stays one, and what it leads to is replaced.
bool replace_whole_file(const std::string& path, const std::string& text, std::string& problem);
// Whether that will work, as far as can be told before.
bool may_replace_file(const std::string& path, std::string& problem);

}  // namespace millrace::config
