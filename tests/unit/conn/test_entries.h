// test_entries.h: connections numbered by the test, each with tuples of its own in both directions.
#pragma once

#include "millrace/conn_entry.h"

namespace millrace {

inline IpAddr test_ip(const char* text) { return parse_ip(text).value(); }

inline void set_addresses(ConnEntry& entry, const IpAddr& client, const IpAddr& vip, const IpAddr& snat,
                          const IpAddr& backend) {
  entry.family = client.family();
  if (entry.family == Family::ipv4) {
    entry.client4 = client.ipv4();
    entry.vip4 = vip.ipv4();
    entry.snat4 = snat.ipv4();
    entry.backend4 = backend.ipv4();
  } else {
    entry.client6 = client.bytes;
    entry.vip6 = vip.bytes;
    entry.snat6 = snat.bytes;
    entry.backend6 = backend.bytes;
  }
}

// Fills everything that the keys are made of. Neighbouring numbers get neighbouring ports, as real clients and the
// SNAT allocator make them: the hardest case for a hash.
inline void fill_entry(ConnEntry& entry, Family family, uint32_t number) {
  if (family == Family::ipv4) {
    set_addresses(entry, IpAddr::from_ipv4(Be32::from_host(0xc633'6400 + number / 60'000)), test_ip("203.0.113.10"),
                  IpAddr::from_ipv4(Be32::from_host(0x0a48'000a + number / 60'000)), test_ip("10.72.1.1"));
  } else {
    IpAddr client = test_ip("2001:db8:5::"), snat = test_ip("fd72::10:0");
    client.bytes[15] = snat.bytes[15] = static_cast<uint8_t>(number / 60'000);
    set_addresses(entry, client, test_ip("2001:db8::10"), snat, test_ip("fd72::21"));
  }
  entry.proto = Proto::tcp;
  entry.client_port = entry.snat_port = Be16::from_host(static_cast<uint16_t>(1024 + number % 60'000));
  entry.vip_port = Be16::from_host(80);
  entry.backend_port = Be16::from_host(8080);
}

}  // namespace millrace
