// setting_changes.h: which settings differ between two configurations as they were written, in the words of the file.
// Holds:  values of keys that hold secrets are "***", on both sides.
// Thread: any; pure.      Tests: tests/unit/control/plan_test.cpp
#pragma once

#include <string>
#include <vector>

// Debian's build of toml++ is a shared library that throws; its declarations warn under -Wshadow.
#include <toml++/toml.h>

namespace millrace::control {

// Values are TOML, cut where they are long; empty: the key is not there.
struct SettingChange {
  std::string key;  // "healthcheck.interval", "dataplane.port[0].device"
  std::string was;
  std::string is;
  bool operator==(const SettingChange&) const = default;
};

// Sorted by key. What both have in other words, or in another order of keys, is no change only if the values are equal.
std::vector<SettingChange> setting_changes(const toml::table& from, const toml::table& to);

// "web changed, mail added, [timeouts]": for a list of configurations; empty where nothing differs.
std::string summarize_changes(const toml::table& from, const toml::table& to);
// Names of tuned settings that one of both has alone or that have another value, sorted.
std::vector<std::string> tuned_changes(const toml::table& from, const toml::table& to);

}  // namespace millrace::control
