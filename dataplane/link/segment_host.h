// segment_host.h: makes the shared segment, and the lock that keeps it to one dataplane.
// The file is made as PATH.new, filled, and renamed to PATH: a reader never maps half of one. What a killed dataplane
// left behind is replaced. PATH.lock is locked on byte 0 while a SegmentLock lives; the kernel unlocks it at death.
// Thread: main lcore.
// Memory: the file's, reserved at once: a full /dev/shm is a sentence at start, never a SIGBUS later.
// Fails:  std::runtime_error with a sentence that says what to do.
// Tests:  tests/unit/link/segment_host_test.cpp
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "millrace/flow_ring.h"
#include "millrace/segment.h"
#include "millrace/shared_ring.h"

namespace millrace {

struct SegmentShape {
  uint32_t worker_count = 0;
  uint32_t port_count = 0;
  uint32_t connection_count = 0;
  uint64_t tsc_hz = 0;
  bool has_splices = true;  // false: no connection can be proxied
};

// Bytes of the file for `shape`.
uint64_t segment_bytes(const SegmentShape& shape);

// Taken before anything else of the host is touched; a second dataplane gets a sentence with the first one's pid.
class SegmentLock {
 public:
  explicit SegmentLock(const std::string& segment_path);
  ~SegmentLock();
  SegmentLock(const SegmentLock&) = delete;
  SegmentLock& operator=(const SegmentLock&) = delete;

  const std::string& segment_path() const { return segment_path_; }

 private:
  std::string segment_path_;
  int fd_ = -1;
};

class SegmentHost {
 public:
  // `lock` outlives this.
  SegmentHost(const SegmentLock& lock, const SegmentShape& shape);
  ~SegmentHost();
  SegmentHost(const SegmentHost&) = delete;
  SegmentHost& operator=(const SegmentHost&) = delete;

  SegmentHeader& header() { return *header_; }
  SharedRing<Command>& commands() { return *commands_; }
  SharedRing<Event>& events() { return *events_; }
  // Lays the command ring anew; for one that its other end has broken. What was in it is lost.
  void reset_commands();

  std::span<WorkerInfo> workers() { return rows<WorkerInfo>(SectionKind::workers); }
  std::span<PortInfo> ports() { return rows<PortInfo>(SectionKind::ports); }
  std::span<ServiceInfo> service_directory() { return rows<ServiceInfo>(SectionKind::service_directory); }
  std::span<BackendInfo> backend_directory() { return rows<BackendInfo>(SectionKind::backend_directory); }
  std::span<WorkerCounters> worker_counters() { return rows<WorkerCounters>(SectionKind::worker_counters); }
  // Rows of all workers, one after the other.
  std::span<ServiceCounters> service_counters() { return rows<ServiceCounters>(SectionKind::service_counters); }
  std::span<BackendCounters> backend_counters() { return rows<BackendCounters>(SectionKind::backend_counters); }
  std::span<BackendHandshakes> backend_handshakes() { return rows<BackendHandshakes>(SectionKind::backend_handshakes); }
  std::span<ServiceLifetimes> service_lifetimes() { return rows<ServiceLifetimes>(SectionKind::service_lifetimes); }
  // Of one worker; before anybody reads it.
  FlowRing make_flow_ring(uint32_t worker);
  std::span<ConnEntry> slab() { return rows<ConnEntry>(SectionKind::slab); }
  // Beside the slab, or empty.
  std::span<Splice> splices() { return rows<Splice>(SectionKind::splices); }

 private:
  void make_file(const SegmentShape& shape);
  void fill(const SegmentShape& shape);
  void* section_start(SectionKind kind) const;
  template <typename Row>
  std::span<Row> rows(SectionKind kind) {
    // The extent is ours, not the header's: the other process can write there.
    return {static_cast<Row*>(section_start(kind)), sections_[static_cast<uint32_t>(kind)].element_count};
  }

  std::string path_;
  SegmentHeader* header_ = nullptr;
  uint64_t bytes_ = 0;
  Section sections_[kSectionCount];
  std::optional<SharedRing<Command>> commands_;
  std::optional<SharedRing<Event>> events_;
};

}  // namespace millrace
