// segment_join.h: maps the dataplane's segment and proves its shape before anything in it is used.
// Trust:  none. Every bound is checked against the file and kept in private memory; later writes of the peer into the
//         header cannot move them. A file that its owner truncates under us is the one thing a mapping cannot survive;
//         the dataplane never does: it replaces the file.
// Thread: the event loop.
// Fails:  with one sentence that says what does not fit and what to do.
// Tests:  tests/unit/control/segment_test.cpp
#pragma once

#include <sys/types.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "millrace/segment.h"

namespace millrace::control {

class Segment {
 public:
  ~Segment();
  Segment(const Segment&) = delete;
  Segment& operator=(const Segment&) = delete;

  // Fixed since the segment was made; private copies.
  uint32_t worker_count() const { return worker_count_; }
  uint32_t connection_count() const { return connection_count_; }
  uint32_t dataplane_pid() const { return dataplane_pid_; }
  uint64_t dataplane_start_ms() const { return dataplane_start_ms_; }
  uint64_t tsc_hz() const { return tsc_hz_; }  // not 0
  // Whether `path` still names the file that is mapped.
  bool is_file(const std::string& path) const;

  // Written by the dataplane at any time: read once, check, use the copy.
  uint64_t heartbeat_ms() const { return header().dataplane_heartbeat_ms.load(std::memory_order_relaxed); }
  // Pairs with the release store behind applying a transaction.
  uint64_t applied_generation() const { return header().applied_generation.load(std::memory_order_acquire); }
  uint64_t events_dropped() const { return header().events_dropped.load(std::memory_order_relaxed); }
  uint64_t commands_rejected() const { return header().commands_rejected.load(std::memory_order_relaxed); }
  uint64_t blocked_in_xdp() const { return header().blocked_in_xdp.load(std::memory_order_relaxed); }
  // Ours to write: tells the dataplane that somebody minds it.
  void beat(uint64_t now_ms, uint32_t pid);

  std::span<std::byte> ring(SectionKind kind) const;
  std::span<const WorkerInfo> workers() const { return view<WorkerInfo>(SectionKind::workers); }
  std::span<const PortInfo> ports() const { return view<PortInfo>(SectionKind::ports); }
  std::span<const ServiceInfo> services() const { return view<ServiceInfo>(SectionKind::service_directory); }
  std::span<const BackendInfo> backends() const { return view<BackendInfo>(SectionKind::backend_directory); }
  std::span<const WorkerCounters> worker_counters() const { return view<WorkerCounters>(SectionKind::worker_counters); }
  std::span<const ConnEntry> slab() const { return view<ConnEntry>(SectionKind::slab); }
  // As long as the slab, or empty: this dataplane proxies no connection.
  std::span<const Splice> splices() const { return view<Splice>(SectionKind::splices); }
  // worker < worker_count(), slot < kServiceMax (kBackendMax).
  const ServiceCounters& service_counters(uint32_t worker, uint32_t slot) const {
    return view<ServiceCounters>(SectionKind::service_counters)[size_t{worker} * kServiceMax + slot];
  }
  const BackendCounters& backend_counters(uint32_t worker, uint32_t slot) const {
    return view<BackendCounters>(SectionKind::backend_counters)[size_t{worker} * kBackendMax + slot];
  }
  const BackendHandshakes& backend_handshakes(uint32_t worker, uint32_t slot) const {
    return view<BackendHandshakes>(SectionKind::backend_handshakes)[size_t{worker} * kBackendMax + slot];
  }
  const ServiceLifetimes& service_lifetimes(uint32_t worker, uint32_t slot) const {
    return view<ServiceLifetimes>(SectionKind::service_lifetimes)[size_t{worker} * kServiceMax + slot];
  }

 private:
  friend struct SegmentJoiner;
  Segment() = default;

  SegmentHeader& header() const { return *reinterpret_cast<SegmentHeader*>(memory_); }
  template <typename T>
  std::span<const T> view(SectionKind kind) const {
    const Section& section = sections_[static_cast<size_t>(kind)];
    return {reinterpret_cast<const T*>(memory_ + section.offset), section.element_count};
  }

  std::byte* memory_ = nullptr;
  size_t bytes_ = 0;
  dev_t device_ = 0;
  ino_t inode_ = 0;
  uint32_t worker_count_ = 0;
  uint32_t connection_count_ = 0;
  uint32_t dataplane_pid_ = 0;
  uint64_t dataplane_start_ms_ = 0;
  uint64_t tsc_hz_ = 0;
  std::array<Section, kSectionCount> sections_{};
};

struct SegmentJoin {
  std::shared_ptr<Segment> segment;  // null: see problem
  std::string problem;
};

// Maps the file at `path` and checks it.
SegmentJoin join_segment(const std::string& path);

}  // namespace millrace::control
