#include "dataplane/stages/handshake_watch.h"

#include <algorithm>
#include <utility>

#include "dataplane/stages/connection.h"

namespace millrace {
namespace {

// 2048 cycles: a microsecond at 2 GHz. 65,536 of them pass in 30 ms even at 4.4 GHz.
constexpr unsigned kTickShift = 11;
constexpr uint32_t kRoundMs = 30;

uint16_t tick_of(const Worker& worker) { return static_cast<uint16_t>(worker.turn_tsc >> kTickShift); }

// Two bytes of the entry that nobody needs before the backend has answered: of a spliced one nobody ever, of another the
// client's half of reset_check.h, which is 0 until its first ACK.
uint16_t& kept_tick(ConnEntry& entry) { return entry.tcp_halves[entry.spliced != 0 ? 1 : 0]; }

uint32_t passed_us(const Worker& worker, uint16_t began, uint32_t began_ms) {
  const uint32_t passed_ms = worker.clock.now32_ms() - began_ms;
  if (passed_ms >= kRoundMs) return std::min(passed_ms, UINT32_MAX / 1000) * 1000;
  const auto ticks = static_cast<uint16_t>(tick_of(worker) - began);
  return static_cast<uint32_t>((uint64_t{ticks} << kTickShift) * 1'000'000 / worker.state.tsc_hz);
}

}  // namespace

void begin_handshake_watch(const Worker& worker, ConnEntry& entry) { kept_tick(entry) = tick_of(worker); }

void end_handshake_watch(Worker& worker, ConnEntry& entry, uint32_t began_ms, bool accepted) {
  const uint16_t began = std::exchange(kept_tick(entry), uint16_t{0});
  const uint32_t us = passed_us(worker, began, began_ms);
  if (accepted) worker.backend_handshakes[raw(entry.backend)].add(us);
  const ServiceTables* service = service_of(worker, entry);
  if (service == nullptr || service->balance != Balance::fastest) return;
  const uint32_t at_most_us = std::min(us, kFailedHandshakeUs);
  worker.pick.handshakes.add(entry.backend, accepted ? at_most_us : kFailedHandshakeUs, worker.clock.now32_ms());
}

}  // namespace millrace
