#include "tests/unit/control/fake_dataplane.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <stdexcept>
#include <utility>

#include "controlplane/link/monotonic.h"

namespace millrace::control {
namespace {

void require(bool condition, const char* what) {
  if (!condition) throw std::runtime_error(std::string(what) + ": " + std::strerror(errno));
}

struct Plan {
  SectionKind kind;
  uint64_t bytes;
  uint32_t element_bytes;
  uint64_t element_count;
};

std::vector<Plan> plan_sections(uint64_t workers, uint64_t connections, uint64_t splices) {
  const auto array = [](SectionKind kind, uint32_t bytes, uint64_t count) {
    return Plan{kind, bytes * count, bytes, count};
  };
  return {
      Plan{SectionKind::command_ring, shared_ring_bytes(sizeof(Command), kCommandRingSlots), sizeof(Command),
           kCommandRingSlots},
      Plan{SectionKind::event_ring, shared_ring_bytes(sizeof(Event), kEventRingSlots), sizeof(Event), kEventRingSlots},
      array(SectionKind::workers, sizeof(WorkerInfo), workers),
      array(SectionKind::ports, sizeof(PortInfo), 1),
      array(SectionKind::service_directory, sizeof(ServiceInfo), kServiceMax),
      array(SectionKind::backend_directory, sizeof(BackendInfo), kBackendMax),
      array(SectionKind::worker_counters, sizeof(WorkerCounters), workers),
      array(SectionKind::service_counters, sizeof(ServiceCounters), workers * kServiceMax),
      array(SectionKind::backend_counters, sizeof(BackendCounters), workers * kBackendMax),
      array(SectionKind::slab, sizeof(ConnEntry), connections),
      array(SectionKind::splices, sizeof(Splice), splices),
      array(SectionKind::backend_handshakes, sizeof(BackendHandshakes), workers * kBackendMax),
      array(SectionKind::service_lifetimes, sizeof(ServiceLifetimes), workers * kServiceMax),
      Plan{SectionKind::flow_rings, workers * kFlowRingBytes, sizeof(FlowRecord), workers * kFlowRingSlots},
  };
}

}  // namespace

TempDir::TempDir() {
  char name[] = "/tmp/millrace-test-XXXXXX";
  require(mkdtemp(name) != nullptr, "mkdtemp");
  root_ = name;
}

TempDir::~TempDir() { std::filesystem::remove_all(root_); }

FakeDataplane::FakeDataplane(std::string path, uint32_t workers, uint32_t connections, bool has_splices)
    : path_(std::move(path)) {
  lock_fd_ = open((path_ + ".lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0660);
  require(lock_fd_ >= 0, "open lock");
  struct flock lock {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  lock.l_len = 1;
  require(fcntl(lock_fd_, F_OFD_SETLK, &lock) == 0, "lock");
  const std::string fresh = path_ + ".new";
  create(fresh, workers, connections, has_splices ? connections : 0);
  require(rename(fresh.c_str(), path_.c_str()) == 0, "rename");
}

void FakeDataplane::create(const std::string& file, uint32_t workers, uint32_t connections, uint32_t splices) {
  SegmentHeader head;
  uint64_t end = 4096;
  for (const Plan& plan : plan_sections(workers, connections, splices)) {
    Section& section = head.sections[static_cast<size_t>(plan.kind)];
    section = {end, plan.bytes, plan.element_bytes, static_cast<uint32_t>(plan.element_count)};
    end = (end + plan.bytes + 4095) / 4096 * 4096;
  }
  bytes_ = end;
  const int fd = open(file.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0660);
  require(fd >= 0 && ftruncate(fd, static_cast<off_t>(bytes_)) == 0, "create segment");
  void* memory = mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  require(memory != MAP_FAILED, "mmap");
  close(fd);
  memory_ = static_cast<std::byte*>(memory);
  auto* made = new (memory_) SegmentHeader;
  made->magic = kSegmentMagic;
  made->abi_version = kAbiVersion;
  made->worker_count = workers;
  made->layout = layout_hash();
  made->segment_bytes = bytes_;
  made->port_count = 1;
  made->connection_count = connections;
  made->tsc_hz = 2'000'000'000;
  made->dataplane_pid = static_cast<uint32_t>(getpid());
  made->dataplane_start_ms = monotonic_ms();
  std::copy(std::begin(head.sections), std::end(head.sections), std::begin(made->sections));
  made->dataplane_heartbeat_ms.store(monotonic_ms(), std::memory_order_relaxed);
  const auto ring_bytes = [&](SectionKind kind) { return made->sections[static_cast<size_t>(kind)].bytes; };
  commands_ = SharedRing<Command>::create(section<std::byte>(SectionKind::command_ring),
                                          ring_bytes(SectionKind::command_ring), kCommandRingSlots);
  events_ = SharedRing<Event>::create(section<std::byte>(SectionKind::event_ring), ring_bytes(SectionKind::event_ring),
                                      kEventRingSlots);
  require(commands_ && events_, "rings");
  for (uint32_t worker = 0; worker < workers; ++worker)
    flows_.push_back(*FlowRing::create(section<std::byte>(SectionKind::flow_rings) + worker * kFlowRingBytes,
                                       kFlowRingBytes, kFlowRingSlots));
}

FakeDataplane::~FakeDataplane() {
  close(lock_fd_);
  munmap(memory_, bytes_);
}

void FakeDataplane::relay_commands(size_t bytes) {
  commands_ = SharedRing<Command>::create(section<std::byte>(SectionKind::command_ring), bytes, kCommandRingSlots);
}

void FakeDataplane::turn() {
  if (beating) header().dataplane_heartbeat_ms.store(monotonic_ms(), std::memory_order_relaxed);
  if (!reading) return;
  Command command;
  while (commands_->try_receive(command)) {
    taken_.push_back(command);
    if (command.kind == CommandKind::begin) transaction_.clear();
    transaction_.push_back(command);
    if (command.kind == CommandKind::commit) answer(command);
  }
}

FakeDataplane::Verdict FakeDataplane::refuse_unless(uint32_t services) {
  return [services](const std::vector<Command>& transaction) -> std::optional<Event> {
    if (transaction[0].body.begin.service_count == services) return std::nullopt;
    Event event;
    event.kind = EventKind::rejected;
    event.reason = RejectReason::no_memory;
    event.sequence = transaction.back().sequence;
    return event;
  };
}

void FakeDataplane::answer(const Command& commit) {
  ++commits;
  if (!answering) return;
  std::optional<Event> said = verdict ? verdict(transaction_) : std::nullopt;
  if (!said) {
    said.emplace();
    said->kind = EventKind::applied;
    header().applied_generation.store(commit.generation, std::memory_order_release);
  }
  said->generation = commit.generation;
  tell(*said);
}

void FakeDataplane::tell(const Event& event) { require(events_->try_send(event), "event ring"); }

std::vector<Command> FakeDataplane::take_commands() { return std::exchange(taken_, {}); }

void FakeDataplane::set_service(uint16_t slot, const std::string& name, uint8_t in_use) {
  ServiceInfo& info = section<ServiceInfo>(SectionKind::service_directory)[slot];
  info.in_use = in_use;
  info.proto = Proto::tcp;
  info.mode = Mode::fullnat;
  info.balance = Balance::weight;
  std::strncpy(info.name, name.c_str(), kNameBytes - 1);
}

void FakeDataplane::set_backend(uint16_t slot, uint16_t service, const Endpoint& endpoint, uint8_t in_use) {
  BackendInfo& info = section<BackendInfo>(SectionKind::backend_directory)[slot];
  info.in_use = in_use;
  info.service = ServiceSlot{service};
  info.addr = endpoint.addr;
  info.port = endpoint.port;
}

}  // namespace millrace::control
