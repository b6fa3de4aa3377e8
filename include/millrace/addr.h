// addr.h: IP addresses, ports and endpoints, as both processes see them.
// Holds:  an IPv4 address is stored IPv4-mapped (::ffff:a.b.c.d, RFC 4291 section 2.5.5.2), so that one
//         16-byte field serves both families in messages and in the shared segment.
// Bytes:  network order; the type says so.
// Fails:  parse_ip and parse_endpoint return nullopt on anything inet_pton refuses.
#pragma once

#include <arpa/inet.h>

#include <array>
#include <bit>
#include <charconv>
#include <compare>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>

namespace millrace {

// A 16-bit value in network byte order. `raw` is what stands on the wire.
struct Be16 {
  uint16_t raw = 0;
  static constexpr Be16 from_host(uint16_t value) {
    return Be16{std::endian::native == std::endian::little ? __builtin_bswap16(value) : value};
  }
  constexpr uint16_t host() const { return std::endian::native == std::endian::little ? __builtin_bswap16(raw) : raw; }
  constexpr bool operator==(const Be16&) const = default;
};

// A 32-bit value in network byte order.
struct Be32 {
  uint32_t raw = 0;
  static constexpr Be32 from_host(uint32_t value) {
    return Be32{std::endian::native == std::endian::little ? __builtin_bswap32(value) : value};
  }
  constexpr uint32_t host() const { return std::endian::native == std::endian::little ? __builtin_bswap32(raw) : raw; }
  constexpr bool operator==(const Be32&) const = default;
};

enum class Family : uint8_t { ipv4 = 4, ipv6 = 6 };

enum class Proto : uint8_t { tcp = 6, udp = 17 };

struct IpAddr {
  std::array<uint8_t, 16> bytes{};

  static constexpr IpAddr from_ipv4(Be32 addr) {
    IpAddr mapped;
    mapped.bytes[10] = mapped.bytes[11] = 0xff;
    const uint32_t host = addr.host();
    for (unsigned i = 0; i < 4; ++i) mapped.bytes[12 + i] = static_cast<uint8_t>(host >> (24 - 8 * i));
    return mapped;
  }
  // The two halves as they lie in memory: the questions below are asked of packets, one compare each.
  constexpr std::array<uint64_t, 2> words() const { return std::bit_cast<std::array<uint64_t, 2>>(bytes); }
  constexpr bool is_ipv4() const {
    const std::array<uint64_t, 2> both = words();
    return both[0] == 0 && static_cast<uint32_t>(both[1]) == kMappedWord;
  }
  constexpr Family family() const { return is_ipv4() ? Family::ipv4 : Family::ipv6; }
  // Only meaningful when is_ipv4().
  Be32 ipv4() const {
    Be32 addr;
    std::memcpy(&addr.raw, bytes.data() + 12, sizeof addr.raw);
    return addr;
  }
  // 0.0.0.0 or ::, "every address of the ports".
  constexpr bool is_any() const {
    const std::array<uint64_t, 2> both = words();
    return both[0] == 0 && (both[1] == 0 || both[1] == kMappedWord);
  }
  constexpr bool is_loopback() const {
    if (is_ipv4()) return bytes[12] == 127;
    const std::array<uint64_t, 2> both = words();
    return both[0] == 0 && both[1] == uint64_t{1} << 56;
  }
  constexpr bool is_multicast() const { return is_ipv4() ? (bytes[12] & 0xf0) == 0xe0 : bytes[0] == 0xff; }

  constexpr auto operator<=>(const IpAddr&) const = default;
  // Not by the array, whose comparison is a call.
  constexpr bool operator==(const IpAddr& other) const {
    const std::array<uint64_t, 2> one = words(), two = other.words();
    return one[0] == two[0] && one[1] == two[1];
  }

 private:
  static constexpr uint64_t kMappedWord = 0xffff'0000;  // bytes 8-11 of a mapped address, loaded
};
static_assert(std::endian::native == std::endian::little);
static_assert(sizeof(IpAddr) == 16 && std::has_unique_object_representations_v<IpAddr>);

// The first `bits` bits of `addr`, counted in its family's own 32 or 128; the others are zero.
constexpr IpAddr prefix_of(IpAddr addr, unsigned bits) {
  const unsigned mapped_bits = addr.is_ipv4() ? bits + 96 : bits;
  for (unsigned i = 0; i < addr.bytes.size(); ++i) {
    const unsigned kept = mapped_bits > i * 8 ? mapped_bits - i * 8 : 0;
    if (kept < 8) addr.bytes[i] = static_cast<uint8_t>(addr.bytes[i] & (0xff00 >> kept));
  }
  return addr;
}
// Is it a prefix: as many bits as the family has at most, and none behind them?
constexpr bool is_prefix(const IpAddr& addr, unsigned bits) {
  return bits <= (addr.is_ipv4() ? 32 : 128) && prefix_of(addr, bits) == addr;
}

struct Endpoint {
  IpAddr addr;
  Be16 port;
  bool operator==(const Endpoint&) const = default;
};

struct MacAddr {
  std::array<uint8_t, 6> bytes{};
  constexpr auto operator<=>(const MacAddr&) const = default;
};

// "192.0.2.1" or "2001:db8::1"; no brackets, no zone.
inline std::optional<IpAddr> parse_ip(std::string_view text) {
  char buffer[INET6_ADDRSTRLEN + 1];
  if (text.empty() || text.size() >= sizeof buffer || text.find('\0') != text.npos) return std::nullopt;
  std::memcpy(buffer, text.data(), text.size());
  buffer[text.size()] = '\0';
  Be32 v4;
  if (inet_pton(AF_INET, buffer, &v4.raw) == 1) return IpAddr::from_ipv4(v4);
  IpAddr v6;
  if (inet_pton(AF_INET6, buffer, v6.bytes.data()) == 1) return v6;
  return std::nullopt;
}

inline std::string format_ip(const IpAddr& addr) {
  char buffer[INET6_ADDRSTRLEN] = "";
  if (addr.is_ipv4())
    inet_ntop(AF_INET, addr.bytes.data() + 12, buffer, sizeof buffer);
  else
    inet_ntop(AF_INET6, addr.bytes.data(), buffer, sizeof buffer);
  return buffer;
}

// "192.0.2.1:80" or "[2001:db8::1]:80"; the port must be 1..65535 and in decimal.
inline std::optional<Endpoint> parse_endpoint(std::string_view text) {
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  std::string_view host = text.substr(0, colon);
  const std::string_view digits = text.substr(colon + 1);
  const bool bracketed = host.size() >= 2 && host.front() == '[' && host.back() == ']';
  if (bracketed) host = host.substr(1, host.size() - 2);
  const std::optional<IpAddr> addr = parse_ip(host);
  if (!addr || addr->is_ipv4() == bracketed) return std::nullopt;
  uint16_t port = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  if (error != std::errc{} || end != digits.data() + digits.size() || port == 0) return std::nullopt;
  return Endpoint{*addr, Be16::from_host(port)};
}

inline std::string format_endpoint(const Endpoint& endpoint) {
  const std::string port = std::to_string(endpoint.port.host());
  if (endpoint.addr.is_ipv4()) return format_ip(endpoint.addr) + ":" + port;
  return "[" + format_ip(endpoint.addr) + "]:" + port;
}

}  // namespace millrace
