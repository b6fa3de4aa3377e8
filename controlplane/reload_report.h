// reload_report.h: how a change of the configuration ended.
#pragma once

#include <ctime>
#include <string>
#include <vector>

#include "controlplane/link/dataplane_link.h"

namespace millrace::control {

struct ReloadReport {
  bool accepted = false;
  // accepted: whether the dataplane has it already, will get it, or is not there yet.
  Outcome outcome = Outcome::no_dataplane;
  std::vector<std::string> errors;   // not accepted: every one, for people
  std::vector<std::string> notices;  // accepted: what needs a restart
  std::time_t time = 0;
};

}  // namespace millrace::control
