// limits.h: every maximum, and what it costs.
#pragma once

#include <cstddef>
#include <cstdint>

namespace millrace {

inline constexpr uint32_t kWorkerMax = 64;      // n x n hand-over rings of 8 KiB: 32 MiB at 64 workers.
inline constexpr uint32_t kPortMax = 16;        // Neighbour words hold a port in 4 bits.
inline constexpr uint32_t kVlanIdMax = 4094;    // IEEE 802.1Q: 4095 is reserved, 0 says that a tag names no VLAN.
inline constexpr uint32_t kQueueMax = 64;       // Per port; one worker each is the most that helps.
inline constexpr uint32_t kServiceMax = 16384;  // 128 B of directory, and 256 B of counters per worker each.
inline constexpr uint32_t kBackendMax = 65535;  // (service, backend) pairs; 64 B each, and 384 B per worker.
inline constexpr uint32_t kBackendPerServiceMax = 4096;
inline constexpr uint32_t kBindPerServiceMax = 256;
inline constexpr uint32_t kSnatPoolMax = 64;
inline constexpr uint32_t kSnatRangePerPoolMax = 64;
inline constexpr uint32_t kSnatAddressPerRangeMax = 4096;
inline constexpr uint32_t kWeightMax = 256;  // The weighted sequence has at most backends x 256 steps.
inline constexpr uint32_t kPriorityMax = 255;
inline constexpr uint32_t kConnectionMin = 1024;
inline constexpr uint32_t kConnectionMax = 64u << 20;  // 128 B of slab each: 8 GiB.
inline constexpr uint32_t kNameBytes = 64;             // Service, pool and port names with their final NUL.
inline constexpr uint32_t kHostPatternBytes = 236;     // Server names and patterns with their final NUL.
inline constexpr uint32_t kHostPatternMax = 256;     // Different ones a service: regular expressions are tried in turn.
inline constexpr uint32_t kCommandRingSlots = 4096;  // x 256 B: 1 MiB. A full ring makes the control plane wait.
inline constexpr uint32_t kEventRingSlots = 4096;    // x 64 B. A full ring drops events and counts them.
inline constexpr uint32_t kFlowRingSlots =
    8191;                                  // x 96 B per worker: 768 KiB. A full ring loses records and counts them.
inline constexpr uint32_t kBurstMax = 64;  // RTE_HASH_LOOKUP_BULK_MAX.
inline constexpr uint32_t kMaglevSize = 65537;  // Prime; 128 KiB a service and family.

// Access rules: 18 B each on their way; compiled at most 2 boundaries of 5 B (IPv4) or 17 B (IPv6) each, once in the
// present tables and once in those that workers leave.
inline constexpr uint32_t kAccessRulePerServiceMax = 100'000;
inline constexpr uint32_t kAccessRuleMax = 1'000'000;  // of all services: 34 MiB compiled, if all are IPv6

// 17 B each on their way, compiled as access rules are, and at most 128 B each in the trie of the XDP program.
inline constexpr uint32_t kBlockedPrefixMax = 100'000;

// Of proxied connections: how long a backend that is tried, and a ClientHello, may take. A round trip; a client's patience.
inline constexpr uint32_t kHandshakeTimeoutMsMin = 10;
inline constexpr uint32_t kHandshakeTimeoutMsMax = 60'000;
inline constexpr uint32_t kSlowStartMsMin = 1000;
inline constexpr uint32_t kSlowStartMsMax = 3'600'000;
inline constexpr uint32_t kRateMax = 1'000'000'000;  // of connections or packets; more than any link carries
inline constexpr uint32_t kSynRateMax = 10'000'000;  // SYNs/s; more than a worker takes in.

}  // namespace millrace
