// arguments.h: what the command line writes into, and how a command is added to it.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <string>

#include "controlplane/millctl/change_commands.h"
#include "controlplane/millctl/commands.h"
#include "controlplane/millctl/plan_commands.h"

namespace millrace::millctl {

// Lives as long as the parser.
struct Arguments {
  Options options;
  ConnectionOptions connections;
  StageOptions stages;
  BackendOptions backend_options;
  ImportOptions import_options;
  TuneOptions tune;
  ChangeArguments change;
  std::string service;
  std::string backend;
  std::string file;
  std::string format = "toml";
  uint32_t weight = 0;
  uint64_t after = 0;
  bool merge = false;
  bool drop = false;
  bool follow = false;
  std::function<Exit()> chosen;
};

CLI::App* add_command(CLI::App& app, Arguments& arguments, const char* name, const char* text, const char* examples,
                      std::function<Exit()> run);

// service_tree.cpp: `service …`, `backend …`, tune, changes, dump, events, completion, top.
void add_service_group(CLI::App& app, Arguments& arguments);
void add_backend_group(CLI::App& app, Arguments& arguments);
void add_watching(CLI::App& app, Arguments& arguments);

}  // namespace millrace::millctl
