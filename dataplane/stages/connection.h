// connection.h: a connection's beginning and end: slab entry, both index keys, timer, counters, all or nothing.
// Route:  act_burst > open_connection > pick_backend, SnatPorts::find
//         worker_turn > expire_connections > close_connection
// Thread: owning worker.
// Fails:  open_connection names the reason to drop the packet under, and leaves nothing behind.
// Tests:  tests/unit/stages/connection_test.cpp
#pragma once

#include <optional>

#include "dataplane/conn/conn_table.h"
#include "dataplane/stages/burst.h"
#include "dataplane/stages/worker_context.h"
#include "millrace/flow_record.h"

namespace millrace {

// For the first packet, from the client, which has no connection yet.
std::optional<DropReason> open_connection(Worker& worker, const Tuple& tuple, const ServiceTables& service,
                                          ConnRef& opened);

// Of the tuple as it stands on the wire, for the paths that look one up by itself. Not found: no connection has it.
ConnRef find_connection(const Worker& worker, const Tuple& tuple);

// The two halves of a proxied connection, each all or nothing. The client's, whose tuple has no connection yet: an entry
// with its key, neither state nor timer set.
std::optional<DropReason> open_client_half(Worker& worker, const Tuple& tuple, const ServiceTables& service,
                                           ConnIndex& opened);
// The backend's: source port, reverse key, counters. The entry has no backend yet.
std::optional<DropReason> attach_backend(Worker& worker, ConnIndex index, const ServiceTables& service,
                                         const BackendTarget& backend);
// Undoes that. Nothing happens when there is none.
void detach_backend(Worker& worker, ConnIndex index);

// Fills what a client's first packet tells. Everything else of `entry` is zero.
void describe_client(const Worker& worker, const Tuple& tuple, const ServiceTables& service, ConnEntry& entry);
// Keeps `flow`, described by direct_flow.h, as an entry with the client's key, which has no connection yet. False: there
// is no room.
bool keep_flow(Worker& worker, const ConnEntry& flow, const ServiceTables& service, ConnRef& kept);

// Null when it has left the configuration.
inline const ServiceTables* service_of(const Worker& worker, const ConnEntry& entry) {
  const auto& services = worker.snapshot->services;
  return raw(entry.service) < services.size() ? services[raw(entry.service)].get() : nullptr;
}

// The packet that the client sends.
Tuple client_tuple(const ConnEntry& entry);

// The entry is free afterwards; nothing may use `index` any more.
void close_connection(Worker& worker, ConnIndex index, FlowEnd end);

// Sets the timer by what the entry says now, and its place among those that may have to make room. After every change of
// its state.
void arm_connection(Worker& worker, ConnIndex index);

// Closes what is idle, at most TimerWheel::kExpiriesPerCall a call (counter timer_behind); the rest in the next turn,
// so that a worker closes as fast as it can open.
void expire_connections(Worker& worker);

}  // namespace millrace
