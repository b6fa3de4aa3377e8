// metrics_reading.h: what a page of metrics is made of: every counter of services and backends at one moment, with labels.
// Cost:   some 300 bytes and 2 us a backend.
// Thread: the event loop.      Tests: tests/unit/control/metrics_test.cpp
#pragma once

#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "controlplane/daemon.h"
#include "controlplane/link/live_counters.h"
#include "controlplane/metrics/histogram_rows.h"
#include "controlplane/metrics/text_format.h"

namespace millrace::control {

// Labels of many rows, one after another.
class LabelColumn {
 public:
  void add(std::initializer_list<std::pair<std::string_view, std::string_view>> labels) {
    append_labels(text_, labels);
    ends_.push_back(text_.size());
  }
  size_t row_count() const { return ends_.size(); }
  std::string_view operator[](size_t row) const {
    const size_t begin = row == 0 ? 0 : ends_[row - 1];
    return std::string_view(text_).substr(begin, ends_[row] - begin);
  }

 private:
  std::string text_;
  std::vector<size_t> ends_;
};

using Column = std::vector<uint64_t>;
inline constexpr uint64_t kNoSample = ~uint64_t{0};

// Of all backends. A page goes through them family by family: in columns, what it reads next lies next.
struct BackendMetrics {
  LabelColumn labels;     // ours
  LabelColumn gobetween;  // its own
  Column up;
  Column enabled;
  Column weight;
  Column active;
  Column connections;
  Column forward_packets;
  Column reverse_packets;
  Column forward_bytes;
  Column reverse_bytes;
  Column connect_failures;
  Column resets;
  Column forward_bytes_a_second;
  Column reverse_bytes_a_second;
  std::vector<std::optional<LatencyRow>> latency;  // of TCP whose answers come by
  Column ejected;                                  // this and the next two: of those that are watched
  Column on_trial;
  Column ejections;
};

struct ServiceMetrics {
  std::string labels;
  std::string gobetween;
  const DesiredService* desired = nullptr;
  ServiceLive live;
  uint64_t forward_bytes = 0;  // this and the next, of its backends
  uint64_t reverse_bytes = 0;
  LifetimesLive lifetimes;
  Bandwidth bandwidth;
  std::optional<uint64_t> panics;  // of those that may eject backends
};

struct MetricsReading {
  std::shared_ptr<const DesiredState> state;  // where `desired` points to
  std::vector<ServiceMetrics> services;
  BackendMetrics backends;
};
MetricsReading read_metrics(const Daemon& daemon);

}  // namespace millrace::control
