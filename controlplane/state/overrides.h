// overrides.h: what an operator said about a backend by millctl, over what the file says.
// Holds:  lives in memory, survives a reload as long as the backend stays in the configuration, ends with the process.
//         One that discovery loses and finds again between two reloads has it still.
// Thread: the event loop.      Tests: tests/unit/control/state_test.cpp
#pragma once

#include <cstdint>
#include <map>
#include <optional>

#include "controlplane/config/config.h"
#include "controlplane/state/backend_key.h"
#include "millrace/messages.h"

namespace millrace::control {

struct Override {
  std::optional<Admin> admin;
  std::optional<uint16_t> weight;
  bool operator==(const Override&) const = default;
};

class Overrides {
 public:
  // Sets the given fields, leaves the others as they are. `enabled` is the file's own word and clears `admin`.
  void merge(const BackendKey& key, const Override& change);
  void forget_weight(const BackendKey& key);
  Override find(const BackendKey& key) const;
  // Forgets every backend that the configuration no longer has.
  void retain(const config::Config& config);

 private:
  std::map<BackendKey, Override> by_key_;
};

}  // namespace millrace::control
