// flow_record.h: what a worker tells of a connection when it forgets it, for the flow log.
// Writer: the owning worker, into its flow ring (flow_ring.h). Reader: the control plane.
#pragma once

#include <cstdint>
#include <type_traits>

#include "millrace/addr.h"
#include "millrace/conn_entry.h"
#include "millrace/ids.h"
#include "millrace/messages.h"

namespace millrace {

// Why an entry went.
enum class FlowEnd : uint8_t {
  timer = 0,     // its state's time was over: which one tells the rest
  evicted = 1,   // it made room for others
  replaced = 2,  // its client began another connection from the same port
};
inline constexpr unsigned kFlowEndCount = 3;

struct FlowRecord {
  // Low 32 bits of CLOCK_MONOTONIC in ms.
  uint32_t opened_ms = 0;
  uint32_t last_packet_ms = 0;
  uint32_t told_ms = 0;
  ServiceSlot service{};
  BackendSlot backend{};  // kNoBackend: it had none
  ConnState state{};      // the last
  FlowEnd end{};
  Family family{};
  Proto proto{};
  Mode mode{};
  uint8_t spliced = 0;  // 1: it was proxied
  uint8_t reserved[2] = {};
  Be16 vip_port;
  Be16 client_port;
  Be16 snat_port;
  Be16 backend_port;
  IpAddr vip;
  IpAddr client;
  IpAddr snat;
  IpAddr backend_addr;
};
static_assert(sizeof(FlowRecord) == 96 && std::is_trivially_copyable_v<FlowRecord>);

}  // namespace millrace
