// fake_dataplane.h: the dataplane's side of a segment, made from the real contract: file, lock, rings, directory,
// counters. It applies or rejects what it is told to and keeps every message.
// Thread: one at a time; turn() must be called often enough to keep the heartbeat fresh.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "millrace/flow_ring.h"
#include "millrace/segment.h"
#include "millrace/shared_ring.h"

namespace millrace::control {

// A directory of its own, removed with everything in it at the end.
class TempDir {
 public:
  TempDir();
  ~TempDir();
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  std::string path(const std::string& name) const { return root_ + "/" + name; }

 private:
  std::string root_;
};

class FakeDataplane {
 public:
  // Makes the segment at `path`, takes the lock and starts to beat. An older segment there is replaced.
  explicit FakeDataplane(std::string path, uint32_t workers = 2, uint32_t connections = 2048, bool has_splices = true);
  // Ends as kill -9 would: the lock goes, the file stays.
  ~FakeDataplane();
  FakeDataplane(const FakeDataplane&) = delete;
  FakeDataplane& operator=(const FakeDataplane&) = delete;

  // One turn of its main loop: beats, takes commands in, answers commits.
  void turn();

  SegmentHeader& header() { return *reinterpret_cast<SegmentHeader*>(memory_); }
  template <typename T>
  T* section(SectionKind kind) {
    return reinterpret_cast<T*>(memory_ + header().sections[static_cast<size_t>(kind)].offset);
  }
  void tell(const Event& event);
  void set_service(uint16_t slot, const std::string& name, uint8_t in_use = 1);
  void set_backend(uint16_t slot, uint16_t service, const Endpoint& endpoint, uint8_t in_use = 1);
  BackendCounters& backend_counters(uint32_t worker, uint16_t slot) {
    return section<BackendCounters>(SectionKind::backend_counters)[size_t{worker} * kBackendMax + slot];
  }
  BackendHandshakes& backend_handshakes(uint32_t worker, uint16_t slot) {
    return section<BackendHandshakes>(SectionKind::backend_handshakes)[size_t{worker} * kBackendMax + slot];
  }
  ServiceLifetimes& service_lifetimes(uint32_t worker, uint16_t slot) {
    return section<ServiceLifetimes>(SectionKind::service_lifetimes)[size_t{worker} * kServiceMax + slot];
  }
  // A worker's, to send by.
  FlowRing& flow_ring(uint32_t worker) { return flows_[worker]; }
  // Lays the command ring anew, as the real one does with a broken one.
  void relay_commands(size_t bytes);
  // Commands since the last call.
  std::vector<Command> take_commands();

  bool beating = true;
  bool reading = true;    // false: it leaves the command ring alone
  bool answering = true;  // false: it reads but does not answer
  // What to say to a transaction: none applies it.
  using Verdict = std::function<std::optional<Event>(const std::vector<Command>&)>;
  // Lacks memory for snapshots, but for those of `services` services.
  static Verdict refuse_unless(uint32_t services);
  Verdict verdict;
  uint64_t commits = 0;

 private:
  void create(const std::string& file, uint32_t workers, uint32_t connections, uint32_t splices);
  void answer(const Command& commit);

  std::string path_;
  int lock_fd_ = -1;
  std::byte* memory_ = nullptr;
  size_t bytes_ = 0;
  std::optional<SharedRing<Command>> commands_;
  std::optional<SharedRing<Event>> events_;
  std::vector<FlowRing> flows_;
  std::vector<Command> transaction_;
  std::vector<Command> taken_;
};

}  // namespace millrace::control
