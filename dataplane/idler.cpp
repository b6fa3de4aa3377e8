// idler.cpp: see the header.
#include "dataplane/idler.h"

#include <rte_pause.h>
#include <rte_rcu_qsbr.h>
#include <sched.h>
#include <time.h>

#include <algorithm>

#include "dataplane/process_state.h"
#include "dataplane/stages/worker_context.h"

namespace millrace {
namespace {

constexpr unsigned kSpinTurns = 200;
constexpr long kWaitNs = 1'000'000;
constexpr unsigned kYieldTurns = 50;
constexpr unsigned kIdleSleepUsMin = 5;
constexpr unsigned kIdleSleepUsMax = 100;  // the latency that the first packet after a pause pays at worst

timespec nanoseconds(long ns) { return {.tv_sec = 0, .tv_nsec = ns}; }

// -1: what comes from there shows only by polling.
int descriptor_of(const RxSource& source, const std::vector<Port>& ports) {
  return source.kind == SourceKind::nic ? ports[raw(source.port)].queue_socket[source.queue] : -1;
}

}  // namespace

Idler::Idler(const Worker& worker) : worker_(worker) {
  for (const RxSource& source : worker.sources)
    sockets_.push_back({.fd = descriptor_of(source, worker.state.ports), .events = POLLIN, .revents = 0});
  if (std::any_of(sockets_.begin(), sockets_.end(), [](const pollfd& socket) { return socket.fd < 0; }))
    sockets_.clear();
}

void Idler::after_turn(unsigned taken) {
  if (taken != 0) {
    empty_turns_ = 0;
    return;
  }
  ++empty_turns_;
  if (policy() == IdlePolicy::busy) return rte_pause();
  if (!waits_for_packets() && empty_turns_ <= kSpinTurns) return rte_pause();
  rte_rcu_qsbr_thread_offline(worker_.state.qsbr, raw(worker_.self));
  wait();
  rte_rcu_qsbr_thread_online(worker_.state.qsbr, raw(worker_.self));
}

IdlePolicy Idler::policy() const {
  const IdlePolicy told = worker_.snapshot->settings.idle;
  return told == IdlePolicy::as_started ? worker_.state.idle : told;
}

void Idler::wait() {
  if (waits_for_packets()) {
    const timespec limit = nanoseconds(kWaitNs);
    ppoll(sockets_.data(), sockets_.size(), &limit, nullptr);
    return;
  }
  const unsigned waits = empty_turns_ - kSpinTurns;
  if (waits <= kYieldTurns) {
    sched_yield();
    return;
  }
  const timespec pause = nanoseconds(1000L * std::min(kIdleSleepUsMax, kIdleSleepUsMin + waits - kYieldTurns));
  clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, nullptr);
}

}  // namespace millrace
