// changes.h: what REST changed over the file: servers that were added, replaced or removed, and settings that were tuned; and
// the file that keeps them: TOML as the configuration's own, with a list `removed` and a table [tuned] by dotted keys.
// Thread: any.      Tests: tests/unit/config/changes_test.cpp
#pragma once

#include <map>
#include <optional>
#include <string>

// Debian's build of toml++ is a shared library that throws; its declarations warn under -Wshadow.
#include <toml++/toml.h>

#include "controlplane/config/config.h"

namespace millrace::config {

struct Changes {
  std::map<std::string, std::optional<toml::table>> servers;  // nullopt: removed

  toml::table tuned;  // values by dotted key: "timeouts.syn_sent"

  bool empty() const { return servers.empty() && tuned.empty(); }
  // Makes tables that the file has not, but for those whose being there says more than their keys (load.cpp).
  void apply(toml::table& root) const;
  // By plain key.
  toml::table tuned_in(std::string_view table) const;
};

struct ChangesFile {
  std::optional<Changes> changes;  // nullopt: the file is there and cannot be used
  ConfigError error;
};

// A file that is not there is one without changes.
ChangesFile read_changes(const std::string& path);
// The text of such a file, and back; `path` stands in errors.
std::string format_changes(const Changes& changes);
ChangesFile parse_changes(const std::string& text, const std::string& path);
// As a whole or not at all: after a crash the file is the old one or the new one. False: why in `problem`.
bool write_changes(const std::string& path, const Changes& changes, std::string& problem);

// The file with the changes that its [api] changes_file holds.
LoadResult load_changed_config(const std::string& path);
// The same of a text; `name` stands in for the file.
LoadResult parse_changed_config(const std::string& text, const std::string& name);

}  // namespace millrace::config
