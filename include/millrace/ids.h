// ids.h: indexes that meet in one function get different types.
#pragma once

#include <cstdint>
#include <type_traits>

namespace millrace {

// Place of a service in the dataplane's tables, counters and directory. Given by the dataplane when a service
// first appears, kept while it or one of its connections lives, then free for another.
enum class ServiceSlot : uint16_t {};
inline constexpr ServiceSlot kNoService{0xffff};

// Place of a (service, backend endpoint) pair, likewise.
enum class BackendSlot : uint16_t {};
inline constexpr BackendSlot kNoBackend{0xffff};

// Place of a service (of a backend within its service) in the transaction that carried it. Given by the control
// plane; valid only together with that transaction's generation.
enum class ServiceOrdinal : uint16_t {};
enum class BackendOrdinal : uint16_t {};

// Position in the connection slab: a connection's identity in tables, timer wheel, CLI and events.
enum class ConnIndex : uint32_t {};
inline constexpr ConnIndex kNoConn{0xffff'ffff};

enum class WorkerIndex : uint8_t {};
inline constexpr WorkerIndex kNoWorker{0xff};

// Which applied configuration; 0 means none yet.
using Generation = uint64_t;

template <typename Id>
constexpr std::underlying_type_t<Id> raw(Id id) {
  return static_cast<std::underlying_type_t<Id>>(id);
}

}  // namespace millrace
