#include "tests/unit/stages/seen.h"

#include <algorithm>

namespace millrace {
namespace {

MacAddr read_mac(const wire::Bytes& frame, size_t at) {
  MacAddr mac;
  std::copy_n(frame.begin() + static_cast<long>(at), mac.bytes.size(), mac.bytes.begin());
  return mac;
}

IpAddr read_addr(const wire::Bytes& frame, size_t at, bool ipv4) {
  IpAddr addr;
  if (ipv4) addr = IpAddr::from_ipv4(Be32{});
  std::copy_n(frame.begin() + static_cast<long>(at), ipv4 ? 4 : 16, addr.bytes.begin() + (ipv4 ? 12 : 0));
  return addr;
}

}  // namespace

Seen seen(const wire::Bytes& frame) {
  Seen out;
  const bool ipv4 = wire::get16(frame, 12) == 0x0800;
  const size_t l4_at = 14 + (ipv4 ? (frame.at(14) & 15) * 4u : 40u);
  const size_t end = 14u + (ipv4 ? wire::get16(frame, 16) : 40u + wire::get16(frame, 18));
  out.dst_mac = read_mac(frame, 0);
  out.src_mac = read_mac(frame, 6);
  out.src = read_addr(frame, ipv4 ? 26 : 22, ipv4);
  out.dst = read_addr(frame, ipv4 ? 30 : 38, ipv4);
  out.ttl = frame.at(ipv4 ? 22 : 21);
  out.src_port = wire::get16(frame, l4_at);
  out.dst_port = wire::get16(frame, l4_at + 2);
  out.l4.assign(frame.begin() + static_cast<long>(l4_at), frame.begin() + static_cast<long>(end));
  return out;
}

wire::Flow answer_to(const wire::Bytes& frame) {
  const Seen at_receiver = seen(frame);
  return {at_receiver.dst, at_receiver.src, at_receiver.dst_port, at_receiver.src_port};
}

}  // namespace millrace
