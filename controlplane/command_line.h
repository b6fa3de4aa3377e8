// command_line.h: what millraced is started with: the words of its command line, most of them gobetween's.
// Tests:  tests/unit/control/config_place_test.cpp
#pragma once

#include <CLI/CLI.hpp>
#include <optional>
#include <string>
#include <vector>

#include "controlplane/place/config_place.h"

namespace millrace::control {

class CommandLine {
 public:
  CommandLine();
  CommandLine(const CommandLine&) = delete;
  CommandLine& operator=(const CommandLine&) = delete;

  // When it was parsed: where the configuration is. nullopt: why not in `problem`.
  std::optional<ConfigPlace> place(std::string& problem) const;

  CLI::App app;
  bool verbose = false;

 private:
  CLI::App* add_registry(const char* name, const char* text);

  std::string file_;
  std::string url_;
  std::vector<std::string> hosts_;
  std::string key_ = "gobetween";
  std::string scheme_ = "http";
  std::string format_;
  config::ClientTls tls_;
};

}  // namespace millrace::control
