// live_slots.h: one reading of the living directory by name instead of by slot.
// Cost:   a pass over the directory, and a sort of what is kept of it: 5 ms for 20,000 backends, 1 ms for one service's.
// Thread: the event loop.      Tests: tests/unit/control/api_test.cpp
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "controlplane/link/directory.h"
#include "controlplane/state/backend_key.h"

namespace millrace::control {

// Without a segment everything is empty. What is gone from the configuration is in it while its connections live.
class LiveSlots {
 public:
  // `only`: this service; empty: all.
  explicit LiveSlots(std::shared_ptr<const Segment> from, std::string_view only = {});
  LiveSlots(const LiveSlots&) = delete;
  LiveSlots& operator=(const LiveSlots&) = delete;

  // Null: there is none.
  const std::shared_ptr<const Segment>& segment() const { return segment_; }
  // A name may stand twice: configured, which counts here, and gone with its last connections.
  std::optional<ServiceSlot> find_service(const std::string& name) const;
  // Null: nothing stands for it.
  const BackendRow* find(const BackendKey& key) const;
  // Those of services that have a name.
  const std::vector<BackendRow>& backends() const { return backends_; }
  const std::string& service_of(const BackendRow& row) const { return names_.at(row.service); }

 private:
  std::shared_ptr<const Segment> segment_;
  std::unordered_map<ServiceSlot, std::string> names_;
  std::unordered_map<std::string, std::vector<ServiceSlot>> services_;  // the configured one first
  std::vector<BackendRow> backends_;  // by service and endpoint, of two the configured one first
};

}  // namespace millrace::control
