// document.h: a configuration as it was written: the tree behind a Config, for whoever asks what was configured in the words
// of the file.
// Thread: any; never changes.      Tests: tests/unit/config/document_test.cpp
#pragma once

#include <nlohmann/json.hpp>
#include <string>

// Debian's build of toml++ is a shared library that throws; its declarations warn under -Wshadow.
#include <toml++/toml.h>

namespace millrace::config {

struct Document {
  toml::table root;
};

// The tree as JSON: keys in alphabetical order, as TOML's tree keeps them.
nlohmann::ordered_json to_json(const toml::node& node);
std::string to_toml(const Document& document);

}  // namespace millrace::config
