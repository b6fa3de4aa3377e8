#include "dataplane/stages/ip_headers.h"

#include <netinet/in.h>

#include <cstddef>
#include <cstring>

#include "millrace/addr.h"

namespace millrace {
namespace {

constexpr uint8_t kHip = 139;
constexpr uint8_t kShim6 = 140;
constexpr unsigned kUnitBytes = 8;  // lengths count in these, the first one not

constexpr uint8_t kOptionEnd = 0;
constexpr uint8_t kOptionNop = 1;
constexpr uint8_t kOptionLooseRoute = 131;
constexpr uint8_t kOptionStrictRoute = 137;

void read_fragment_header(const uint8_t* header, Ipv6Chain& chain) {
  Be16 place;
  Be32 id;
  std::memcpy(&place.raw, header + 2, sizeof place.raw);
  std::memcpy(&id.raw, header + 4, sizeof id.raw);
  chain.offset_units = static_cast<uint16_t>(place.host() >> 3);
  chain.more = (place.host() & 1) != 0;
  chain.id = id.host();
}

// One that may stand there; its length is another question.
bool passes(const uint8_t* header, const Ipv6Chain& chain) {
  switch (chain.proto) {
    case IPPROTO_HOPOPTS:
      return chain.bytes == sizeof(rte_ipv6_hdr);  // RFC 8200 section 4.1: only first
    case IPPROTO_DSTOPTS:
      return true;
    case IPPROTO_ROUTING:
      return header[3] == 0;  // segments left: it would go on from us (RFC 5095)
    case IPPROTO_FRAGMENT:
      return chain.fragment_at == 0;
    default:
      return false;
  }
}

}  // namespace

bool is_extension_header(uint8_t next_header) {
  switch (next_header) {
    case IPPROTO_HOPOPTS:
    case IPPROTO_ROUTING:
    case IPPROTO_FRAGMENT:
    case IPPROTO_ESP:
    case IPPROTO_AH:
    case IPPROTO_DSTOPTS:
    case IPPROTO_MH:
    case kHip:
    case kShim6:
      return true;
    default:
      return false;
  }
}

std::optional<DropReason> walk_ipv6_chain(const uint8_t* packet, unsigned packet_bytes, Ipv6Chain& chain) {
  chain = {};
  chain.proto = packet[offsetof(rte_ipv6_hdr, proto)];
  chain.bytes = sizeof(rte_ipv6_hdr);
  for (unsigned count = 0; is_extension_header(chain.proto) && !chain.is_later_fragment(); ++count) {
    if (count == kExtensionHeadersMax || chain.bytes + kUnitBytes > packet_bytes) return DropReason::ip_extension;
    const uint8_t* header = packet + chain.bytes;
    if (!passes(header, chain)) return DropReason::ip_extension;
    unsigned bytes = (header[1] + 1u) * kUnitBytes;
    if (chain.proto == IPPROTO_FRAGMENT) {
      bytes = kUnitBytes;
      chain.fragment_at = chain.bytes;
      read_fragment_header(header, chain);
    }
    if (chain.bytes + bytes > packet_bytes || chain.bytes + bytes > sizeof(rte_ipv6_hdr) + kExtensionBytesMax)
      return DropReason::ip_extension;
    chain.proto = header[0];
    chain.bytes = static_cast<uint16_t>(chain.bytes + bytes);
  }
  return std::nullopt;
}

std::optional<DropReason> check_ipv4_options(const rte_ipv4_hdr& ip) {
  const auto* options = reinterpret_cast<const uint8_t*>(&ip) + sizeof ip;
  const unsigned end = rte_ipv4_hdr_len(&ip) - static_cast<unsigned>(sizeof ip);
  for (unsigned at = 0; at < end && options[at] != kOptionEnd;) {
    if (options[at] == kOptionNop) {
      ++at;
      continue;
    }
    if (options[at] == kOptionLooseRoute || options[at] == kOptionStrictRoute) return DropReason::ip_options;
    if (at + 2 > end || options[at + 1] < 2 || at + options[at + 1] > end) return DropReason::ip_options;
    at += options[at + 1];
  }
  return std::nullopt;
}

}  // namespace millrace
