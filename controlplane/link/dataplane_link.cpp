#include "controlplane/link/dataplane_link.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/use_awaitable.hpp>

#include "controlplane/link/monotonic.h"
#include "controlplane/link/transaction.h"
#include "controlplane/net/asio_types.h"
#include "controlplane/state/diff.h"

namespace millrace::control {
namespace {

namespace asio = boost::asio;

// Poll of the event ring: how late an answer is heard at worst. 100 wakeups a second cost some 0.1% of a core.
constexpr std::chrono::milliseconds kTurn{10};
// While it has something to do for us: the ring takes a large configuration in several parts.
constexpr std::chrono::milliseconds kBusyTurn{1};
constexpr uint64_t kJoinEveryMs = 150;
constexpr uint64_t kLifeEveryMs = 100;
// Ten missed beats of segment.h: more than any table build is meant to take.
constexpr uint64_t kHeartbeatLateMs = 1000;
// An answer may be lost when the event ring was full; a transaction is idempotent, so it is sent again.
constexpr uint64_t kAnswerLateMs = 10'000;
constexpr uint64_t kResendPauseMs = 1000;
constexpr uint64_t kRefusedRetryMs = 30'000;
// A peer that writes nonsense is joined again, but not in a tight loop.
constexpr uint64_t kUnsoundPauseMs = 5000;
constexpr unsigned kGenerationClashMax = 3;
// Beyond any honest count; leaves room to count up from it.
constexpr Generation kGenerationMax = Generation{1} << 62;

uint64_t age_ms(uint64_t now_ms, uint64_t then_ms) { return now_ms > then_ms ? now_ms - then_ms : 0; }

// A beat from the future is no beat.
bool is_fresh(uint64_t now_ms, uint64_t beat_ms) {
  return beat_ms <= now_ms + kHeartbeatLateMs && age_ms(now_ms, beat_ms) <= kHeartbeatLateMs;
}

}  // namespace

std::string format_rejection(const Rejection& rejection) {
  return fmt::format("generation {}: {}: {} ({})", rejection.generation, rejection.item, rejection.sentence,
                     rejection.reason);
}

DataplaneLink::DataplaneLink(asio::any_io_executor executor, std::string segment_path, OwnerLock lock)
    : executor_(executor),
      turn_timer_(executor),
      settle_signal_(executor, asio::steady_timer::time_point::max()),
      path_(std::move(segment_path)),
      lock_(std::move(lock)) {}

asio::awaitable<void> DataplaneLink::run() {
  while (!stopped_) {
    turn();
    turn_timer_.expires_after(awaits_answer() ? kBusyTurn : kTurn);
    co_await turn_timer_.async_wait(kQuietly);
  }
}

void DataplaneLink::stop() {
  stopped_ = true;
  turn_timer_.cancel();
  settle_signal_.cancel();
}

bool DataplaneLink::awaits_answer() const { return peer_ && peer_->under_way && !peer_->stalled; }

void DataplaneLink::turn() {
  const uint64_t now_ms = monotonic_ms();
  if (!peer_) {
    if (now_ms < join_not_before_ms_) return;
    join_not_before_ms_ = now_ms + kJoinEveryMs;
    try_join();
    if (!peer_) return;
  }
  hear(now_ms);
  if (peer_ && check_life(now_ms)) push();
}

void DataplaneLink::try_join() {
  if (lock_.is_stale()) {
    std::string problem;
    std::optional<OwnerLock> taken = OwnerLock::take(path_, problem);
    if (!taken) return set_problem(problem);
    lock_ = std::move(*taken);
  }
  SegmentJoin joined = join_segment(path_);
  if (!joined.segment) return set_problem(joined.problem);
  if (!lock_.dataplane_lives())
    return set_problem(fmt::format("the dataplane of {} is not running; start millrace-dataplane", path_));
  const uint64_t now_ms = monotonic_ms();
  if (!is_fresh(now_ms, joined.segment->heartbeat_ms()))
    return set_problem(fmt::format("a dataplane of {} is starting or hangs: its heartbeat is late", path_));
  const Generation applied = joined.segment->applied_generation();
  const std::span<std::byte> commands = joined.segment->ring(SectionKind::command_ring);
  const std::span<std::byte> events = joined.segment->ring(SectionKind::event_ring);
  auto to_dataplane = SharedRing<Command>::join(commands.data(), commands.size(), kCommandRingSlots);
  auto from_dataplane = SharedRing<Event>::join(events.data(), events.size(), kEventRingSlots);
  if (!to_dataplane || !from_dataplane || applied > kGenerationMax)
    return set_problem(fmt::format("segment {} refused: its {} is corrupt; restart millrace-dataplane", path_,
                                   applied > kGenerationMax ? "applied generation" : "ring"));

  const auto first_sequence = static_cast<uint32_t>(now_ms << 12);
  peer_.emplace(
      Peer{joined.segment, CommandWriter(*to_dataplane, commands, first_sequence), EventReader(*from_dataplane)});
  peer_->checked_ms = now_ms;
  // Whatever lies there was meant for an earlier millraced.
  peer_->reader.poll();
  peer_->segment->beat(now_ms, static_cast<uint32_t>(getpid()));
  problem_.clear();
  refused_ = nullptr;
  spdlog::info("dataplane (pid {}) joined: {} workers, {} connections, generation {} applied",
               peer_->segment->dataplane_pid(), peer_->segment->worker_count(), peer_->segment->connection_count(),
               applied);
  tell({.kind = "dataplane", .what = "connected", .generation = applied});
}

void DataplaneLink::leave(const std::string& why, uint64_t pause_ms) {
  spdlog::warn("dataplane (pid {}) is gone: {}", peer_->segment->dataplane_pid(), why);
  tell({.kind = "dataplane", .what = "lost", .cause = why});
  malformed_before_ += peer_->reader.malformed_count();
  peer_.reset();
  clients_refused_.clear();  // their slots were that dataplane's
  problem_ = why;
  join_not_before_ms_ = monotonic_ms() + pause_ms;
  settle_signal_.cancel();
}

// False: the peer was left.
bool DataplaneLink::check_life(uint64_t now_ms) {
  if (!peer_->writer.sound() || !peer_->reader.sound()) {
    leave("a ring of its segment is corrupt", kUnsoundPauseMs);
    return false;
  }
  if (now_ms - peer_->checked_ms < kLifeEveryMs) return true;
  peer_->checked_ms = now_ms;
  if (!peer_->segment->is_file(path_)) {
    leave("its segment was replaced or removed", 0);
    return false;
  }
  // A lock file that somebody deleted tells nothing; the heartbeat then has to.
  const bool lock_tells = !lock_.is_stale();
  if (lock_tells && !lock_.dataplane_lives()) {
    leave("its process ended", 0);
    return false;
  }
  const bool fresh = is_fresh(now_ms, peer_->segment->heartbeat_ms());
  if (!fresh && !lock_tells) {
    leave("its heartbeat stopped", 0);
    return false;
  }
  // Its process lives but hangs: rejoining would not help, and sending everything again would make it worse.
  if (!fresh && !peer_->stalled)
    spdlog::warn("dataplane (pid {}) runs but its heartbeat is late", peer_->segment->dataplane_pid());
  if (fresh && peer_->stalled) spdlog::info("dataplane (pid {}) is answering again", peer_->segment->dataplane_pid());
  if (fresh == peer_->stalled) tell({.kind = "dataplane", .what = fresh ? "answering" : "stalled"});
  peer_->stalled = !fresh;
  peer_->segment->beat(now_ms, static_cast<uint32_t>(getpid()));
  return true;
}

void DataplaneLink::hear(uint64_t now_ms) {
  for (const Event& event : peer_->reader.poll()) take_event(event, now_ms);
  if (!peer_->under_way) return;
  const Generation applied = peer_->segment->applied_generation();
  if (applied > kGenerationMax) return leave("its applied generation is corrupt", kUnsoundPauseMs);
  // The event may have been lost; the header says it too.
  if (applied == peer_->under_way->generation) return complete(now_ms);
  if (peer_->stalled || !peer_->writer.idle() || age_ms(now_ms, peer_->under_way->sent_ms) < kAnswerLateMs) return;
  spdlog::warn("dataplane did not answer generation {} within {} s: it is sent again", peer_->under_way->generation,
               kAnswerLateMs / 1000);
  peer_->under_way.reset();
  peer_->resend = true;
}

void DataplaneLink::take_event(const Event& event, uint64_t now_ms) {
  switch (event.kind) {
    case EventKind::applied:
      if (peer_->under_way && event.generation == peer_->under_way->generation) complete(now_ms);
      return;
    case EventKind::rejected:
      return take_rejection(event, now_ms);
    case EventKind::slab_full:
    case EventKind::snat_exhausted:
    case EventKind::evicted:
      return warn_full(event, now_ms);
    case EventKind::client_refused:
      return warn_refused(event, now_ms);
    case EventKind::syn_proxy_on:
    case EventKind::syn_proxy_off:
      return tell_syn_proxy(event);
    case EventKind::backends_full:
    case EventKind::service_full:
      return warn_limit(event, now_ms);
    case EventKind::connect_failed:
    case EventKind::backend_reset:
      // Counted per backend in the segment, where the API reads them.
      return;
  }
}

void DataplaneLink::take_rejection(const Event& event, uint64_t now_ms) {
  if (!peer_->writer.is_mine(event.sequence)) return;
  const Command* command = peer_->writer.find(event.sequence);
  const bool of_transaction = peer_->under_way && event.generation == peer_->under_way->generation;
  // A transaction may be answered by several rejections; the first has settled it. set_backend names what is applied.
  if (!of_transaction && event.generation != peer_->applied_generation) return;
  const std::shared_ptr<const DesiredState> state = of_transaction ? peer_->under_way->state : peer_->applied;
  Rejection rejection;
  rejection.generation = event.generation;
  rejection.reason = reject_name(event.reason);
  rejection.sentence = reject_sentence(event.reason);
  rejection.item = command != nullptr && state ? describe_command(*command, *state) : "an earlier message";
  rejection.time_ms = now_ms;

  // An earlier millraced used the number meanwhile: our state was not judged at all.
  const bool clash = event.reason == RejectReason::bad_generation && peer_->generation_clashes < kGenerationClashMax;
  if (!of_transaction || clash) {
    spdlog::warn("dataplane rejected {}; the whole configuration is sent again", format_rejection(rejection));
    peer_->generation_clashes += clash ? 1 : 0;
    peer_->under_way.reset();
    peer_->resend = true;
    peer_->resend_not_before_ms = clash ? now_ms : now_ms + kResendPauseMs;
    return;
  }
  spdlog::error("dataplane rejected {}; it goes on with generation {}", format_rejection(rejection),
                peer_->applied_generation);
  tell({.kind = "config", .what = "rejected", .cause = format_rejection(rejection), .generation = event.generation});
  refused_ = peer_->under_way->state;
  revision_refused_ = peer_->under_way->revision;
  retry_ms_ = now_ms + kRefusedRetryMs;
  rejection_ = rejection;
  peer_->under_way.reset();
  peer_->generation_clashes = 0;
  settle_signal_.cancel();
}

void DataplaneLink::complete(uint64_t now_ms) {
  const Transaction done = *peer_->under_way;
  peer_->under_way.reset();
  peer_->applied = done.state;
  peer_->applied_generation = done.generation;
  peer_->generation_clashes = 0;
  revision_applied_ = done.revision;
  refused_ = nullptr;
  rejection_.reset();
  spdlog::info("generation {} applied: {} services ({} ms)", done.generation, done.state->services.size(),
               age_ms(now_ms, done.sent_ms));
  tell({.kind = "config", .what = "applied", .generation = done.generation});
  settle_signal_.cancel();
}

void DataplaneLink::push() {
  if (!desired_ || !peer_->writer.flush() || peer_->under_way) return;
  const uint64_t now_ms = monotonic_ms();
  if (refused_ && now_ms < retry_ms_ && !peer_->resend && same_structure(*refused_, *desired_)) return;
  if (peer_->resend || !peer_->applied) {
    if (now_ms >= peer_->resend_not_before_ms) send_snapshot(now_ms);
    return;
  }
  if (revision_applied_ == revision_) return;
  const StateChange change = diff_state(*peer_->applied, *desired_);
  if (change.snapshot_needed) return send_snapshot(now_ms);
  peer_->applied = desired_;
  revision_applied_ = revision_;
  if (!change.set_backends.empty())
    peer_->writer.send(make_set_backends(change.set_backends, peer_->applied_generation));
  settle_signal_.cancel();
}

void DataplaneLink::send_snapshot(uint64_t now_ms) {
  const Generation applied = peer_->segment->applied_generation();
  if (applied > kGenerationMax) return leave("its applied generation is corrupt", kUnsoundPauseMs);
  generation_sent_ = std::max(applied, generation_sent_) + 1;
  peer_->resend = false;
  peer_->under_way = Transaction{generation_sent_, revision_, desired_, now_ms};
  peer_->writer.send(make_transaction(*desired_, generation_sent_));
  turn_timer_.cancel();  // the next turn is due sooner
}

uint64_t DataplaneLink::set_desired(std::shared_ptr<const DesiredState> state) {
  desired_ = std::move(state);
  ++revision_;
  if (peer_) push();
  return revision_;
}

void DataplaneLink::resend() {
  if (!peer_) return;
  peer_->resend = true;
  push();
}

Outcome DataplaneLink::outcome(uint64_t revision) const {
  if (revision_applied_ >= revision) return Outcome::applied;
  if (revision_refused_ >= revision) return Outcome::rejected;
  return peer_ && !peer_->stalled ? Outcome::pending : Outcome::no_dataplane;
}

asio::awaitable<Outcome> DataplaneLink::settle(uint64_t revision, std::chrono::milliseconds patience) {
  const auto deadline = std::chrono::steady_clock::now() + patience;
  while (outcome(revision) == Outcome::pending && std::chrono::steady_clock::now() < deadline && !stopped_) {
    settle_signal_.expires_at(deadline);
    co_await settle_signal_.async_wait(kQuietly);
  }
  co_return outcome(revision);
}

LinkStatus DataplaneLink::status() const {
  LinkStatus status;
  status.problem = problem_;
  status.generation_sent = generation_sent_;
  status.rejection = rejection_;
  status.events_malformed = malformed_before_;
  if (rejection_) status.sync = SyncState::rejected;
  if (!peer_) return status;
  const uint64_t now_ms = monotonic_ms();
  status.connected = true;
  status.stalled = peer_->stalled;
  if (peer_->stalled) status.problem = "its process runs but its heartbeat is late";
  status.generation_applied = peer_->segment->applied_generation();
  status.heartbeat_age_ms = age_ms(now_ms, peer_->segment->heartbeat_ms());
  status.events_malformed += peer_->reader.malformed_count();
  if (peer_->under_way || peer_->resend || !peer_->writer.idle())
    status.sync = SyncState::sending;
  else if (refused_)
    status.sync = SyncState::rejected;
  else
    status.sync = revision_applied_ == revision_ && peer_->applied ? SyncState::applied : SyncState::sending;
  return status;
}

std::shared_ptr<const Segment> DataplaneLink::segment() const {
  return peer_ ? std::shared_ptr<const Segment>(peer_->segment) : nullptr;
}

void DataplaneLink::set_problem(const std::string& problem) {
  if (problem == problem_) return;
  problem_ = problem;
  spdlog::info("waiting for the dataplane: {}", problem);
}

}  // namespace millrace::control
