// udp_session.h: when a UDP session ends before its idle timeout: after so many datagrams, where its service limits them
// (gobetween's max_requests and max_responses), and when its backend went down or was disabled.
// Route:  act_on_hit | act_on_direct > must_move; act_on_hit > count_datagram
// Thread: owning worker.
// Holds:  a session that has ended waits for the timer wheel (a fraction of a second) as `closed`; the client's next
//         datagram does not wait, it begins a new one.
// Cost:   sessions without limits stay `open` and are counted nowhere; while no backend of a UDP service is lost, one byte
//         of the worker a datagram.
// Tests:  tests/unit/stages/udp_session_test.cpp
#pragma once

#include "dataplane/conn/conn_table.h"
#include "dataplane/stages/worker_context.h"

namespace millrace {

inline bool limits_datagrams(const ServiceTables& service) {
  return service.udp_requests_max != 0 || service.udp_responses_max != 0;
}

// A datagram from the client whose backend can serve it no more: it is to find another one.
inline bool must_move(const Worker& worker, const ConnEntry& entry, Direction direction) {
  return worker.any_lost && entry.proto == Proto::udp && direction == Direction::forward &&
         worker.state.eligible.is_lost(entry.backend);
}

inline void count_moved(Worker& worker, const ConnEntry& entry) {
  worker.service_counters[raw(entry.service)].sessions_moved.add(1);
}

// Of a session whose service limits them, or that has ended. False: the datagram is no part of it.
bool count_datagram(Worker& worker, const ConnRef& ref, ConnEntry& entry);

}  // namespace millrace
