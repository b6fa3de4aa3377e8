// messages.h: what crosses the rings of the shared segment. Fixed-size PODs; the receiver copies a message out,
// checks every field of the copy, and uses the copy.
//
// control -> data, a configuration as one transaction (a snapshot, never a patch):
//   begin(G) settings? snat_range* service* bind* backend* backend_host* access_rules* blocked_prefixes* commit(G)
//   answered by applied(G) or rejected(G, reason)
// An item may only name what came before it (a bind its service, a service its pool). A second begin abandons an
// open transaction. Services are matched to living ones by name, backends by (service, endpoint): what matches
// keeps its slot, counters and connections; what is missing drains.
// control -> data, between transactions: set_backend, naming ordinals of the last applied generation.
// data -> control: Event.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "millrace/addr.h"
#include "millrace/ids.h"
#include "millrace/limits.h"

namespace millrace {

enum class Mode : uint8_t { nat = 1, fullnat = 2, proxy = 3, dsr = 4, tunnel = 5 };
// Whether backends answer clients themselves: we see, and forward, what clients say, and translate nothing of it.
constexpr bool is_direct(Mode mode) { return mode >= Mode::dsr; }
// What mode tunnel wraps a client's packet in: the IP header alone (RFC 2003, 2473, 4213), or Generic UDP Encapsulation
// (draft-ietf-intarea-gue-09, variant 0).
enum class Encapsulation : uint8_t { none = 0, ip = 1, gue = 2 };
enum class Balance : uint8_t {
  roundrobin = 1,
  weight = 2,
  leastconn = 3,
  maglev = 4,          // by client address and port
  leastbandwidth = 5,  // of two at random, fewer bits/s
  iphash = 6,          // by client address
  iphash1 = 7,         // by client address; who leaves moves its own clients alone
  random = 8,
  p2c = 9,       // of two at random, fewer open connections
  fastest = 10,  // of two at random, the sooner SYN-ACK
};
// Whether the client alone decides, as far as its backend can take it.
constexpr bool is_by_client(Balance balance) {
  return balance == Balance::maglev || balance == Balance::iphash || balance == Balance::iphash1;
}
// When a nat or fullnat service answers SYNs with cookies and splices, as mode proxy always does.
enum class SynProxy : uint8_t { off = 0, automatic = 1, on = 2 };
// Whether a service has proxied connections at all, and whether it has no others.
constexpr bool may_proxy(Mode mode, SynProxy syn_proxy) { return mode == Mode::proxy || syn_proxy != SynProxy::off; }
constexpr bool always_proxies(Mode mode, SynProxy syn_proxy) {
  return mode == Mode::proxy || syn_proxy == SynProxy::on;
}
// What a backend hears of the client before its first byte (haproxy's proxy-protocol.txt).
enum class ProxyProtocol : uint8_t { none = 0, v1 = 1, v2 = 2 };
// How the server name of a ClientHello chooses among backends; none: it is not read.
enum class HostMatching : uint8_t { none = 0, exact = 1, regexp = 2 };
// Who gets a connection whose name no backend has: those without a name, nobody, or all.
enum class UnexpectedHost : uint8_t { fallback = 0, reject = 1, any = 2 };
// What a client's address gets: a connection, or nothing at all.
enum class AccessAction : uint8_t { allow = 0, deny = 1 };
enum class Health : uint8_t { down = 0, up = 1 };
// What the operator says; health is what the checks say. A backend gets new connections when up and enabled.
enum class Admin : uint8_t { enabled = 0, drain = 1, disabled = 2 };

enum class CommandKind : uint16_t {
  begin = 1,
  settings = 2,
  snat_range = 3,
  service = 4,
  bind = 5,
  backend = 6,
  backend_host = 7,
  access_rules = 8,
  blocked_prefixes = 9,
  commit = 10,
  set_backend = 11,
};

struct BeginCommand {
  // How many items follow; commit is refused when the counts differ.
  uint32_t snat_range_count = 0;
  uint32_t service_count = 0;
  uint32_t bind_count = 0;
  uint32_t backend_count = 0;
  uint32_t backend_host_count = 0;
  uint32_t access_rule_count = 0;     // rules, not messages
  uint32_t blocked_prefix_count = 0;  // likewise
};

// What a worker does when there is nothing to do.
enum class IdlePolicy : uint8_t {
  as_started = 0,  // what the dataplane was started with
  busy = 1,        // never sleeps
  adaptive = 2,    // spins a while, then waits
};

// What all workers go by. Timeouts by TCP state, in ms, 1 s .. 7 days; defaults are RFC 5382 REQ-5.
struct SettingsCommand {
  uint32_t syn_sent_timeout_ms = 10'000;
  uint32_t syn_received_timeout_ms = 10'000;
  uint32_t fin_wait_timeout_ms = 120'000;
  uint32_t time_wait_timeout_ms = 30'000;
  uint32_t closed_timeout_ms = 5'000;
  IdlePolicy idle{};
  uint8_t burst_packets = 0;  // taken in a turn, 1 .. kBurstMax; 0: kBurstMax
  uint8_t flow_log = 0;       // 1: workers tell of every connection that ends (flow_record.h)
  uint8_t reserved = 0;
  bool operator==(const SettingsCommand&) const = default;
};

// Ports [port_first, port_last] of every address in [first, last] are ours to use as source towards backends.
struct SnatRangeCommand {
  uint16_t pool = 0;  // 0 .. kSnatPoolMax - 1
  uint16_t port_first = 0;
  uint16_t port_last = 0;
  uint16_t reserved = 0;
  IpAddr first;
  IpAddr last;
};

inline constexpr uint16_t kNoSnatPool = 0xffff;

// What a service is told once and works by: the same values from the control plane's desired state to the tables of the
// workers.
struct ServiceSettings {
  uint16_t snat_pool = kNoSnatPool;  // of backends that name none; kNoSnatPool in modes nat and dsr
  Proto proto = Proto::tcp;
  Mode mode = Mode::fullnat;
  Balance balance = Balance::weight;
  SynProxy syn_proxy{};          // off in mode proxy, which always does
  HostMatching host_matching{};  // mode proxy alone
  UnexpectedHost unexpected_host{};
  uint16_t gue_port = 0;          // of backends; 0 unless encapsulation is gue
  Encapsulation encapsulation{};  // mode tunnel alone, which always has one
  uint8_t mss_clamp = 0;          // 1: clients' SYNs say at most the MSS that fits the way; modes dsr and tunnel alone
  AccessAction access_default{};  // of clients that no access rule names
  uint8_t source_prefix4 = 0;     // 1 .. 32: bits of a client's address that name its source; 0 without source rates
  uint8_t source_prefix6 = 0;     // 1 .. 128; likewise
  uint8_t reserved = 0;
  uint32_t client_idle_timeout_ms = 0;   // established, nothing heard from the client
  uint32_t backend_idle_timeout_ms = 0;  // established, nothing heard from the backend
  // Of proxied connections, 0 for services that have none:
  uint32_t connect_timeout_ms = 0;  // 10 ms .. 60 s for each backend that is tried
  uint32_t hello_timeout_ms = 0;    // 10 ms .. 60 s for a whole ClientHello; 0 unless host_matching
  uint32_t syn_rate = 0;            // SYNs/s of one worker from which automatic sends cookies; 0 unless automatic
  uint32_t connections_max = 0;     // open at once, over all workers; 0: no limit
  uint32_t slow_start_ms = 0;       // until a backend that came back has its whole share; 0: at once
  // Of UDP: datagrams from the client and from the backend that end a session; 0: no limit, and for TCP.
  uint16_t udp_requests_max = 0;
  uint16_t udp_responses_max = 0;
  // A second, of all workers together; at most kRateMax, 0: no limit. Packets are those of clients.
  uint32_t connection_rate = 0;
  uint32_t packet_rate = 0;
  uint32_t source_connection_rate = 0;
  uint32_t source_packet_rate = 0;

  bool operator==(const ServiceSettings&) const = default;
};

struct ServiceCommand {
  ServiceSettings settings;
  ServiceOrdinal ordinal{};  // 0, 1, 2 … in order of sending
  uint16_t reserved = 0;
  char name[kNameBytes] = {};  // NUL-terminated, not empty, unique
};

struct BindCommand {
  ServiceOrdinal service{};
  Be16 port;  // never 0
  uint32_t reserved = 0;
  IpAddr addr;  // is_any(): every kernel address of every port, of that family
};

struct BackendCommand {
  ServiceOrdinal service{};
  BackendOrdinal ordinal{};  // 0, 1, 2 … within the service
  uint16_t weight = 1;       // 0 .. kWeightMax; 0 gets no new connection
  uint16_t priority = 0;     // 0 .. kPriorityMax; the lowest with an eligible backend gets everything
  Health health{};
  Admin admin{};
  Be16 port;
  ProxyProtocol proxy_protocol{};    // none unless the service's connections are proxied
  uint8_t trial = 0;                 // in 1/256: how much of its share it gets while it is tried again; 0: all of it
  uint16_t snat_pool = kNoSnatPool;  // kNoSnatPool: its service's; where that has none it must not be eligible
  uint32_t connections_max = 0;      // open at once, over all workers; 0: no limit
  IpAddr addr;
};

// The server name that a backend is for: a name in lower case, or a regular expression by its service's host_matching.
// At most one a backend; backends without one are the fallback.
struct BackendHostCommand {
  ServiceOrdinal service{};
  BackendOrdinal backend{};
  char pattern[kHostPatternBytes] = {};  // NUL-terminated, not empty
};

// What clients of one prefix get. Host bits are zero.
struct AccessRule {
  IpAddr prefix;
  uint8_t bits = 0;  // of the family's own 32 or 128
  AccessAction action{};
  bool operator==(const AccessRule&) const = default;
};
static_assert(sizeof(AccessRule) == 18 && std::has_unique_object_representations_v<AccessRule>);

inline constexpr uint32_t kAccessRulesPerCommand = 13;

// The next rules of a service, in order: the first of all that holds a client's address decides.
struct AccessRulesCommand {
  ServiceOrdinal service{};
  uint8_t count = 0;  // 1 .. kAccessRulesPerCommand; the others are zero
  uint8_t reserved = 0;
  AccessRule rules[kAccessRulesPerCommand];
};

// Whose packets to VIPs are dropped. Host bits are zero.
struct BlockedPrefix {
  IpAddr prefix;
  uint8_t bits = 0;  // of the family's own 32 or 128
  bool operator==(const BlockedPrefix&) const = default;
};
static_assert(sizeof(BlockedPrefix) == 17 && std::has_unique_object_representations_v<BlockedPrefix>);

inline constexpr uint32_t kBlockedPrefixesPerCommand = 14;

// The next of the blocklist, in any order; they may repeat and hold each other.
struct BlockedPrefixesCommand {
  uint8_t count = 0;  // 1 .. kBlockedPrefixesPerCommand; the others are zero
  uint8_t reserved = 0;
  BlockedPrefix prefixes[kBlockedPrefixesPerCommand];
};

// Which fields of set_backend count.
inline constexpr uint32_t kSetHealth = 1;
inline constexpr uint32_t kSetAdmin = 2;
inline constexpr uint32_t kSetWeight = 4;
inline constexpr uint32_t kSetTrial = 8;

struct SetBackendCommand {
  ServiceOrdinal service{};
  BackendOrdinal backend{};
  uint32_t fields = 0;  // kSet…
  uint16_t weight = 0;
  Health health{};
  Admin admin{};
  uint8_t trial = 0;  // as BackendCommand
  uint8_t reserved[3] = {};
};

struct Command {
  CommandKind kind{};
  uint16_t reserved = 0;
  uint32_t sequence = 0;      // counts up by one; named in a rejection so that the sender finds the message
  Generation generation = 0;  // of the transaction; of the last applied one for set_backend
  union Body {
    BeginCommand begin;
    SettingsCommand settings;
    SnatRangeCommand snat_range;
    ServiceCommand service;
    BindCommand bind;
    BackendCommand backend;
    BackendHostCommand backend_host;
    AccessRulesCommand access_rules;
    BlockedPrefixesCommand blocked_prefixes;
    SetBackendCommand set_backend;
    uint8_t bytes[240];
    Body() : bytes{} {}
  } body;
};
static_assert(sizeof(Command) == 256 && offsetof(Command, body) == 16);
static_assert(std::is_trivially_copyable_v<Command> && std::is_standard_layout_v<Command>);

enum class EventKind : uint16_t {
  applied = 1,         // generation
  rejected = 2,        // generation, reason, sequence
  connect_failed = 3,  // service_slot, backend_slot, count: RST or silence instead of SYN-ACK
  backend_reset = 4,   // service_slot, backend_slot, count: RST after the handshake
  slab_full = 5,       // count
  snat_exhausted = 6,  // service_slot, backend_slot, count
  client_refused = 7,  // service_slot, backend_slot tried last or none, count: no backend took proven clients
  syn_proxy_on = 8,    // service_slot, count of SYNs/s: a worker began to answer with cookies (automatic)
  syn_proxy_off = 9,   // service_slot: that worker stopped
  backends_full = 10,  // service_slot, count of ms and workers that met every backend at its limit
  service_full = 11,   // service_slot, count of ms and workers that met the service at its limit
  evicted = 12,        // service_slot, count: connections that had to make room for others
};

// X(name, sentence)
#define MR_REJECT_REASONS(X)                                                      \
  X(none, "not rejected")                                                         \
  X(bad_kind, "unknown command")                                                  \
  X(bad_field, "a field is out of range or a reserved one is not zero")           \
  X(bad_order, "an item came outside a transaction or named what is not there")   \
  X(bad_count, "the items do not match the counts of begin")                      \
  X(bad_generation, "not newer than the applied generation")                      \
  X(stale_generation, "names a generation that is not the applied one")           \
  X(duplicate_name, "two services have one name")                                 \
  X(duplicate_bind, "two services have one address, protocol and port")           \
  X(duplicate_backend, "a service has one backend twice")                         \
  X(bind_is_snat, "a bind lies inside a SNAT range")                              \
  X(no_pool, "a service names no SNAT pool with addresses, which its mode needs") \
  X(too_many, "over a limit of limits.h")                                         \
  X(no_memory, "the new tables do not fit into memory")                           \
  X(no_splices, "the dataplane runs with [dataplane] proxy = false")              \
  X(bad_pattern, "a server name's pattern does not compile or is too complex")    \
  X(steer_failed, "the port's steering program refused an address")

enum class RejectReason : uint16_t {
#define X(name, sentence) name,
  MR_REJECT_REASONS(X)
#undef X
};

struct Event {
  EventKind kind{};
  RejectReason reason{};
  uint32_t sequence = 0;  // of the command that a rejection is about
  Generation generation = 0;
  uint64_t time_ms = 0;  // CLOCK_MONOTONIC
  uint32_t count = 0;    // how many of these since the last such event of this backend
  ServiceSlot service{};
  BackendSlot backend{};
  uint8_t reserved[32] = {};
};
static_assert(sizeof(Event) == 64 && std::is_trivially_copyable_v<Event>);

}  // namespace millrace
