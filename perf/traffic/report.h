// report.h: results, for people and as JSON. The JSON's members are described in perf/traffic/README.md.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "perf/traffic/search.h"
#include "perf/traffic/trial.h"

namespace millrace::traffic {

nlohmann::json to_json(const Options& options, double open_seconds);
nlohmann::json to_json(const Options& options, const Trial& trial);
nlohmann::json to_json(const Options& options, const SearchResult& result);

std::string to_text(const Options& options, const Trial& trial);
std::string to_text(const Options& options, const SearchResult& result);

// Fails: std::runtime_error when the file cannot be written. "-" is stdout.
void write_json(const std::string& path, const nlohmann::json& json);

}  // namespace millrace::traffic
