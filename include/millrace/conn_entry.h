// conn_entry.h: one connection in the slab. Two cache lines; IPv4 traffic touches the first alone.
// Writer: the owning worker. Readers: the control plane, by read_conn (copies, checks, never waits for long).
// The entry alone is enough to rebuild both index keys, so that a later dataplane can carry on with it.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "millrace/addr.h"
#include "millrace/ids.h"
#include "millrace/messages.h"

namespace millrace {

// States of a TCP connection as a NAT sees it (RFC 7857 section 2). `open` serves UDP.
enum class ConnState : uint8_t {
  free = 0,
  syn_sent = 1,      // client's SYN seen
  syn_received = 2,  // backend's SYN-ACK seen
  established = 3,   // client's ACK seen
  client_fin = 4,    // client closed its half
  backend_fin = 5,   // backend closed its half
  time_wait = 6,     // both halves closed
  closed = 7,        // RST seen; of UDP: its last answer was
  open = 8,          // UDP
  // Of a proxied connection before it is established; the client has proven that it is there.
  hello = 9,     // its ClientHello is not whole
  connect = 10,  // our SYN to a backend is not answered
  header = 11,   // what we say first to the backend is not acknowledged: PROXY header, held ClientHello
  counted = 12,  // UDP of a service that limits a session's datagrams
};
inline constexpr unsigned kConnStateCount = 13;
constexpr bool in_proxied_handshake(ConnState state) { return state >= ConnState::hello && state <= ConnState::header; }
// Both sides have ended it, or one has by force: it waits for what comes late, and counts for no limit.
constexpr bool is_over(ConnState state) { return state == ConnState::time_wait || state == ConnState::closed; }

struct alignas(64) ConnEntry {
  // Odd while the entry is being opened or closed, even otherwise; grows by 2 with each use of the entry.
  std::atomic<uint32_t> generation;
  uint32_t client_seen_ms;   // low 32 bits of CLOCK_MONOTONIC in ms, last packet from the client
  uint32_t backend_seen_ms;  // likewise from the backend
  uint32_t opened_ms;
  ConnState state;
  Family family;
  Proto proto;
  Mode mode;
  ServiceSlot service;
  BackendSlot backend;  // kNoBackend: a proxied connection that has none, or none any more
  WorkerIndex owner;
  uint8_t route_epoch;  // of the route table that the neighbours below came from
  // Checksum deltas of the forward rewrite (RFC 1624, one's complement, host arithmetic on network-order words);
  // the reverse rewrite adds their complement.
  uint16_t l3_delta;
  uint16_t l4_delta;
  // Indexes of the neighbour table; kNoNeighbour until resolved.
  uint16_t forward_neighbour;   // towards the backend
  uint16_t reverse_neighbour;   // towards the client
  uint8_t spliced;              // 1: proxied, its Splice counts (splice.h)
  Encapsulation encapsulation;  // mode tunnel; none otherwise
  union {
    uint16_t hello;                      // spliced: place in the worker's store of ClientHellos, kNoHello
    uint16_t gue_port;                   // encapsulation gue
    std::array<uint16_t, 2> tcp_halves;  // TCP, not spliced: see dataplane/tcp/reset_check.h, and handshake_watch.h
    std::array<uint16_t, 2> datagrams;   // counted: so far, of the client and of the backend
  };
  // Ports and addresses in pairs: what a rewritten packet says, source first. One load takes a pair: the first is the
  // reverse packet's, the second the forward packet's.
  Be16 vip_port;
  Be16 client_port;
  Be16 snat_port;  // nat: the client's
  Be16 backend_port;
  // family ipv4; zero otherwise. Of a tunnel snat and backend are the ends of the outer packet, whose family may be the
  // other one; snat is zero in mode dsr.
  Be32 vip4;
  Be32 client4;
  Be32 snat4;  // nat: the client's
  Be32 backend4;
  // family ipv6; zero otherwise.
  std::array<uint8_t, 16> vip6;
  std::array<uint8_t, 16> client6;
  std::array<uint8_t, 16> snat6;  // nat: the client's
  std::array<uint8_t, 16> backend6;
};
inline constexpr uint16_t kNoNeighbour = 0xffff;
inline constexpr uint16_t kNoHello = 0xffff;
static_assert(sizeof(ConnEntry) == 128 && offsetof(ConnEntry, vip6) == 64);
static_assert(offsetof(ConnEntry, vip_port) == 40 && offsetof(ConnEntry, snat_port) == 44);
static_assert(offsetof(ConnEntry, vip4) == 48 && offsetof(ConnEntry, snat4) == 56);
static_assert(std::is_standard_layout_v<ConnEntry>);

// Of the packets that go to the backend: the client's family, but in a tunnel.
inline Family backend_family(const ConnEntry& entry) {
  if (entry.mode != Mode::tunnel) return entry.family;
  return entry.backend4.raw != 0 ? Family::ipv4 : Family::ipv6;
}
inline IpAddr backend_address(const ConnEntry& entry) {
  return backend_family(entry) == Family::ipv4 ? IpAddr::from_ipv4(entry.backend4) : IpAddr{entry.backend6};
}
inline IpAddr snat_address(const ConnEntry& entry) {
  return backend_family(entry) == Family::ipv4 ? IpAddr::from_ipv4(entry.snat4) : IpAddr{entry.snat6};
}

// Copies `entry` if it is in use and was not opened or closed meanwhile. Returns false otherwise. Counters and
// times inside may be a packet old. Any thread of any process.
inline bool read_conn(const ConnEntry& entry, ConnEntry& copy) {
  // Pairs with the release store that ends opening in conn/slab.cpp.
  const uint32_t before = entry.generation.load(std::memory_order_acquire);
  if (before & 1) return false;
  std::memcpy(static_cast<void*>(&copy), static_cast<const void*>(&entry), sizeof copy);
  std::atomic_thread_fence(std::memory_order_acquire);
  return entry.generation.load(std::memory_order_relaxed) == before && copy.state != ConnState::free;
}

}  // namespace millrace
