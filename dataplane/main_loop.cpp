// main_loop.cpp: the loop is the table of contents.
#include "dataplane/main_loop.h"

#include <rte_ethdev.h>
#include <rte_ring_elem.h>
#include <spdlog/spdlog.h>
#include <time.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "dataplane/link/monotonic.h"

namespace millrace {
namespace {

// Bounds of one turn, so that heartbeats go on under a flood from either side.
constexpr unsigned kCommandsPerTurn = kCommandRingSlots;
constexpr unsigned kNotesPerWorkerTurn = 256;
constexpr uint64_t kBeatPeriodMs = 100;
constexpr uint64_t kLinkPeriodMs = 1000;
constexpr uint64_t kCorruptLogPeriodMs = 10'000;
// A health change waits this long at worst; waking up more often costs a shared CPU for nothing.
constexpr long kIdleSleepNs = 1'000'000;
constexpr long kBusySleepNs = 200'000;

constexpr std::array kRejectNames = {
#define X(name, sentence) std::string_view{#name},
    MR_REJECT_REASONS(X)
#undef X
};
constexpr std::array kRejectSentences = {
#define X(name, sentence) std::string_view{sentence},
    MR_REJECT_REASONS(X)
#undef X
};

size_t backend_count(const DesiredModel& model) {
  size_t count = 0;
  for (const DesiredService& service : model.services) count += service.backends.size();
  return count;
}

}  // namespace

MainLoop::MainLoop(ProcessState& state, SegmentHost& segment, KernelMonitor& monitor, Steering& steering,
                   Publisher& publisher)
    : state_(state),
      segment_(segment),
      monitor_(monitor),
      steering_(steering),
      publisher_(publisher),
      reader_(!state.splices.empty()),
      events_(segment.events(), segment.header()),
      bandwidth_meter_(state.backend_counters, state.bandwidths) {}

void MainLoop::run(const std::atomic<bool>& stop) {
  while (!stop.load(std::memory_order_relaxed)) {
    const bool busy = turn(monotonic_ms());
    const timespec pause{.tv_sec = 0, .tv_nsec = busy ? kBusySleepNs : kIdleSleepNs};
    nanosleep(&pause, nullptr);
  }
}

bool MainLoop::turn(uint64_t now_ms) {
  bool busy = read_commands(now_ms);
  publisher_.flush();
  busy |= read_notes();
  follow_kernel(now_ms);
  events_.flush_notes(now_ms);
  publisher_.collect();
  beat(now_ms);
  return busy;
}

bool MainLoop::read_commands(uint64_t now_ms) {
  Command command;
  unsigned count = 0;
  while (count < kCommandsPerTurn && !publisher_.must_wait() && segment_.commands().try_receive(command)) {
    ++count;
    obey(command);
  }
  if (count == 0 && !segment_.commands().sound()) {
    segment_.reset_commands();
    if (corrupt_log_ms_ == 0 || now_ms - corrupt_log_ms_ >= kCorruptLogPeriodMs) {
      corrupt_log_ms_ = now_ms;
      spdlog::error(
          "the command ring is corrupt: what millraced writes there makes no sense; emptied it, "
          "traffic goes on with generation {}; restart millraced",
          publisher_.applied().generation);
    }
  }
  return count != 0;
}

void MainLoop::obey(const Command& command) {
  CommandReader::Result result = reader_.read(command, publisher_.applied());
  switch (result.outcome) {
    case CommandReader::Outcome::more:
      return;
    case CommandReader::Outcome::set_backend:
      return publisher_.set_backend(command.body.set_backend);
    case CommandReader::Outcome::commit:
      result.reason = publisher_.apply(reader_.take());
      break;
    case CommandReader::Outcome::rejected:
      break;
  }
  if (result.reason == RejectReason::none) {
    const DesiredModel& model = publisher_.applied();
    // Release; the control plane that reads it finds the directory of that generation.
    segment_.header().applied_generation.store(model.generation, std::memory_order_release);
    events_.applied(model.generation);
    spdlog::info("applied generation {}: {} services, {} backends", model.generation, model.services.size(),
                 backend_count(model));
    return;
  }
  events_.rejected(command.generation, command.sequence, result.reason);
  const bool own_words = result.outcome == CommandReader::Outcome::commit && !publisher_.last_error().empty();
  spdlog::warn(
      "rejected generation {} at command {}: {} ({}); generation {} goes on", command.generation, command.sequence,
      kRejectNames[static_cast<size_t>(result.reason)],
      own_words ? std::string_view(publisher_.last_error()) : kRejectSentences[static_cast<size_t>(result.reason)],
      publisher_.applied().generation);
}

bool MainLoop::read_notes() {
  bool any = false;
  for (rte_ring* ring : state_.notes) {
    WorkerNote note;
    for (unsigned i = 0; i < kNotesPerWorkerTurn && rte_ring_sc_dequeue_elem(ring, &note, sizeof note) == 0; ++i) {
      any = true;
      if (note.kind == NoteKind::resolve)
        monitor_.resolve(note.port, note.addr);
      else
        events_.note(note);
    }
  }
  return any;
}

void MainLoop::follow_kernel(uint64_t now_ms) {
  if (publisher_.must_wait()) return;
  const KernelMonitor::Changes changes = monitor_.poll(now_ms);
  if (changes.host_addresses) steering_.set_host_addresses(monitor_.host_addresses());
  if (changes.addresses) {
    if (!publisher_.set_addresses(monitor_.addresses()))
      spdlog::error("not every address of the host is served: {}", publisher_.last_error());
  }
  if (!changes.routes) return;
  try {
    publisher_.set_routes(monitor_.routes());
    spdlog::debug("{} routes by our ports", monitor_.routes().size());
  } catch (const std::exception& error) {
    spdlog::error("the new routes are not used yet: {}", error.what());
  }
}

void MainLoop::beat(uint64_t now_ms) {
  if (now_ms - beat_ms_ < kBeatPeriodMs) return;
  beat_ms_ = now_ms;
  segment_.header().dataplane_heartbeat_ms.store(now_ms, std::memory_order_relaxed);
  segment_.header().blocked_in_xdp.store(steering_.blocked(), std::memory_order_relaxed);
  publisher_.reclaim();
  bandwidth_meter_.measure(publisher_.applied(), now_ms);
  if (now_ms - link_check_ms_ < kLinkPeriodMs) return;
  link_check_ms_ = now_ms;
  for (const Port& port : state_.ports) {
    rte_eth_link link{};
    const bool up = rte_eth_link_get_nowait(port.dpdk_port, &link) == 0 && link.link_status == RTE_ETH_LINK_UP;
    PortInfo& info = segment_.ports()[static_cast<size_t>(port.index)];
    if (info.link_up.exchange(up, std::memory_order_relaxed) != static_cast<uint32_t>(up))
      spdlog::info("port {} ({}) is {}", port.name, port.device, up ? "up" : "down");
  }
}

}  // namespace millrace
