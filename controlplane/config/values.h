// values.h: the small languages inside strings: durations, endpoints, address ranges, CPU lists, MACs, routes.
// Fails:  every parser returns the value, or what is wrong with the text and what would be right; none throws.
// Tests:  tests/unit/config/values_test.cpp
#pragma once

#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "controlplane/config/config.h"
#include "millrace/addr.h"

namespace millrace::config {

template <typename T>
struct Parsed {
  std::optional<T> value;
  std::string problem;  // set when value is not
  std::string remedy;

  Parsed(T parsed) : value(std::move(parsed)) {}
  Parsed(std::string what, std::string right) : problem(std::move(what)), remedy(std::move(right)) {}
};

struct AddressRange {
  IpAddr first;
  IpAddr last;  // same family, not below first
};

struct PortRange {
  uint16_t first = 0;
  uint16_t last = 0;
};

struct Prefix {
  IpAddr addr;       // host bits zero
  uint8_t bits = 0;  // of the family's own 32 or 128
};

// Decimal digits only, all of `text`; nullopt otherwise or when over `max`.
std::optional<uint64_t> parse_decimal(std::string_view text, uint64_t max);

// "500ms", "2s", "10m", "1h30m", "1d"; "0" alone needs no unit.
Parsed<uint64_t> parse_duration_ms(std::string_view text);
// The other way round, in the fewest words: "1m", "1h30m", "1s500ms"; "0".
std::string format_duration_ms(uint64_t ms);

// "192.0.2.1:80", "[2001:db8::1]:80"; ":80" is 0.0.0.0:80.
Parsed<Endpoint> parse_listen_endpoint(std::string_view text);
// "192.0.2.1:80", "[2001:db8::1]:80".
Parsed<Endpoint> parse_target_endpoint(std::string_view text);

// "10.0.0.1-10.0.0.9", "10.0.0.0/29" (all of its addresses), "10.0.0.1".
Parsed<AddressRange> parse_address_range(std::string_view text);
// How many addresses; UINT64_MAX when more than that.
uint64_t address_count(const AddressRange& range);

// What keeps `addr` from being one machine's address on a network, as the end of a sentence; empty when nothing.
std::string_view unicast_problem(const IpAddr& addr);

// "1024-65535".
Parsed<PortRange> parse_port_range(std::string_view text);

// "10.0.0.0/8", "2001:db8::/32".
Parsed<Prefix> parse_prefix(std::string_view text);
// The same as gobetween writes networks: one address stands for itself, and bits behind the prefix do not count.
Parsed<Prefix> parse_network(std::string_view text);

// "1-4", "0,2", "1-2,7": CPU numbers in the order written, each once, at most kWorkerMax.
Parsed<std::vector<unsigned>> parse_cpu_list(std::string_view text);

// "02:00:00:00:00:01".
std::optional<MacAddr> parse_mac(std::string_view text);

// "10.0.0.1 02:00:00:00:00:01".
Parsed<StaticNeighbour> parse_neighbour(std::string_view text);
// "0.0.0.0/0 via 10.0.0.1", "10.0.0.0/24" (on link).
Parsed<StaticRoute> parse_route(std::string_view text);

// The parts between runs of spaces and tabs.
std::vector<std::string_view> split_words(std::string_view text);

}  // namespace millrace::config
