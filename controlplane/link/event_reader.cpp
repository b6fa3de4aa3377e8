#include "controlplane/link/event_reader.h"

#include <algorithm>
#include <iterator>

namespace millrace::control {
namespace {

constexpr uint16_t kRejectReasonCount = 0
#define X(name, sentence) +1
    MR_REJECT_REASONS(X)
#undef X
    ;

}  // namespace

bool is_valid_event(const Event& event) {
  if (std::ranges::any_of(event.reserved, [](uint8_t byte) { return byte != 0; })) return false;
  if (static_cast<uint16_t>(event.reason) >= kRejectReasonCount) return false;
  const bool has_backend = raw(event.service) < kServiceMax && raw(event.backend) < kBackendMax;
  switch (event.kind) {
    case EventKind::applied:
      return event.generation != 0;
    case EventKind::rejected:
      return event.reason != RejectReason::none;
    case EventKind::connect_failed:
    case EventKind::backend_reset:
    case EventKind::snat_exhausted:
      return has_backend && event.count != 0;
    case EventKind::client_refused:
    case EventKind::syn_proxy_on:
    case EventKind::syn_proxy_off:
    case EventKind::backends_full:
    case EventKind::service_full:
    case EventKind::evicted:
      return raw(event.service) < kServiceMax && event.count != 0;
    case EventKind::slab_full:
      return event.count != 0;
  }
  return false;
}

std::vector<Event> EventReader::poll() {
  std::vector<Event> events;
  Event event;
  for (uint32_t taken = 0; taken < kEventRingSlots && ring_.try_receive(event); ++taken) {
    if (is_valid_event(event))
      events.push_back(event);
    else
      ++malformed_count_;
  }
  return events;
}

}  // namespace millrace::control
