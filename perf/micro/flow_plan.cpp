#include "perf/micro/flow_plan.h"

#include <algorithm>

namespace millrace::perf {
namespace {

constexpr uint16_t kClientPortFirst = 1024;
constexpr unsigned kServicesPerVip = 250;

// Networks of which the last two bytes are numbers.
struct Network {
  std::array<uint8_t, 14> prefix;
};
constexpr Network ipv4_network(uint8_t a, uint8_t b) { return {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b}}; }
constexpr Network ipv6_network(uint8_t site, uint8_t net) { return {{0x20, 1, 0xd, 0xb8, site, net}}; }

constexpr Network kClients4 = ipv4_network(198, 18), kClients6 = ipv6_network(1, 1);
constexpr Network kVips4 = ipv4_network(203, 0), kVips6 = ipv6_network(2, 1);
constexpr Network kBackends4 = ipv4_network(10, 72), kBackends6 = ipv6_network(3, 1);
constexpr Network kSnats4 = ipv4_network(10, 73), kSnats6 = ipv6_network(3, 2);

IpAddr numbered(const Network& network, uint32_t number) {
  IpAddr addr;
  std::copy(network.prefix.begin(), network.prefix.end(), addr.bytes.begin());
  addr.bytes[14] = static_cast<uint8_t>((number + 1) >> 8);  // none is .0
  addr.bytes[15] = static_cast<uint8_t>(number + 1);
  return addr;
}

std::optional<uint32_t> number_in(const Network& network, const IpAddr& addr) {
  if (!std::equal(network.prefix.begin(), network.prefix.end(), addr.bytes.begin())) return std::nullopt;
  const uint32_t last = static_cast<uint32_t>(addr.bytes[14] << 8 | addr.bytes[15]);
  return last == 0 ? std::nullopt : std::optional(last - 1);
}

}  // namespace

IpAddr FlowPlan::vip(unsigned service) const {
  return numbered(family == Family::ipv4 ? kVips4 : kVips6, service / kServicesPerVip);
}
Be16 FlowPlan::vip_port(unsigned service) const {
  return Be16::from_host(static_cast<uint16_t>(80 + service % kServicesPerVip));
}
IpAddr FlowPlan::client(uint32_t address) const {
  return numbered(family == Family::ipv4 ? kClients4 : kClients6, address);
}
IpAddr FlowPlan::snat(unsigned number) const { return numbered(family == Family::ipv4 ? kSnats4 : kSnats6, number); }
IpAddr FlowPlan::backend(unsigned number) const {
  return numbered(family == Family::ipv4 ? kBackends4 : kBackends6, number);
}
IpAddr FlowPlan::router() const { return parse_ip(family == Family::ipv4 ? "192.0.2.1" : "2001:db8:9::1").value(); }

Tuple FlowPlan::from_client(uint32_t connection) const {
  const auto port = static_cast<uint16_t>(kClientPortFirst + connection % kPortsPerClient);
  return {client(connection / kPortsPerClient), vip(), Be16::from_host(port), vip_port(), proto};
}

std::optional<uint32_t> FlowPlan::connection_of_client(const IpAddr& addr, Be16 port) const {
  const auto address = number_in(family == Family::ipv4 ? kClients4 : kClients6, addr);
  const uint32_t number = port.host() - uint32_t{kClientPortFirst};
  if (!address || number >= kPortsPerClient) return std::nullopt;
  return *address * kPortsPerClient + number;
}

std::optional<unsigned> FlowPlan::number_of_snat(const IpAddr& addr) const {
  const auto number = number_in(family == Family::ipv4 ? kSnats4 : kSnats6, addr);
  return number && *number < kSnatAddressCount ? number : std::nullopt;
}

std::optional<unsigned> FlowPlan::number_of_backend(const IpAddr& addr) const {
  const auto number = number_in(family == Family::ipv4 ? kBackends4 : kBackends6, addr);
  return number && *number < kBackendCount ? number : std::nullopt;
}

}  // namespace millrace::perf
