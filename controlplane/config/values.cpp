// values.cpp: numbers, durations, ports, CPU lists and endpoints; addresses.cpp has the rest. See values.h.
#include "controlplane/config/values.h"

#include <algorithm>

#include "controlplane/config/error_text.h"
#include "millrace/limits.h"

namespace millrace::config {

namespace {

constexpr uint64_t kDurationMsMax = uint64_t{365} * 24 * 3600 * 1000;  // Far over every key's own maximum.
constexpr unsigned kCpuMax = 1023;                                     // CPU_SETSIZE - 1.

struct Unit {
  std::string_view name;
  uint64_t ms;
};
// "ms" before "m", so that the longer name is tried first.
constexpr Unit kUnits[] = {{"ms", 1}, {"s", 1000}, {"m", 60'000}, {"h", 3'600'000}, {"d", 86'400'000}};

const Unit* find_unit(std::string_view text) {
  for (const Unit& unit : kUnits)
    if (text.substr(0, unit.name.size()) == unit.name) return &unit;
  return nullptr;
}

// What is wrong with an endpoint that parse_endpoint refused, most likely cause first.
Parsed<Endpoint> explain_endpoint(std::string_view text) {
  const std::string quoted = quote(text);
  const size_t colon = text.rfind(':');
  const bool open_bracket = !text.empty() && text.front() == '[';
  if (!open_bracket && parse_ip(text)) {
    const bool ipv6 = text.find(':') != std::string_view::npos;
    return {quoted + " has no port",
            "write address and port, such as " + (ipv6 ? "[" + std::string(text) + "]" : std::string(text)) + ":80"};
  }
  if (colon == std::string_view::npos || (open_bracket && text.back() == ']'))
    return {quoted + " has no port", "write address and port, such as 203.0.113.10:80 or [2001:db8::10]:80"};
  std::string_view host = text.substr(0, colon);
  const std::string_view port = text.substr(colon + 1);
  if (const std::optional<uint64_t> number = parse_decimal(port, UINT32_MAX);
      !number || *number == 0 || *number > 65535)
    return {quoted + " has the port " + quote(port), "write a port from 1 to 65535"};
  if (host.size() >= 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
    if (const std::optional<IpAddr> addr = parse_ip(host); addr && addr->is_ipv4())
      return {quoted + " has an IPv4 address in brackets", "write " + format_ip(*addr) + ":" + std::string(port)};
  } else if (const std::optional<IpAddr> addr = parse_ip(host); addr && !addr->is_ipv4()) {
    return {quoted + " has an IPv6 address without brackets", "write [" + std::string(host) + "]:" + std::string(port)};
  }
  if (host == "localhost")
    return {quoted + " is on the loopback, which no network card reaches",
            "write an address of the network, such as 203.0.113.10:" + std::string(port)};
  return {quoted + " has no IP address in it",
          "write an IP address, such as 203.0.113.10:" + std::string(port) + "; host names are not looked up"};
}

}  // namespace

std::optional<uint64_t> parse_decimal(std::string_view text, uint64_t max) {
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc{} || end != text.data() + text.size() || value > max) return std::nullopt;
  return value;
}

Parsed<uint64_t> parse_duration_ms(std::string_view text) {
  constexpr char kRemedy[] = "write numbers with units ms, s, m, h or d, such as \"500ms\" or \"1h30m\"";
  if (text == "0") return uint64_t{0};
  if (text.empty()) return {"the duration is empty", kRemedy};
  uint64_t total = 0;
  std::string_view rest = text;
  while (!rest.empty()) {
    const size_t digits = std::min(rest.find_first_not_of("0123456789"), rest.size());
    const std::optional<uint64_t> number = parse_decimal(rest.substr(0, digits), kDurationMsMax);
    const Unit* unit = find_unit(rest.substr(digits));
    if (!number) return {quote(text) + " is not a duration", kRemedy};
    if (unit == nullptr)
      return {quote(text) + (digits == rest.size() ? " has no unit" : " is not a duration"), kRemedy};
    if (*number > kDurationMsMax / unit->ms || total > kDurationMsMax - *number * unit->ms)
      return {quote(text) + " is more than a year", kRemedy};
    total += *number * unit->ms;
    rest.remove_prefix(digits + unit->name.size());
  }
  return total;
}

std::string format_duration_ms(uint64_t ms) {
  constexpr Unit kLargestFirst[] = {{"d", 86'400'000}, {"h", 3'600'000}, {"m", 60'000}, {"s", 1000}, {"ms", 1}};
  std::string text;
  for (const Unit& unit : kLargestFirst) {
    if (ms >= unit.ms) text += std::to_string(ms / unit.ms) + std::string(unit.name);
    ms %= unit.ms;
  }
  return text.empty() ? "0" : text;
}

Parsed<Endpoint> parse_target_endpoint(std::string_view text) {
  if (const std::optional<Endpoint> endpoint = parse_endpoint(text)) return *endpoint;
  return explain_endpoint(text);
}

Parsed<Endpoint> parse_listen_endpoint(std::string_view text) {
  if (!text.empty() && text.front() == ':' && text.find(':', 1) == std::string_view::npos)
    return parse_target_endpoint("0.0.0.0" + std::string(text));
  return parse_target_endpoint(text);
}

Parsed<PortRange> parse_port_range(std::string_view text) {
  const size_t dash = text.find('-');
  const std::optional<uint64_t> first = parse_decimal(text.substr(0, dash), 65535);
  const std::optional<uint64_t> last =
      dash == std::string_view::npos ? first : parse_decimal(text.substr(dash + 1), 65535);
  if (!first || !last || *first == 0)
    return {quote(text) + " is not a range of ports", "write FIRST-LAST within 1-65535, such as \"1024-65535\""};
  if (*last < *first)
    return {quote(text) + " ends before it begins",
            "write \"" + std::to_string(*last) + "-" + std::to_string(*first) + "\""};
  return PortRange{static_cast<uint16_t>(*first), static_cast<uint16_t>(*last)};
}

Parsed<std::vector<unsigned>> parse_cpu_list(std::string_view text) {
  constexpr char kRemedy[] = "write CPU numbers, such as \"2-5\" or \"1,3\", or \"auto\"";
  std::vector<unsigned> cpus;
  std::string_view rest = text;
  for (bool more = true; more;) {
    const size_t comma = rest.find(',');
    const std::string_view part = rest.substr(0, comma);
    more = comma != std::string_view::npos;
    if (more) rest.remove_prefix(comma + 1);
    const size_t dash = part.find('-');
    const std::optional<uint64_t> first = parse_decimal(part.substr(0, dash), kCpuMax);
    const std::optional<uint64_t> last =
        dash == std::string_view::npos ? first : parse_decimal(part.substr(dash + 1), kCpuMax);
    if (!first || !last || *last < *first) return {quote(text) + " is not a list of CPUs", kRemedy};
    for (uint64_t cpu = *first; cpu <= *last; ++cpu) {
      if (std::find(cpus.begin(), cpus.end(), cpu) != cpus.end())
        return {quote(text) + " names CPU " + std::to_string(cpu) + " twice", "name each CPU once"};
      cpus.push_back(static_cast<unsigned>(cpu));
    }
  }
  if (cpus.size() > kWorkerMax)
    return {quote(text) + " names " + std::to_string(cpus.size()) + " CPUs",
            "name at most " + std::to_string(kWorkerMax)};
  return cpus;
}

std::vector<std::string_view> split_words(std::string_view text) {
  constexpr std::string_view kBlank = " \t";
  std::vector<std::string_view> words;
  for (size_t at = text.find_first_not_of(kBlank); at != std::string_view::npos;) {
    const size_t end = std::min(text.find_first_of(kBlank, at), text.size());
    words.push_back(text.substr(at, end - at));
    at = text.find_first_not_of(kBlank, end);
  }
  return words;
}

}  // namespace millrace::config
