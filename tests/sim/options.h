// options.h: what the command line asks for.
// Fails:  parse_options throws UsageError with what is wrong and what would be right.
#pragma once

#include <optional>
#include <stdexcept>
#include <string>

#include "tests/sim/simulation.h"

namespace millrace::sim {

struct Options {
  SimulationSettings simulation;
  bool prove = false;  // that every planted defect is seen
  std::string again;   // the command that plays this run again
};

class UsageError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// nullopt: --help was asked for and answered.
std::optional<Options> parse_options(int argc, char** argv);

}  // namespace millrace::sim
