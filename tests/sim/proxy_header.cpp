#include "tests/sim/proxy_header.h"

#include <fmt/format.h>

#include <string>

#include "tests/sim/stream.h"

namespace millrace::sim {
namespace {

std::vector<int16_t> text_header(const Endpoint& client, const Endpoint& vip) {
  const std::string line =
      fmt::format("PROXY {} {} {} {} {}\r\n", client.addr.is_ipv4() ? "TCP4" : "TCP6", format_ip(client.addr),
                  format_ip(vip.addr), client.port.host(), vip.port.host());
  return {line.begin(), line.end()};
}

std::vector<int16_t> binary_header(const Endpoint& client, const Endpoint& vip) {
  std::vector<int16_t> out = {0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a};
  const bool ipv4 = client.addr.is_ipv4();
  const int address_bytes = ipv4 ? 4 : 16;
  out.push_back(0x21);                // version 2, PROXY
  out.push_back(ipv4 ? 0x11 : 0x21);  // stream over this family
  out.push_back(0);
  out.push_back(static_cast<uint8_t>(2 * address_bytes + 4 + 19 + 7));
  for (const Endpoint* end : {&client, &vip})
    out.insert(out.end(), end->addr.bytes.end() - address_bytes, end->addr.bytes.end());
  for (const Endpoint* end : {&client, &vip}) {
    out.push_back(static_cast<uint8_t>(end->port.host() >> 8));
    out.push_back(static_cast<uint8_t>(end->port.host()));
  }
  // A unique id of 16 digits, and the checksum of all.
  out.insert(out.end(), {5, 0, 16});
  out.insert(out.end(), 16, kAnyByte);
  out.insert(out.end(), {3, 0, 4});
  out.insert(out.end(), 4, kAnyByte);
  return out;
}

}  // namespace

std::vector<int16_t> proxy_header(ProxyProtocol version, const Endpoint& client, const Endpoint& vip) {
  switch (version) {
    case ProxyProtocol::none:
      return {};
    case ProxyProtocol::v1:
      return text_header(client, vip);
    case ProxyProtocol::v2:
      return binary_header(client, vip);
  }
  return {};
}

}  // namespace millrace::sim
