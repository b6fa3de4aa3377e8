#include "dataplane/stages/udp_session.h"

#include "dataplane/stages/backend_choice.h"
#include "dataplane/stages/connection.h"

namespace millrace {
namespace {

// Up to the greatest limit that can be written.
void count_up(uint16_t& count) {
  if (count != UINT16_MAX) ++count;
}

bool is_reached(uint16_t count, uint16_t max) { return max != 0 && count >= max; }

}  // namespace

bool count_datagram(Worker& worker, const ConnRef& ref, ConnEntry& entry) {
  if (entry.state == ConnState::closed) return false;
  const ServiceTables* service = service_of(worker, entry);
  const uint16_t requests_max = service != nullptr ? service->udp_requests_max : uint16_t{0};
  const uint16_t responses_max = service != nullptr ? service->udp_responses_max : uint16_t{0};
  uint16_t& count = entry.datagrams[static_cast<unsigned>(ref.direction)];
  if (ref.direction == Direction::forward) {
    if (is_reached(count, requests_max)) return false;
    count_up(count);
    return true;
  }
  count_up(count);
  if (!is_reached(count, responses_max)) return true;
  set_state(worker, entry, ConnState::closed);
  arm_connection(worker, ref.index);
  return true;
}

}  // namespace millrace
