// circuit_breaker.h: when a backend whose connections fail gets no more of them, and how it is tried again.
//   closed     it gets everything; what becomes of its connections is counted over a sliding window
//   open       it gets nothing for a while, twice as long with each time that it fails again
//   half_open  it gets a part of its share, until enough connections have shown what it is like
// Thread: any; a plain value, the time is passed in.      Tests: tests/unit/control/circuit_breaker_test.cpp
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "controlplane/config/passive_health.h"

namespace millrace::control {

enum class BreakerState : uint8_t { closed, open, half_open };
const char* breaker_name(BreakerState state);

// What came since the last look.
struct BreakerCounts {
  uint64_t opened = 0;  // connections begun
  uint64_t ended = 0;   // handshakes that were answered, refused or given up
  uint64_t failed = 0;  // of these, the last two kinds; and resets after a handshake where they count
};

class CircuitBreaker {
 public:
  using Config = config::PassiveHealthConfig;

  void count(const BreakerCounts& counts, uint64_t now_ms, const Config& config);
  // Closed, and too many fail. Whether it may go is not its own to say: others may be out already.
  bool is_failing(const Config& config) const;
  // Of the window's connections those that failed: 0 .. 1.
  double error_ratio() const;

  // Closed, or by advance(). `jitter`: 0.9 .. 1.1, so that many do not come back at once.
  void open(uint64_t now_ms, double jitter, const Config& config);
  // By what active checks say.
  void close(uint64_t now_ms);
  // Takes the step that is due by time or by what trials have shown. True: the state is another.
  bool advance(uint64_t now_ms, double jitter, const Config& config);

  BreakerState state() const { return state_; }
  // Why it was opened: "40% of 50 connections failed in 10 s"; empty when it never was.
  const std::string& cause() const { return cause_; }
  uint64_t sleep_ms() const { return until_ms_ - opened_ms_; }  // how long it is, or was last, open
  uint64_t ejections() const { return ejections_; }
  const BreakerCounts& trial() const { return trial_; }  // since it is half open

 private:
  static constexpr unsigned kSlices = 10;
  struct Slice {
    uint64_t ended = 0;
    uint64_t failed = 0;
  };

  void move_window(uint64_t now_ms, const Config& config);
  void forget_window();
  Slice window() const;
  void trip(uint64_t now_ms, double jitter, const Config& config, bool again);

  BreakerState state_ = BreakerState::closed;
  std::array<Slice, kSlices> slices_{};
  bool counted_ = false;       // some slice is not empty
  uint64_t newest_slice_ = 0;  // number since the clock began
  uint64_t opened_ms_ = 0;
  uint64_t until_ms_ = 0;
  uint64_t closed_ms_ = 0;  // after it was open
  uint32_t trips_ = 0;      // one after the other
  uint64_t ejections_ = 0;
  BreakerCounts trial_;
  std::string cause_;
};

}  // namespace millrace::control
