// metrics_page.h: everything that can be counted, for Prometheus. docs/metrics.md lists the families.
// Holds:  counters are monotonic within one life of the dataplane; families that only a living dataplane has are absent
//         without one. gobetween's names stand beside ours, with its labels and meanings. A page is of one moment,
//         however long its reader takes.
// Bound:  some 40 lines a backend; read in place, no worker is disturbed, and written piece by piece: with 20,000 backends
//         the event loop goes on to others every millisecond.
// Thread: the event loop.      Tests: tests/unit/control/metrics_test.cpp
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "controlplane/daemon.h"
#include "controlplane/metrics/metrics_reading.h"
#include "controlplane/metrics/text_format.h"

namespace millrace::control {

// Some thousand samples: what the event loop does at a stretch, and what a socket takes at a time.
inline constexpr size_t kPieceBytes = 256 << 10;

// A name with the samples of all rows of a table.
struct MetricFamily {
  const char* name;
  const char* type;
  const char* help;
  size_t row_count = 0;
  std::function<void(TextFormat& text, size_t row)> add_row{};
};

class MetricsPage {
 public:
  explicit MetricsPage(const Daemon& daemon);
  MetricsPage(const MetricsPage&) = delete;
  MetricsPage& operator=(const MetricsPage&) = delete;

  // Of about so many bytes, at least 1; empty: that was all.
  std::string next_piece(size_t bytes = kPieceBytes);

 private:
  MetricsReading reading_;
  std::vector<MetricFamily> families_;
  size_t family_ = 0;  // that comes next
  size_t step_ = 0;    // of it: its head, then row by row
  TextFormat text_;
};

}  // namespace millrace::control
