// directory.h: which service and backend stands behind a slot right now, read from the segment's directory.
// Trust:  none: rows that cannot be are left out.
// Bound:  a slot that its writer keeps changing is given up after a few tries and missing in this reading.
// Thread: any.      Tests: tests/unit/control/segment_test.cpp
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "controlplane/link/segment_join.h"
#include "millrace/ids.h"

namespace millrace::control {

struct ServiceRow {
  ServiceSlot slot{};
  bool configured = false;  // false: gone from the configuration, its last connections still live
  std::string name;
};

struct BackendRow {
  BackendSlot slot{};
  bool configured = false;
  ServiceSlot service{};
  Endpoint endpoint;
};

std::vector<ServiceRow> read_services(const Segment& segment);
// Of one slot; nullopt: nothing stands behind it.
std::optional<ServiceRow> read_service(const Segment& segment, ServiceSlot slot);
std::vector<BackendRow> read_backends(const Segment& segment);

}  // namespace millrace::control
