// proxy_header.h: the PROXY protocol header that tells a backend who its client is (haproxy's proxy-protocol.txt: v1 is
// a line of text, v2 is binary).
// Route:  a spliced connection's first bytes towards the backend, and again for each retransmission
// Thread: any; pure. Equal facts give equal bytes, so that nothing has to be kept until it is acknowledged.
// Bound:  kProxyHeaderBytesMax bytes.
// Fails:  never; facts that cannot be are our own bug.      Tests: tests/unit/tcp/proxy_header_test.cpp
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "millrace/addr.h"
#include "millrace/messages.h"

namespace millrace {

struct ProxyHeaderFacts {
  Endpoint source;             // the client
  Endpoint destination;        // the VIP that it connected to; of the client's family
  std::string_view authority;  // the name that it asked for, at most kAuthorityBytesMax; empty: none. Only v2 tells
  uint64_t unique_id = 0;      // of the connection, for logs of both sides. Only v2 tells
};

inline constexpr size_t kAuthorityBytesMax = 255;  // a DNS name (RFC 1035 section 2.3.4)

// v2 is the longest: signature, version, family and length; IPv6 addresses and ports; the authority; the unique id in
// hex; the checksum. v1 ends at 104, its line for two full IPv6 addresses.
inline constexpr size_t kTlvHeadBytes = 3;  // type, length
inline constexpr size_t kProxyHeaderBytesMax =
    16 + 2 * (16 + 2) + (kTlvHeadBytes + kAuthorityBytesMax) + (kTlvHeadBytes + 16) + (kTlvHeadBytes + 4);

// Writes the header to the front of `out`. Returns its bytes; 0 for ProxyProtocol::none.
size_t write_proxy_header(ProxyProtocol version, const ProxyHeaderFacts& facts,
                          std::span<uint8_t, kProxyHeaderBytesMax> out);

}  // namespace millrace
