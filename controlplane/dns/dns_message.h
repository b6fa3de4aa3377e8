// dns_message.h: the records of a DNS answer that discovery asks for (RFC 1035 section 4.1, RFC 2782, RFC 3596).
// Thread: any; pure.
// Bound:  nothing is read behind the message; kDnsRecordMax records.
// Fails:  nullopt for what is no whole message.      Tests: tests/unit/control/dns_test.cpp, tests/fuzz/discovery_fuzz.cpp
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "millrace/addr.h"

namespace millrace::control {

inline constexpr size_t kDnsRecordMax = 8192;

enum class DnsType : uint16_t { a = 1, aaaa = 28, srv = 33 };

struct DnsRecord {
  std::string name;  // without the dot at its end
  DnsType type{};
  uint32_t ttl_s = 0;
  IpAddr addr;  // a, aaaa
  // srv
  uint16_t priority = 0;
  uint16_t weight = 0;
  uint16_t port = 0;
  std::string target;  // without the dot at its end; empty: the service is decidedly not there
};

// Of types that are none of DnsType there are none.
struct DnsMessage {
  std::vector<DnsRecord> answers;
  std::vector<DnsRecord> additional;
};

std::optional<DnsMessage> parse_dns_message(std::span<const uint8_t> bytes);

}  // namespace millrace::control
