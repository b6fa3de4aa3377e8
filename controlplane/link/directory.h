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
  uint16_t weight = 0;
  uint16_t priority = 0;
};

// What the dataplane said of a port when it opened it.
struct PortRow {
  std::string name;
  std::string device;
  uint16_t vlan = 0;  // 0: untagged
  uint16_t queue_count = 0;
  uint16_t worker_count = 0;  // that have a queue of it
  SteeringKind steering{};
  SteeringReason steering_reason{};
  uint16_t reta_size = 0;      // 0: no RSS table
  uint16_t rss_key_bytes = 0;  // 0: no RSS key
};

std::vector<ServiceRow> read_services(const Segment& segment);
// Of one slot; nullopt: nothing stands behind it.
std::optional<ServiceRow> read_service(const Segment& segment, ServiceSlot slot);
std::vector<BackendRow> read_backends(const Segment& segment);
// As many as the segment has, in its order; one that cannot be has no name.
std::vector<PortRow> read_ports(const Segment& segment);

}  // namespace millrace::control
