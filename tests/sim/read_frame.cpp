// read_frame.cpp: frames read, strictly: whatever is not exactly right is wrong.
#include <fmt/format.h>

#include <algorithm>
#include <span>

#include "tests/sim/internet_checksum.h"
#include "tests/sim/segment.h"

namespace millrace::sim {
namespace {

constexpr size_t kEthernetBytes = 14;

uint16_t get16(std::span<const uint8_t> bytes, size_t at) {
  return static_cast<uint16_t>(bytes[at] << 8 | bytes[at + 1]);
}
uint32_t get32(std::span<const uint8_t> bytes, size_t at) {
  return static_cast<uint32_t>(get16(bytes, at)) << 16 | get16(bytes, at + 2);
}

IpAddr read_address(std::span<const uint8_t> bytes) {
  IpAddr addr;
  if (bytes.size() == 4) addr = IpAddr::from_ipv4(Be32{});
  std::ranges::copy(bytes, addr.bytes.end() - static_cast<long>(bytes.size()));
  return addr;
}

// One option of `bytes`, kind and length included. Empty: it is right.
std::string read_option(std::span<const uint8_t> bytes, TcpOptions& options) {
  const auto has_bytes = [&](size_t count) { return bytes.size() == count; };
  switch (bytes[0]) {
    case 2:
      if (!has_bytes(4) || options.mss) return "MSS option";
      options.mss = get16(bytes, 2);
      return "";
    case 3:
      if (!has_bytes(3) || options.window_scale) return "window scale option";
      options.window_scale = bytes[2];
      return "";
    case 4:
      if (!has_bytes(2) || options.sack_permitted) return "SACK-permitted option";
      options.sack_permitted = true;
      return "";
    case 5:
      if (bytes.size() < 10 || (bytes.size() - 2) % 8 != 0 || !options.sack.empty()) return "SACK option";
      for (size_t at = 2; at < bytes.size(); at += 8) options.sack.push_back({get32(bytes, at), get32(bytes, at + 4)});
      return "";
    case 8:
      if (!has_bytes(10) || options.timestamps) return "timestamps option";
      options.timestamps = Timestamps{get32(bytes, 2), get32(bytes, 6)};
      return "";
    case 34:
      options.fast_open = Bytes(bytes.begin() + 2, bytes.end());
      return "";
    case 253:
      options.experimental = true;
      return "";
    default:
      return fmt::format("option of kind {}", bytes[0]);
  }
}

std::string read_options(std::span<const uint8_t> bytes, TcpOptions& options) {
  for (size_t at = 0; at < bytes.size();) {
    if (bytes[at] == 0) break;
    if (bytes[at] == 1) {
      ++at;
      continue;
    }
    if (at + 1 >= bytes.size() || bytes[at + 1] < 2 || at + bytes[at + 1] > bytes.size())
      return "option past the header";
    const std::string wrong = read_option(bytes.subspan(at, bytes[at + 1]), options);
    if (!wrong.empty()) return wrong;
    at += bytes[at + 1];
  }
  return "";
}

std::string read_tcp(std::span<const uint8_t> tcp, Arrival& out) {
  if (tcp.size() < 20) return "TCP header cut short";
  if (upper_checksum(out.path.src.addr, out.path.dst.addr, 6, tcp) != 0) return "TCP checksum";
  const size_t header_bytes = (tcp[12] >> 4) * 4u;
  if (header_bytes < 20 || header_bytes > tcp.size()) return "TCP data offset";
  if ((tcp[12] & 15) != 0) return "reserved bits of the TCP header";
  Segment& segment = out.segment;
  out.path.src.port = Be16::from_host(get16(tcp, 0));
  out.path.dst.port = Be16::from_host(get16(tcp, 2));
  segment.seq = get32(tcp, 4);
  segment.ack = get32(tcp, 8);
  segment.flags = tcp[13];
  segment.window = get16(tcp, 14);
  segment.urgent = get16(tcp, 18);
  out.option_bytes = static_cast<unsigned>(header_bytes - 20);
  segment.payload.assign(tcp.begin() + static_cast<long>(header_bytes), tcp.end());
  return read_options(tcp.subspan(20, header_bytes - 20), segment.options);
}

// What an error message quotes: the IP header and at least the first eight bytes behind it.
std::string read_quote(std::span<const uint8_t> quote, TooBig& out) {
  const bool ipv4 = !quote.empty() && quote[0] == 0x45;
  const size_t ip_bytes = ipv4 ? 20 : 40;
  if (quote.size() < ip_bytes + 8 || (!ipv4 && quote[0] >> 4 != 6)) return "quote cut short";
  if (quote[ipv4 ? 9 : 6] != 6) return "quote of something else than TCP";
  const size_t address_bytes = ipv4 ? 4 : 16, at = ipv4 ? 12 : 8;
  out.src = {read_address(quote.subspan(at, address_bytes)), Be16::from_host(get16(quote, ip_bytes))};
  out.dst = {read_address(quote.subspan(at + address_bytes, address_bytes)),
             Be16::from_host(get16(quote, ip_bytes + 2))};
  out.seq = get32(quote, ip_bytes + 4);
  return "";
}

// The only message that the middle has a reason to send.
std::string read_icmp(std::span<const uint8_t> icmp, bool ipv4, Arrival& out) {
  if (icmp.size() < 8) return "ICMP cut short";
  const uint16_t sum = ipv4 ? internet_checksum(icmp) : upper_checksum(out.path.src.addr, out.path.dst.addr, 58, icmp);
  if (sum != 0) return "ICMP checksum";
  if (ipv4 ? icmp[0] != 3 || icmp[1] != 4 : icmp[0] != 2) return fmt::format("ICMP type {} code {}", icmp[0], icmp[1]);
  out.too_big.emplace();
  out.too_big->mtu_bytes = ipv4 ? get16(icmp, 6) : get32(icmp, 4);
  return read_quote(icmp.subspan(8), *out.too_big);
}

std::string read_ipv4(std::span<const uint8_t> packet, Arrival& out) {
  if (packet.size() < 20 || packet[0] != 0x45) return "IPv4 header";
  if (get16(packet, 2) != packet.size()) return "IPv4 length";
  if (internet_checksum(packet.first(20)) != 0) return "IPv4 header checksum";
  if ((get16(packet, 6) & 0x3fff) != 0) return "a fragment";
  if (packet[8] == 0) return "TTL 0";
  out.path.src.addr = read_address(packet.subspan(12, 4));
  out.path.dst.addr = read_address(packet.subspan(16, 4));
  if (packet[9] == 1) return read_icmp(packet.subspan(20), true, out);
  if (packet[9] != 6) return fmt::format("IP protocol {} instead of TCP", packet[9]);
  return read_tcp(packet.subspan(20), out);
}

std::string read_ipv6(std::span<const uint8_t> packet, Arrival& out) {
  if (packet.size() < 40 || packet[0] >> 4 != 6) return "IPv6 header";
  if (get16(packet, 4) + 40u != packet.size()) return "IPv6 length";
  if (packet[7] == 0) return "hop limit 0";
  out.path.src.addr = read_address(packet.subspan(8, 16));
  out.path.dst.addr = read_address(packet.subspan(24, 16));
  if (packet[6] == 58) return read_icmp(packet.subspan(40), false, out);
  if (packet[6] != 6) return fmt::format("IP protocol {} instead of TCP", packet[6]);
  return read_tcp(packet.subspan(40), out);
}

}  // namespace

Arrival read_frame(const Bytes& frame) {
  Arrival out;
  if (frame.size() < kEthernetBytes + 20) {
    out.wrong = "frame cut short";
    return out;
  }
  std::copy_n(frame.begin(), 6, out.path.dst_mac.bytes.begin());
  std::copy_n(frame.begin() + 6, 6, out.path.src_mac.bytes.begin());
  const std::span<const uint8_t> packet = std::span(frame).subspan(kEthernetBytes);
  if (packet.size() > kMtuBytes) {
    out.wrong = fmt::format("packet of {} bytes", packet.size());
    return out;
  }
  switch (get16(frame, 12)) {
    case 0x0800:
      out.wrong = read_ipv4(packet, out);
      break;
    case 0x86dd:
      out.wrong = read_ipv6(packet, out);
      break;
    default:
      out.wrong = fmt::format("EtherType {:#06x}", get16(frame, 12));
  }
  return out;
}

}  // namespace millrace::sim
