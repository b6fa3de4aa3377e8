// document.h: a configuration as it was written: the tree behind a Config, for whoever asks what was configured in the words
// of the file, or changes a part of it.
// Thread: any; never changes.      Tests: tests/unit/config/{changes,change_config}_test.cpp
#pragma once

#include <memory>
#include <nlohmann/json.hpp>
#include <set>
#include <string>

#include "controlplane/config/changes.h"

namespace millrace::config {

struct Reading;  // tables.h

struct Document {
  toml::table root;                        // with the changes
  std::string text;                        // of the file, before variables were replaced
  Changes changes;                         // over the file
  std::set<std::string> in_file;           // the servers that the file has
  toml::table settings_in_file;            // what the file says of each setting that can be tuned, by its dotted key
  std::shared_ptr<const Reading> reading;  // what change_config need not read again

  bool has_server(const std::string& name) const;
};

// The tree as JSON: keys in alphabetical order, as TOML's tree keeps them.
nlohmann::ordered_json to_json(const toml::node& node);
// Whether a text of this key must not be shown.
bool is_secret_key(std::string_view name);
// For whoever may only look: passwords and tokens are "***".
toml::table without_secrets(toml::table table);
std::string to_toml(const toml::table& table);

}  // namespace millrace::config
