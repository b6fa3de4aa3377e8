// flow_plan.h: who is who around the balancer: numbers for clients, backends and SNAT addresses, and the way back.
// Clients are behind a router, backends on link; everything comes and goes by one port, as on a one-armed load balancer.
// Thread: any; constant.
#pragma once

#include <cstdint>
#include <optional>

#include "dataplane/stages/burst.h"

namespace millrace::perf {

inline constexpr unsigned kBackendCount = 16;
inline constexpr unsigned kSnatAddressCount = 8;  // with 16 backends: 8.2M connections
inline constexpr uint16_t kSnatPortFirst = 1024;
inline constexpr uint32_t kPortsPerClient = 32'768;
inline constexpr MacAddr kOwnMac{{2, 0, 0, 0, 0, 0x0f}};
inline constexpr MacAddr kRouterMac{{2, 0, 0, 0, 0, 0x01}};
constexpr MacAddr backend_mac(unsigned number) { return {{2, 0, 0, 0, 1, static_cast<uint8_t>(number)}}; }

struct FlowPlan {
  Proto proto{};
  Family family{};

  IpAddr vip(unsigned service = 0) const;  // 250 services an address
  Be16 vip_port(unsigned service = 0) const;
  IpAddr client(uint32_t address) const;
  IpAddr snat(unsigned number) const;
  IpAddr backend(unsigned number) const;  // those of service 0 are 0 .. kBackendCount - 1
  Be16 backend_port() const { return Be16::from_host(8080); }
  IpAddr router() const;

  // The connection's packets as the client sends them, to service 0.
  Tuple from_client(uint32_t connection) const;

  // nullopt: none of ours.
  std::optional<uint32_t> connection_of_client(const IpAddr& addr, Be16 port) const;
  std::optional<unsigned> number_of_snat(const IpAddr& addr) const;
  std::optional<unsigned> number_of_backend(const IpAddr& addr) const;
};

}  // namespace millrace::perf
