// addresses.cpp: address ranges, prefixes, MACs, neighbours and routes. See values.h.
#include <algorithm>

#include "controlplane/config/error_text.h"
#include "controlplane/config/values.h"

namespace millrace::config {

namespace {

// The last address of a prefix.
IpAddr last_of(const Prefix& prefix) {
  IpAddr last = prefix.addr;
  for (unsigned bit = prefix.bits + (last.is_ipv4() ? 96u : 0u); bit < 128; ++bit)
    last.bytes[bit / 8] |= static_cast<uint8_t>(0x80u >> (bit % 8));
  return last;
}

// Any address of the prefix and its length.
Parsed<Prefix> parse_address_and_length(std::string_view text) {
  constexpr char kRemedy[] = "write an address and its prefix length, such as 10.0.0.0/24 or 2001:db8::/64";
  const size_t slash = text.find('/');
  const std::optional<IpAddr> addr = parse_ip(text.substr(0, slash));
  if (slash == std::string_view::npos || !addr) return {quote(text) + " is not a prefix", kRemedy};
  const unsigned bits_max = addr->is_ipv4() ? 32 : 128;
  const std::optional<uint64_t> bits = parse_decimal(text.substr(slash + 1), bits_max);
  if (!bits) return {quote(text) + " has no prefix length from 0 to " + std::to_string(bits_max), kRemedy};
  return Prefix{*addr, static_cast<uint8_t>(*bits)};
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

std::string_view unicast_problem(const IpAddr& addr) {
  if (addr.is_any()) return "names no machine";
  if (addr.is_loopback()) return "is on the loopback, which no network card reaches";
  if (addr.is_multicast()) return "is a multicast address";
  if (addr == IpAddr::from_ipv4(Be32::from_host(0xffff'ffff))) return "is the broadcast address";
  if (!addr.is_ipv4() && addr.bytes[0] == 0xfe && (addr.bytes[1] & 0xc0) == 0x80)
    return "is link-local, which is never forwarded";
  return {};
}

Parsed<Prefix> parse_prefix(std::string_view text) {
  Parsed<Prefix> prefix = parse_address_and_length(text);
  if (!prefix.value || is_prefix(prefix.value->addr, prefix.value->bits)) return prefix;
  return {quote(text) + " has bits set behind its prefix",
          "write " + format_ip(prefix_of(prefix.value->addr, prefix.value->bits)) + "/" +
              std::to_string(prefix.value->bits)};
}

Parsed<Prefix> parse_network(std::string_view text) {
  if (text.find('/') == std::string_view::npos)
    if (const std::optional<IpAddr> addr = parse_ip(text))
      return Prefix{*addr, static_cast<uint8_t>(addr->is_ipv4() ? 32 : 128)};
  Parsed<Prefix> prefix = parse_address_and_length(text);
  if (prefix.value) prefix.value->addr = prefix_of(prefix.value->addr, prefix.value->bits);
  return prefix;
}

Parsed<AddressRange> parse_address_range(std::string_view text) {
  if (text.find('/') != std::string_view::npos) {
    Parsed<Prefix> prefix = parse_prefix(text);
    if (!prefix.value) return {std::move(prefix.problem), std::move(prefix.remedy)};
    return AddressRange{prefix.value->addr, last_of(*prefix.value)};
  }
  const size_t dash = text.find('-');
  const std::optional<IpAddr> first = parse_ip(text.substr(0, dash));
  const std::optional<IpAddr> last = dash == std::string_view::npos ? first : parse_ip(text.substr(dash + 1));
  if (!first || !last)
    return {quote(text) + " is not a range of addresses",
            "write \"10.72.0.10-10.72.0.13\", \"10.72.0.8/30\" or a single address"};
  if (first->family() != last->family())
    return {quote(text) + " begins and ends in different families", "write two ranges, one for each family"};
  if (*last < *first)
    return {quote(text) + " ends before it begins", "write \"" + format_ip(*last) + "-" + format_ip(*first) + "\""};
  return AddressRange{*first, *last};
}

uint64_t address_count(const AddressRange& range) {
  // Subtract as two 64-bit halves.
  uint64_t first[2] = {}, last[2] = {};
  for (unsigned i = 0; i < 16; ++i) {
    first[i / 8] = first[i / 8] << 8 | range.first.bytes[i];
    last[i / 8] = last[i / 8] << 8 | range.last.bytes[i];
  }
  const uint64_t low = last[1] - first[1];
  const uint64_t high = last[0] - first[0] - (last[1] < first[1] ? 1 : 0);
  return high != 0 || low == UINT64_MAX ? UINT64_MAX : low + 1;
}

std::optional<MacAddr> parse_mac(std::string_view text) {
  MacAddr mac;
  if (text.size() != 17) return std::nullopt;
  for (size_t i = 0; i < 6; ++i) {
    const int high = hex_digit(text[3 * i]);
    const int low = hex_digit(text[3 * i + 1]);
    if (high < 0 || low < 0 || (i < 5 && text[3 * i + 2] != ':')) return std::nullopt;
    mac.bytes[i] = static_cast<uint8_t>(high * 16 + low);
  }
  return mac;
}

Parsed<StaticNeighbour> parse_neighbour(std::string_view text) {
  const std::vector<std::string_view> words = split_words(text);
  const std::optional<IpAddr> addr = words.size() == 2 ? parse_ip(words[0]) : std::nullopt;
  const std::optional<MacAddr> mac = words.size() == 2 ? parse_mac(words[1]) : std::nullopt;
  if (!addr || !mac)
    return {quote(text) + " is not a neighbour", "write ADDRESS MAC, such as \"10.0.0.1 02:00:00:00:00:01\""};
  if (addr->is_any() || addr->is_loopback() || addr->is_multicast())
    return {quote(text) + " does not name one machine", "write a unicast address"};
  if ((mac->bytes[0] & 1) != 0 || *mac == MacAddr{})
    return {quote(text) + " has a MAC address that no machine has", "write the MAC address of the neighbour's card"};
  return StaticNeighbour{*addr, *mac};
}

Parsed<StaticRoute> parse_route(std::string_view text) {
  constexpr char kRemedy[] = "write PREFIX via GATEWAY or PREFIX, such as \"0.0.0.0/0 via 10.0.0.1\"";
  const std::vector<std::string_view> words = split_words(text);
  const bool has_gateway = words.size() == 3 && words[1] == "via";
  if (words.size() != 1 && !has_gateway) return {quote(text) + " is not a route", kRemedy};
  Parsed<Prefix> prefix = parse_prefix(words[0]);
  if (!prefix.value) return {std::move(prefix.problem), std::move(prefix.remedy)};
  StaticRoute route{prefix.value->addr, prefix.value->bits, std::nullopt};
  if (!has_gateway) return route;
  route.gateway = parse_ip(words[2]);
  if (!route.gateway || route.gateway->is_any() || route.gateway->is_multicast() || route.gateway->is_loopback())
    return {quote(text) + " has no gateway address behind \"via\"", kRemedy};
  if (route.gateway->family() != route.prefix.family())
    return {quote(text) + " has prefix and gateway of different families", kRemedy};
  return route;
}

}  // namespace millrace::config
