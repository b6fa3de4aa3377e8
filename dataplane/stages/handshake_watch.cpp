#include "dataplane/stages/handshake_watch.h"

#include <utility>

#include "dataplane/stages/connection.h"

namespace millrace {
namespace {

constexpr uint32_t kTickUs = 16;
constexpr uint32_t kTickCount = 65535;  // 1 .. 65535; 0 is no tick
constexpr uint32_t kRoundMs = kTickUs * kTickCount / 1000;

uint16_t tick_of(const Worker& worker) {
  const uint64_t us = worker.turn_tsc / (worker.state.tsc_hz / 1'000'000);
  return static_cast<uint16_t>(us / kTickUs % kTickCount + 1);
}

// Two bytes of the entry that nobody needs before the backend has answered: of a spliced one nobody ever, of another the
// client's half of reset_check.h, which is 0 until its first ACK.
uint16_t& kept_tick(ConnEntry& entry) { return entry.tcp_halves[entry.spliced != 0 ? 1 : 0]; }

bool is_watched(const ServiceTables* service) { return service != nullptr && service->balance == Balance::fastest; }

}  // namespace

void begin_handshake_watch(const Worker& worker, const ServiceTables& service, ConnEntry& entry) {
  if (is_watched(&service)) kept_tick(entry) = tick_of(worker);
}

void end_handshake_watch(Worker& worker, ConnEntry& entry, uint32_t began_ms, bool accepted) {
  const uint16_t began = std::exchange(kept_tick(entry), uint16_t{0});
  if (began == 0 || !is_watched(service_of(worker, entry))) return;
  const uint32_t now_ms = worker.clock.now32_ms();
  const uint32_t ticks = (tick_of(worker) + kTickCount - began) % kTickCount;
  const uint32_t us = now_ms - began_ms >= kRoundMs ? kFailedHandshakeUs : ticks * kTickUs;
  worker.pick.handshakes.add(entry.backend, accepted ? us : kFailedHandshakeUs, now_ms);
}

}  // namespace millrace
