// directory.h: tells readers of the shared segment what stands behind each slot.
// A row is written under its version: odd while writing, so that a reader that saw it change looks again.
// Thread: main lcore.      Tests: tests/unit/link/directory_test.cpp
#pragma once

#include <span>

#include "dataplane/link/desired_model.h"
#include "millrace/segment.h"

namespace millrace {

// in_use of a row.
enum class SlotLife : uint8_t { free = 0, configured = 1, leaving = 2 };

class Directory {
 public:
  Directory(std::span<ServiceInfo> services, std::span<BackendInfo> backends)
      : services_(services), backends_(backends) {}

  // Every service and backend of the model, whose slots are set.
  void write(const DesiredModel& model);
  void write_backend(ServiceSlot service, const DesiredBackend& backend);
  void mark(ServiceSlot slot, SlotLife life);
  void mark(BackendSlot slot, SlotLife life);

 private:
  std::span<ServiceInfo> services_;
  std::span<BackendInfo> backends_;
};

}  // namespace millrace
