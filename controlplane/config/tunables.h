// tunables.h: the settings that can be changed while both processes run: what `millctl tune` lists and takes.
// Holds:  each name is TABLE.KEY of the file; whoever reads that table checks a value, not this list.
// Thread: any; pure.      Tests: tests/unit/config/tunables_test.cpp
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "controlplane/config/config.h"

namespace millrace::config {

struct Tunable {
  std::string_view name;                          // "timeouts.syn_sent"
  std::string range;                              // for people, as default_text
  std::string default_text;                       // what counts where nothing is written
  std::string_view about;                         // one sentence
  bool is_number = false;                         // of TOML; otherwise a string
  std::string (*in_force)(const Config& config);  // for people, too: "10s", "as started"

  std::string_view table() const { return name.substr(0, name.find('.')); }
  std::string_view key() const { return name.substr(name.find('.') + 1); }
};

// In the order of the tables in docs/configuration.md.
const std::vector<Tunable>& tunables();
// Null: it cannot be tuned.
const Tunable* find_tunable(std::string_view name);
// Which of them `name` most likely meant, also without its table; empty when none is near.
std::string_view nearest_tunable(std::string_view name);

}  // namespace millrace::config
