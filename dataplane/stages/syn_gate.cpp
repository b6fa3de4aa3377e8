#include "dataplane/stages/syn_gate.h"

#include <algorithm>

#include "dataplane/stages/notes.h"
#include "dataplane/stages/worker_context.h"
#include "dataplane/tcp/syn_cookie.h"

namespace millrace {
namespace {

bool slab_is_over(const Worker& worker, uint32_t percent) {
  return uint64_t{worker.slab.used()} * 100 > uint64_t{worker.slab.capacity()} * percent;
}

uint32_t per_window(uint32_t syn_rate) { return std::max(syn_rate / (1000 / kGateWindowMs), 1u); }

// Takes the SYN into account.
void count_syn(SynGate& gate, uint32_t now_ms) {
  if (now_ms - gate.window_ms >= kGateWindowMs) {
    gate.window_ms = now_ms;
    gate.syns = 0;
  }
  ++gate.syns;
}

}  // namespace

bool answers_with_cookies(Worker& worker, const ServiceTables& service) {
  if (service.mode == Mode::proxy || service.syn_proxy == SynProxy::on) return true;
  if (service.syn_proxy == SynProxy::off) return false;
  const uint32_t now_ms = worker.clock.now32_ms();
  SynGate& gate = worker.syn_gates.of(service.slot);
  count_syn(gate, now_ms);
  const uint32_t limit = per_window(service.syn_rate);
  if (gate.open) {
    if (gate.syns > limit / 2 || slab_is_over(worker, kGateCalmPercent)) gate.busy_ms = now_ms;
    return true;
  }
  if (gate.syns <= limit && !slab_is_over(worker, kGatePressurePercent)) return false;
  if (!gate.was_open) worker.syn_gates.open_[worker.syn_gates.open_count_++] = service.slot;
  gate.open = gate.was_open = true;
  gate.busy_ms = now_ms;
  worker.service_counters[raw(service.slot)].syn_floods.add(1);
  note_service(worker, NoteKind::syn_proxy_on, service.slot);
  return true;
}

bool accepts_cookies(Worker& worker, const ServiceTables& service) {
  if (service.mode == Mode::proxy || service.syn_proxy == SynProxy::on) return true;
  return service.syn_proxy == SynProxy::automatic && worker.syn_gates.of(service.slot).was_open;
}

void calm_gates(Worker& worker) {
  SynGates& gates = worker.syn_gates;
  const uint32_t now_ms = worker.clock.now32_ms();
  for (uint32_t i = 0; i < gates.open_count_;) {
    SynGate& gate = gates.of(gates.open_[i]);
    const uint32_t calm_ms = now_ms - gate.busy_ms;
    if (gate.open && calm_ms >= kGateCalmMs) {
      gate.open = false;
      note_service(worker, NoteKind::syn_proxy_off, gates.open_[i]);
    }
    if (!gate.open && calm_ms >= kGateCalmMs + 2 * kCookieEpochMs) {
      gate.was_open = false;
      gates.open_[i] = gates.open_[--gates.open_count_];
    } else {
      ++i;
    }
  }
}

}  // namespace millrace
