// mode_name.h: what the configuration, the API and benchmarks call a mode.
#pragma once

#include "millrace/messages.h"

namespace millrace {

constexpr const char* mode_name(Mode mode) {
  switch (mode) {
    case Mode::nat:
      return "nat";
    case Mode::fullnat:
      return "fullnat";
    case Mode::proxy:
      return "proxy";
    case Mode::dsr:
      return "dsr";
    case Mode::tunnel:
      return "tunnel";
  }
  return "unknown";
}

}  // namespace millrace
