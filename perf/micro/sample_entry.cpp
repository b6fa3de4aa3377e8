#include "perf/micro/sample_entry.h"

namespace millrace::perf {

void fill_entry(ConnEntry& entry, Family family, uint32_t number) {
  entry.family = family;
  entry.proto = Proto::udp;
  entry.client_port = Be16::from_host(static_cast<uint16_t>(1024 + number % 32'768));
  entry.vip_port = Be16::from_host(80);
  entry.snat_port = Be16::from_host(static_cast<uint16_t>(1024 + number / 16 % 60'000));
  entry.backend_port = Be16::from_host(8080);
  if (family == Family::ipv4) {
    entry.client4 = Be32::from_host(0xc612'0001 + number / 32'768);
    entry.vip4 = Be32::from_host(0xcb00'710a);
    entry.snat4 = Be32::from_host(0x0a48'000a + number / 960'000);
    entry.backend4 = Be32::from_host(0x0a48'0101 + number % 16);
  } else {
    entry.client6 = {0x20, 1, 0xd, 0xb8};
    entry.client6[15] = static_cast<uint8_t>(number / 32'768);
    entry.vip6 = {0x20, 1, 0xd, 0xb8, 0, 2};
    entry.snat6 = {0xfd, 0x72};
    entry.snat6[15] = static_cast<uint8_t>(10 + number / 960'000);
    entry.backend6 = {0xfd, 0x72, 0, 0, 0, 1};
    entry.backend6[15] = static_cast<uint8_t>(number % 16);
  }
}

}  // namespace millrace::perf
