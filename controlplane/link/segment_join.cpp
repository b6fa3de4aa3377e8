#include "controlplane/link/segment_join.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <vector>

#include "millrace/flow_ring.h"
#include "millrace/shared_ring.h"

namespace millrace::control {
namespace {

// The part of the header that is fixed when the segment appears.
struct FixedHeader {
  uint64_t magic;
  uint32_t abi_version;
  uint32_t worker_count;
  uint64_t layout;
  uint64_t segment_bytes;
  uint32_t port_count;
  uint32_t connection_count;
  uint64_t tsc_hz;
  uint32_t dataplane_pid;
  uint32_t reserved;
  uint64_t dataplane_start_ms;
  Section sections[kSectionCount];
};
static_assert(offsetof(FixedHeader, sections) == offsetof(SegmentHeader, sections));
static_assert(offsetof(FixedHeader, dataplane_pid) == offsetof(SegmentHeader, dataplane_pid));
static_assert(sizeof(FixedHeader) <= offsetof(SegmentHeader, dataplane_heartbeat_ms));

// What the sections must be for the counts of a header. Rings have no fixed size here: shared_ring.h says theirs.
struct Shape {
  SectionKind kind;
  const char* name;
  uint32_t element_bytes;
  uint64_t element_count;
  uint64_t bytes_min;
};

Shape array_shape(SectionKind kind, const char* name, uint32_t element_bytes, uint64_t count) {
  return {kind, name, element_bytes, count, element_bytes * count};
}

std::array<Shape, kSectionCount> shapes(const FixedHeader& header) {
  const uint64_t w = header.worker_count;
  const uint32_t connections = header.connection_count;
  // A dataplane that proxies nothing has none.
  const uint32_t splices = header.sections[static_cast<size_t>(SectionKind::splices)].element_count;
  return {
      Shape{SectionKind::command_ring, "command ring", sizeof(Command), kCommandRingSlots,
            shared_ring_bytes(sizeof(Command), kCommandRingSlots)},
      Shape{SectionKind::event_ring, "event ring", sizeof(Event), kEventRingSlots,
            shared_ring_bytes(sizeof(Event), kEventRingSlots)},
      array_shape(SectionKind::workers, "workers", sizeof(WorkerInfo), w),
      array_shape(SectionKind::ports, "ports", sizeof(PortInfo), header.port_count),
      array_shape(SectionKind::service_directory, "service directory", sizeof(ServiceInfo), kServiceMax),
      array_shape(SectionKind::backend_directory, "backend directory", sizeof(BackendInfo), kBackendMax),
      array_shape(SectionKind::worker_counters, "worker counters", sizeof(WorkerCounters), w),
      array_shape(SectionKind::service_counters, "service counters", sizeof(ServiceCounters), w * kServiceMax),
      array_shape(SectionKind::backend_counters, "backend counters", sizeof(BackendCounters), w * kBackendMax),
      array_shape(SectionKind::slab, "slab", sizeof(ConnEntry), connections),
      array_shape(SectionKind::splices, "splices", sizeof(Splice), splices == 0 ? 0 : connections),
      array_shape(SectionKind::backend_handshakes, "backend handshakes", sizeof(BackendHandshakes), w * kBackendMax),
      array_shape(SectionKind::service_lifetimes, "service lifetimes", sizeof(ServiceLifetimes), w * kServiceMax),
      Shape{SectionKind::flow_rings, "flow rings", sizeof(FlowRecord), w * kFlowRingSlots, w * kFlowRingBytes},
  };
}

std::string check_section(const Shape& shape, const Section& section, uint64_t file_bytes) {
  if (section.element_bytes != shape.element_bytes || section.element_count != shape.element_count)
    return fmt::format("its {} has {} elements of {} bytes instead of {} of {}", shape.name, section.element_count,
                       section.element_bytes, shape.element_count, shape.element_bytes);
  if (section.offset % 4096 != 0 || section.offset < 4096)
    return fmt::format("its {} lies at {}, which is not a page behind the header", shape.name, section.offset);
  if (section.bytes < shape.bytes_min)
    return fmt::format("its {} has {} bytes, {} are needed", shape.name, section.bytes, shape.bytes_min);
  if (section.offset > file_bytes || section.bytes > file_bytes - section.offset)
    return fmt::format("its {} ends behind the file", shape.name);
  return {};
}

std::string check_overlap(std::span<const Section> sections) {
  std::vector<Section> sorted(sections.begin(), sections.end());
  std::ranges::sort(sorted, {}, &Section::offset);
  for (size_t i = 1; i < sorted.size(); ++i)
    if (sorted[i - 1].offset + sorted[i - 1].bytes > sorted[i].offset && sorted[i].bytes != 0)
      return "sections overlap";
  return {};
}

std::string check_header(const FixedHeader& header, uint64_t file_bytes) {
  if (header.magic != kSegmentMagic) return "it is not a Millrace segment";
  if (header.abi_version != kAbiVersion)
    return fmt::format("it has ABI version {}, this millraced speaks {}; run both processes from one build",
                       header.abi_version, kAbiVersion);
  if (header.layout != layout_hash())
    return "its layout differs from this millraced's; run both processes from one build";
  if (header.segment_bytes != file_bytes)
    return fmt::format("it claims {} bytes but the file has {}", header.segment_bytes, file_bytes);
  if (header.worker_count == 0 || header.worker_count > kWorkerMax)
    return fmt::format("its worker count {} is not within 1..{}", header.worker_count, kWorkerMax);
  if (header.port_count > kPortMax) return fmt::format("its port count {} is over {}", header.port_count, kPortMax);
  if (header.connection_count == 0 || header.connection_count > kConnectionMax)
    return fmt::format("its connection count {} is not within 1..{}", header.connection_count, kConnectionMax);
  if (header.tsc_hz == 0) return "its TSC has no frequency";
  for (const Shape& shape : shapes(header)) {
    std::string problem = check_section(shape, header.sections[static_cast<size_t>(shape.kind)], file_bytes);
    if (!problem.empty()) return problem;
  }
  return check_overlap(header.sections);
}

class FileDescriptor {
 public:
  explicit FileDescriptor(int fd) : fd_(fd) {}
  ~FileDescriptor() {
    if (fd_ >= 0) close(fd_);
  }
  FileDescriptor(const FileDescriptor&) = delete;
  FileDescriptor& operator=(const FileDescriptor&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

std::string open_problem(const std::string& path, int error) {
  if (error == ENOENT) return fmt::format("there is no segment {} yet; start millrace-dataplane", path);
  if (error == EACCES)
    return fmt::format("segment {} may not be opened by this user; run millraced in the group that owns the file",
                       path);
  return fmt::format("segment {} cannot be opened: {}", path, std::strerror(error));
}

}  // namespace

// Fills a Segment; apart from it nobody sees one half made.
struct SegmentJoiner {
  static SegmentJoin join(const std::string& path) {
    const FileDescriptor file(open(path.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
    if (file.get() < 0) return {nullptr, open_problem(path, errno)};
    struct stat status {};
    if (fstat(file.get(), &status) != 0) return {nullptr, open_problem(path, errno)};
    if (!S_ISREG(status.st_mode)) return {nullptr, fmt::format("segment {} is not a regular file", path)};
    const auto bytes = static_cast<uint64_t>(status.st_size);
    if (bytes < 4096) return {nullptr, fmt::format("segment {} refused: it is too short for a header", path)};

    std::shared_ptr<Segment> segment(new Segment);
    void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file.get(), 0);
    if (memory == MAP_FAILED)
      return {nullptr, fmt::format("segment {} cannot be mapped: {}", path, std::strerror(errno))};
    segment->memory_ = static_cast<std::byte*>(memory);
    segment->bytes_ = bytes;
    segment->device_ = status.st_dev;
    segment->inode_ = status.st_ino;

    FixedHeader header;
    std::memcpy(&header, memory, sizeof header);
    if (const std::string problem = check_header(header, bytes); !problem.empty())
      return {nullptr, fmt::format("segment {} refused: {}", path, problem)};
    segment->worker_count_ = header.worker_count;
    segment->connection_count_ = header.connection_count;
    segment->dataplane_pid_ = header.dataplane_pid;
    segment->dataplane_start_ms_ = header.dataplane_start_ms;
    segment->tsc_hz_ = header.tsc_hz;
    std::copy(std::begin(header.sections), std::end(header.sections), segment->sections_.begin());
    return {std::move(segment), {}};
  }
};

SegmentJoin join_segment(const std::string& path) { return SegmentJoiner::join(path); }

Segment::~Segment() {
  if (memory_ != nullptr) munmap(memory_, bytes_);
}

bool Segment::is_file(const std::string& path) const {
  struct stat status {};
  return stat(path.c_str(), &status) == 0 && status.st_dev == device_ && status.st_ino == inode_;
}

void Segment::beat(uint64_t now_ms, uint32_t pid) {
  header().control_pid.store(pid, std::memory_order_relaxed);
  header().control_heartbeat_ms.store(now_ms, std::memory_order_relaxed);
}

std::span<std::byte> Segment::ring(SectionKind kind) const {
  const Section& section = sections_[static_cast<size_t>(kind)];
  return {memory_ + section.offset, section.bytes};
}

}  // namespace millrace::control
