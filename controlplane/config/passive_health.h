// passive_health.h: [servers.NAME.passive_health] as a value: when a backend whose connections fail gets no more of them,
// and how it is tried again.
#pragma once

#include <cstdint>

namespace millrace::config {

struct PassiveHealthConfig {
  bool enabled = false;
  // Of the connections of a window that came to an end of their handshake, so many at least and this share of them failed.
  double error_ratio = 0.5;
  uint32_t volume_threshold = 20;
  uint32_t window_ms = 10'000;
  bool count_resets = false;  // a reset after the handshake is a failure too
  // How long it gets nothing; twice as long with each time that it fails again, up to the most.
  uint32_t sleep_window_ms = 10'000;
  uint32_t sleep_window_max_ms = 300'000;
  // After that it gets this part of its share, until so many connections have shown what it is like.
  double trial_share = 0.1;
  uint32_t trial_connections = 5;
  double max_ejected = 0.5;     // of the service's backends that may be out of use; beyond that nobody is ejected
  bool checks_readmit = false;  // active checks that pass end an ejection

  bool operator==(const PassiveHealthConfig&) const = default;
};

}  // namespace millrace::config
