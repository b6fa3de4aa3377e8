// segment.h: the named file both processes map. Made by the dataplane under a temporary name, filled, then renamed
// into place, so that a reader never sees half of one. It outlives either process.
// Layout: SegmentHeader, then the sections that the header names, each 4096-aligned.
// Who is alive: the dataplane holds an OFD write lock on byte 0 of PATH.lock, the control plane on byte 1; the
//   kernel releases them at death. Heartbeats tell a hung owner from a dead one.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "millrace/addr.h"
#include "millrace/conn_entry.h"
#include "millrace/counters.h"
#include "millrace/flow_record.h"
#include "millrace/histogram.h"
#include "millrace/ids.h"
#include "millrace/limits.h"
#include "millrace/messages.h"
#include "millrace/splice.h"
#include "millrace/steering.h"

namespace millrace {

inline constexpr char kDefaultSegmentPath[] = "/dev/shm/millrace.segment";
inline constexpr uint64_t kSegmentMagic = 0x3145'4341'524c'4c4d;  // "MLLRACE1" in memory order
inline constexpr uint32_t kAbiVersion = 7;

// A hash over every size and offset that the two sides must agree on; a mismatch refuses to join.
constexpr uint64_t layout_hash();

enum class SectionKind : uint32_t {
  command_ring = 0,         // shared_ring.h, elements Command; producer control plane, consumer dataplane main lcore
  event_ring = 1,           // shared_ring.h, elements Event; producer dataplane main lcore, consumer control plane
  workers = 2,              // WorkerInfo[worker_count]
  ports = 3,                // PortInfo[port_count]
  service_directory = 4,    // ServiceInfo[kServiceMax]
  backend_directory = 5,    // BackendInfo[kBackendMax]
  worker_counters = 6,      // WorkerCounters[worker_count]
  service_counters = 7,     // ServiceCounters[worker_count][kServiceMax]
  backend_counters = 8,     // BackendCounters[worker_count][kBackendMax]
  slab = 9,                 // ConnEntry[connection_count]
  splices = 10,             // Splice[connection_count], or none at all
  backend_handshakes = 11,  // BackendHandshakes[worker_count][kBackendMax]
  service_lifetimes = 12,   // ServiceLifetimes[worker_count][kServiceMax]
  flow_rings =
      13,  // worker_count times shared_ring.h, elements FlowRecord; producer the worker, consumer control plane
};
inline constexpr uint32_t kSectionCount = 14;

struct Section {
  uint64_t offset = 0;  // from the start of the file, 4096-aligned
  uint64_t bytes = 0;
  uint32_t element_bytes = 0;
  uint32_t element_count = 0;  // all dimensions multiplied; ring slots for rings
};
static_assert(sizeof(Section) == 24);

struct SegmentHeader {
  // Written once before the rename, by the dataplane.
  uint64_t magic = 0;
  uint32_t abi_version = 0;
  uint32_t worker_count = 0;
  uint64_t layout = 0;         // layout_hash()
  uint64_t segment_bytes = 0;  // file size
  uint32_t port_count = 0;
  uint32_t connection_count = 0;  // slab entries, all workers
  uint64_t tsc_hz = 0;
  uint32_t dataplane_pid = 0;
  uint32_t reserved = 0;
  uint64_t dataplane_start_ms = 0;  // CLOCK_MONOTONIC
  Section sections[kSectionCount];

  // Writer: dataplane main lcore.
  alignas(64) std::atomic<uint64_t> dataplane_heartbeat_ms{0};  // CLOCK_MONOTONIC, every 100 ms
  std::atomic<uint64_t> applied_generation{0};
  std::atomic<uint64_t> events_dropped{0};  // the event ring was full
  std::atomic<uint64_t> commands_rejected{0};
  std::atomic<uint64_t> blocked_in_xdp{0};  // packets that the XDP program dropped as `blocked`; no worker counts them

  // Writer: control plane.
  alignas(64) std::atomic<uint64_t> control_heartbeat_ms{0};
  std::atomic<uint32_t> control_pid{0};
};
static_assert(std::is_standard_layout_v<SegmentHeader> && sizeof(SegmentHeader) <= 4096);

// Writer: the worker itself, at start; state by the main lcore.
struct alignas(64) WorkerInfo {
  uint32_t cpu = 0;
  uint32_t tid = 0;
  ConnIndex slab_first{};
  uint32_t slab_count = 0;
  uint64_t reserved[6] = {};
};
static_assert(sizeof(WorkerInfo) == 64);

// Writer: dataplane main lcore.
struct alignas(64) PortInfo {
  char name[kNameBytes] = {};
  char device[kNameBytes] = {};
  MacAddr mac;
  uint16_t mtu_bytes = 0;
  uint32_t kernel_ifindex = 0;  // 0: the port has no kernel side
  uint16_t queue_count = 0;
  SteeringKind steering{};
  SteeringReason steering_reason{};
  std::atomic<uint32_t> link_up{0};
  uint16_t reta_size = 0;      // entries of the driver's RSS table; 0: it has none
  uint16_t rss_key_bytes = 0;  // of the key that was set; 0: none was
  uint16_t worker_count = 0;   // how many workers have a queue here
  uint16_t vlan = 0;           // 802.1Q id of its frames; 0: they have no tag
  uint8_t reserved[36] = {};
};
static_assert(sizeof(PortInfo) == 192);

// One slot of the service directory. Writer: dataplane main lcore. `version` is odd while it writes.
struct alignas(64) ServiceInfo {
  std::atomic<uint32_t> version{0};
  uint8_t in_use = 0;  // 1: configured; 2: gone from the config, its last connections still live
  Proto proto{};
  Mode mode{};
  Balance balance{};
  char name[kNameBytes] = {};
  uint8_t reserved[56] = {};
};
static_assert(sizeof(ServiceInfo) == 128);

struct alignas(64) BackendInfo {
  std::atomic<uint32_t> version{0};
  uint8_t in_use = 0;  // as ServiceInfo
  Health health{};
  Admin admin{};
  uint8_t reserved = 0;
  ServiceSlot service{};
  uint16_t weight = 0;
  uint16_t priority = 0;
  Be16 port;
  IpAddr addr;
  uint8_t reserved2[32] = {};
};
static_assert(sizeof(BackendInfo) == 64);

constexpr uint64_t layout_hash() {
  // FNV-1a over the numbers.
  constexpr uint64_t numbers[] = {sizeof(SegmentHeader),
                                  offsetof(SegmentHeader, sections),
                                  offsetof(SegmentHeader, dataplane_heartbeat_ms),
                                  offsetof(SegmentHeader, control_heartbeat_ms),
                                  kSectionCount,
                                  sizeof(Command),
                                  sizeof(Event),
                                  sizeof(BeginCommand),
                                  sizeof(SettingsCommand),
                                  sizeof(SnatRangeCommand),
                                  sizeof(ServiceCommand),
                                  sizeof(BindCommand),
                                  sizeof(BackendCommand),
                                  sizeof(BackendHostCommand),
                                  sizeof(SetBackendCommand),
                                  sizeof(ConnEntry),
                                  sizeof(Splice),
                                  offsetof(ConnEntry, vip_port),
                                  offsetof(ConnEntry, client_port),
                                  offsetof(ConnEntry, vip4),
                                  offsetof(ConnEntry, client4),
                                  kConnStateCount,
                                  sizeof(WorkerCounters),
                                  sizeof(ServiceCounters),
                                  sizeof(BackendCounters),
                                  sizeof(BackendHandshakes),
                                  sizeof(ServiceLifetimes),
                                  sizeof(FlowRecord),
                                  kFlowEndCount,
                                  kFlowRingSlots,
                                  kDropReasonCount,
                                  kStageCount,
                                  sizeof(WorkerInfo),
                                  sizeof(PortInfo),
                                  sizeof(ServiceInfo),
                                  sizeof(BackendInfo),
                                  kSteeringKindCount,
                                  kSteeringReasonCount,
                                  kServiceMax,
                                  kBackendMax,
                                  kCommandRingSlots,
                                  kEventRingSlots};
  uint64_t hash = 0xcbf29ce484222325;
  for (uint64_t number : numbers)
    for (unsigned i = 0; i < 8; ++i) hash = (hash ^ ((number >> (8 * i)) & 0xff)) * 0x100000001b3;
  return hash;
}

}  // namespace millrace
