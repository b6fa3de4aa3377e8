// segment_host.cpp: lock; lay out, fill, rename.
#include "dataplane/link/segment_host.h"

#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <new>
#include <stdexcept>

#include "dataplane/link/monotonic.h"

namespace millrace {
namespace {

constexpr uint64_t kSectionAlign = 4096;
constexpr mode_t kFileMode = 0660;
constexpr char kGroup[] = "millrace";

struct Layout {
  Section sections[kSectionCount];
  uint64_t bytes = 0;
};

Layout lay_out(const SegmentShape& shape) {
  Layout layout;
  layout.bytes = kSectionAlign;  // the header
  const auto add = [&](SectionKind kind, uint64_t bytes, size_t element_bytes, uint64_t element_count) {
    layout.sections[static_cast<uint32_t>(kind)] = {.offset = layout.bytes,
                                                    .bytes = bytes,
                                                    .element_bytes = static_cast<uint32_t>(element_bytes),
                                                    .element_count = static_cast<uint32_t>(element_count)};
    layout.bytes += (bytes + kSectionAlign - 1) / kSectionAlign * kSectionAlign;
  };
  const auto add_rows = [&](SectionKind kind, size_t element_bytes, uint64_t element_count) {
    add(kind, element_bytes * element_count, element_bytes, element_count);
  };
  const uint64_t workers = shape.worker_count;
  add(SectionKind::command_ring, shared_ring_bytes(sizeof(Command), kCommandRingSlots), sizeof(Command),
      kCommandRingSlots);
  add(SectionKind::event_ring, shared_ring_bytes(sizeof(Event), kEventRingSlots), sizeof(Event), kEventRingSlots);
  add_rows(SectionKind::workers, sizeof(WorkerInfo), workers);
  add_rows(SectionKind::ports, sizeof(PortInfo), shape.port_count);
  add_rows(SectionKind::service_directory, sizeof(ServiceInfo), kServiceMax);
  add_rows(SectionKind::backend_directory, sizeof(BackendInfo), kBackendMax);
  add_rows(SectionKind::worker_counters, sizeof(WorkerCounters), workers);
  add_rows(SectionKind::service_counters, sizeof(ServiceCounters), workers * kServiceMax);
  add_rows(SectionKind::backend_counters, sizeof(BackendCounters), workers * kBackendMax);
  add_rows(SectionKind::slab, sizeof(ConnEntry), shape.connection_count);
  add_rows(SectionKind::splices, sizeof(Splice), shape.has_splices ? shape.connection_count : 0);
  add_rows(SectionKind::backend_handshakes, sizeof(BackendHandshakes), workers * kBackendMax);
  add_rows(SectionKind::service_lifetimes, sizeof(ServiceLifetimes), workers * kServiceMax);
  add(SectionKind::flow_rings, workers * kFlowRingBytes, sizeof(FlowRecord), workers * kFlowRingSlots);
  return layout;
}

// An errno, or 0. A signal would undo what is reserved so far, and a TAP (pci ports) sends one for every packet that the
// kernel has for it: they wait.
int reserve(int fd, uint64_t bytes) {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  const int error = posix_fallocate(fd, 0, static_cast<off_t>(bytes));
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return error;
}

std::runtime_error failure(const std::string& what, const std::string& path, const std::string& remedy) {
  return std::runtime_error(what + " " + path + ": " + std::strerror(errno) + "; " + remedy);
}

// The process that holds the lock wrote its pid into the segment. 0: unreadable.
uint32_t owner_pid(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0) return 0;
  uint32_t pid = 0;
  if (pread(fd, &pid, sizeof pid, offsetof(SegmentHeader, dataplane_pid)) != sizeof pid) pid = 0;
  close(fd);
  return pid;
}

// hugetlbfs takes sizes in its own pages only.
uint64_t in_whole_pages(int fd, uint64_t bytes) {
  struct stat status {};
  const uint64_t page_bytes =
      fstat(fd, &status) == 0 ? std::max<uint64_t>(static_cast<uint64_t>(status.st_blksize), 1) : 1;
  return (bytes + page_bytes - 1) / page_bytes * page_bytes;
}

// The control plane runs as another user: it gets at both files by their group. Without such a group only root does.
void share_with_group(int fd) {
  const group* entry = getgrnam(kGroup);
  const bool shared = entry == nullptr || fchown(fd, static_cast<uid_t>(-1), entry->gr_gid) == 0;
  // 0660 whatever the umask is; without the group's ownership the group gets nothing.
  (void)fchmod(fd, shared ? kFileMode : 0600);
}

}  // namespace

uint64_t segment_bytes(const SegmentShape& shape) { return lay_out(shape).bytes; }

SegmentLock::SegmentLock(const std::string& segment_path) : segment_path_(segment_path) {
  const std::string path = segment_path + ".lock";
  // In a sticky directory O_CREAT is refused for a file that the unprivileged control plane made first.
  fd_ = open(path.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW);
  if (fd_ < 0 && errno == ENOENT) fd_ = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, kFileMode);
  if (fd_ < 0)
    throw failure("cannot open", path, "set [dataplane] segment to a path in an existing directory on tmpfs");
  share_with_group(fd_);
  struct flock wanted {};
  wanted.l_type = F_WRLCK;
  wanted.l_whence = SEEK_SET;
  wanted.l_start = 0;
  wanted.l_len = 1;
  if (fcntl(fd_, F_OFD_SETLK, &wanted) == 0) return;
  const int cause = errno;
  close(fd_);
  errno = cause;
  if (cause != EAGAIN && cause != EACCES)
    throw failure("cannot lock", path, "put [dataplane] segment on a file system with locks, such as /dev/shm");
  const uint32_t pid = owner_pid(segment_path);
  const std::string number = pid != 0 ? std::to_string(pid) : "PID";
  throw std::runtime_error("another millrace-dataplane (" + (pid != 0 ? "pid " + number : "just starting") +
                           ") serves the segment " + segment_path + "; stop it with 'kill " + number +
                           "', or give this one its own [dataplane] segment");
}

SegmentLock::~SegmentLock() { close(fd_); }

SegmentHost::SegmentHost(const SegmentLock& lock, const SegmentShape& shape) : path_(lock.segment_path()) {
  make_file(shape);
  fill(shape);
  const std::string unfinished = path_ + ".new";
  if (rename(unfinished.c_str(), path_.c_str()) == 0) return;
  const int cause = errno;
  munmap(header_, bytes_);
  unlink(unfinished.c_str());
  errno = cause;
  throw failure("cannot rename the new segment to", path_, "remove what stands there");
}

SegmentHost::~SegmentHost() { munmap(header_, bytes_); }

void SegmentHost::make_file(const SegmentShape& shape) {
  const Layout layout = lay_out(shape);
  std::memcpy(sections_, layout.sections, sizeof sections_);
  const std::string unfinished = path_ + ".new";
  unlink(unfinished.c_str());  // of a dataplane that was killed here; the lock says that none is at work
  const int fd = open(unfinished.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, kFileMode);
  if (fd < 0) throw failure("cannot create", unfinished, "check the directory of [dataplane] segment");
  share_with_group(fd);
  const uint64_t bytes = in_whole_pages(fd, layout.bytes);
  errno = reserve(fd, bytes);  // before mapping
  void* memory = MAP_FAILED;
  if (errno == 0) memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  const int cause = errno;
  close(fd);
  if (memory == MAP_FAILED) {
    unlink(unfinished.c_str());
    errno = cause;
    const std::string size = std::to_string((bytes >> 20) + 1) + " MiB";
    throw failure("cannot reserve " + size + " for", unfinished,
                  "lower [dataplane] connections, or enlarge its file system: mount -o remount,size=SIZE /dev/shm "
                  "(hugetlbfs: sysctl -w vm.nr_hugepages=N)");
  }
  header_ = static_cast<SegmentHeader*>(memory);
  bytes_ = bytes;
}

void SegmentHost::fill(const SegmentShape& shape) {
  new (header_) SegmentHeader();  // the file is all zero, which is what every row of the sections starts with
  header_->magic = kSegmentMagic;
  header_->abi_version = kAbiVersion;
  header_->worker_count = shape.worker_count;
  header_->layout = layout_hash();
  header_->segment_bytes = bytes_;
  header_->port_count = shape.port_count;
  header_->connection_count = shape.connection_count;
  header_->tsc_hz = shape.tsc_hz;
  header_->dataplane_pid = static_cast<uint32_t>(getpid());
  header_->dataplane_start_ms = monotonic_ms();
  std::memcpy(header_->sections, sections_, sizeof sections_);
  header_->dataplane_heartbeat_ms.store(header_->dataplane_start_ms, std::memory_order_relaxed);

  // The sections were laid out for the rings, so neither can fail.
  reset_commands();
  events_ = SharedRing<Event>::create(section_start(SectionKind::event_ring),
                                      sections_[static_cast<uint32_t>(SectionKind::event_ring)].bytes, kEventRingSlots);
}

FlowRing SegmentHost::make_flow_ring(uint32_t worker) {
  std::byte* rings = static_cast<std::byte*>(section_start(SectionKind::flow_rings));
  // The section was laid out for it.
  return *FlowRing::create(rings + worker * kFlowRingBytes, kFlowRingBytes, kFlowRingSlots);
}

void SegmentHost::reset_commands() {
  commands_ =
      SharedRing<Command>::create(section_start(SectionKind::command_ring),
                                  sections_[static_cast<uint32_t>(SectionKind::command_ring)].bytes, kCommandRingSlots);
}

void* SegmentHost::section_start(SectionKind kind) const {
  return reinterpret_cast<std::byte*>(header_) + sections_[static_cast<uint32_t>(kind)].offset;
}

}  // namespace millrace
