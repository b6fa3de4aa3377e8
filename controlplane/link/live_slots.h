// live_slots.h: one reading of the living directory by name instead of by slot.
// Thread: the event loop.      Tests: tests/unit/control/api_test.cpp
#pragma once

#include <map>
#include <memory>
#include <string>

#include "controlplane/link/directory.h"
#include "controlplane/state/backend_key.h"

namespace millrace::control {

// Without a segment everything is empty. What is gone from the configuration is in it while its connections live.
struct LiveSlots {
  std::shared_ptr<const Segment> segment;
  std::map<std::string, ServiceSlot> services;
  std::map<BackendKey, BackendRow> backends;

  explicit LiveSlots(std::shared_ptr<const Segment> from);
};

}  // namespace millrace::control
