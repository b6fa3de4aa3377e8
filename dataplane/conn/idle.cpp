#include "dataplane/conn/idle.h"

#include "dataplane/tcp/tcp_state.h"

namespace millrace {

namespace {

Ms earlier(Ms a, Ms b) { return ms_after(a, b) ? b : a; }

}  // namespace

Ms due_ms(const ConnEntry& entry, uint32_t client_idle_ms, uint32_t backend_idle_ms, const SettingsCommand& settings) {
  // A UDP session that had its last answer: nothing more is to come.
  if (entry.state == ConnState::closed && entry.proto == Proto::udp) return last_seen_ms(entry);
  const bool is_udp_open = entry.state == ConnState::open || entry.state == ConnState::counted;
  const Ms state_due = last_seen_ms(entry) + state_timeout_ms(entry.state, settings);
  if (entry.state != ConnState::established && !is_udp_open) return state_due;

  const Ms client_due = entry.client_seen_ms + client_idle_ms;
  if (is_direct(entry.mode)) return client_idle_ms == 0 ? state_due : client_due;
  const Ms backend_due = entry.backend_seen_ms + backend_idle_ms;
  if (is_udp_open && entry.backend_seen_ms == entry.opened_ms) {
    // No reply yet. Many UDP services never send one, so the backend's silence ends nothing; a flood from forged
    // sources must not stay longer than the default.
    return client_idle_ms == 0 ? state_due : earlier(client_due, state_due);
  }
  if (client_idle_ms == 0 && backend_idle_ms == 0) return state_due;
  if (client_idle_ms == 0) return backend_due;
  if (backend_idle_ms == 0) return client_due;
  return earlier(client_due, backend_due);
}

}  // namespace millrace
