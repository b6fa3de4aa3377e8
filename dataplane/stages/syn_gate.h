// syn_gate.h: syn_proxy = "auto": when a nat or fullnat service answers SYNs with cookies. Each worker decides for what
// it sees: from the service's SYN rate on, or when its share of the slab runs full; and back again when both have been
// calm for a while. Each change is told, and each beginning counted.
// Route:  act_on_miss > answers_with_cookies | accepts_cookies; worker_turn > calm_gates
// Thread: owning worker.
// Memory: 352 KiB a worker, fixed.
// Holds:  while a gate is open, and until the last cookie that it gave out is worthless, ACKs without a connection are
//         looked at for cookies.
// Tests:  tests/unit/stages/syn_gate_test.cpp
#pragma once

#include <cstdint>
#include <memory>

#include "dataplane/pick/snapshot.h"

namespace millrace {

struct Worker;

inline constexpr uint32_t kGateWindowMs = 100;   // SYNs are counted in windows of this length
inline constexpr uint32_t kGateCalmMs = 10'000;  // of less than half the rate, before it closes
// Share of the worker's slab that is used, in percent.
inline constexpr uint32_t kGatePressurePercent = 85;
inline constexpr uint32_t kGateCalmPercent = 75;

struct SynGate {
  uint32_t window_ms = 0;  // when it began
  uint32_t syns = 0;       // in it
  uint32_t busy_ms = 0;    // when there was last a reason to be open
  bool open = false;
  bool was_open = false;  // lately: cookies are still out
};

class SynGates {
 public:
  SynGates() : gates_(new SynGate[kServiceMax]()), open_(new ServiceSlot[kServiceMax]()) {}
  SynGate& of(ServiceSlot slot) { return gates_[raw(slot)]; }

 private:
  friend bool answers_with_cookies(Worker& worker, const ServiceTables& service);
  friend void calm_gates(Worker& worker);

  std::unique_ptr<SynGate[]> gates_;     // by ServiceSlot
  std::unique_ptr<ServiceSlot[]> open_;  // those that are or were open
  uint32_t open_count_ = 0;
};

// A SYN has come for the service: is a cookie its answer?
bool answers_with_cookies(Worker& worker, const ServiceTables& service);
// May an ACK without a connection bring a cookie back?
bool accepts_cookies(Worker& worker, const ServiceTables& service);
// Closes gates that have been calm. Once a millisecond or less often.
void calm_gates(Worker& worker);

}  // namespace millrace
