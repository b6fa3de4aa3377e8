#include "perf/traffic/options.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <cstdio>
#include <iostream>
#include <map>
#include <string_view>

#include "perf/traffic/flow_space.h"
#include "perf/traffic/frame_layout.h"

namespace millrace::traffic {
namespace {

constexpr char kExamples[] =
    "Examples (millrace-dataplane and millraced run with perf/traffic/memif.toml)\n"
    "  traffic --device memif:/run/millrace-traffic-memif.sock --flows 65536 --rate 1000000\n"
    "  traffic --device memif:/run/millrace-traffic-memif.sock --flows 4194304 --search\n"
    "  traffic --device memif:/run/millrace-traffic-memif.sock --mix connections --seconds 5\n"
    "  traffic --device memif:/run/millrace-traffic-memif.sock --mix syn --flows 0 --rate 500000\n"
    "  traffic --device memif:/run/testpmd.sock --peer reflector --search       beside dpdk-testpmd "
    "--forward-mode=5tswap\n"
    "  traffic --device pci:0000:3b:00.0 --device pci:0000:3b:00.1 --peer-mac 3c:fd:fe:00:00:10\n"
    "          --peer-mac 3c:fd:fe:00:00:11 --flows 1048576 --search             a NIC for clients, one for backends\n"
    "Exit status: 0 measured and every packet was right, 1 not, 2 wrong usage.";

// What the command line says before it is understood.
struct Words {
  std::vector<std::string> peer_macs;
  std::string frame = "64";
  std::string rate = "max";
  std::string vip;
  std::string backends;
  std::string clients;
  bool ipv6 = false;
  bool tcp = false;
};

template <typename Enum>
CLI::CheckedTransformer words(const std::map<std::string, Enum>& map) {
  return CLI::CheckedTransformer(map, CLI::ignore_case);
}

void add_what(CLI::App& app, Options& options, Words& text) {
  app.add_option("--device", options.devices,
                 "memif:PATH[,server|client] (client unless told), pci:ADDRESS, or vdev:NAME[,ARGS] for any virtual "
                 "device of DPDK; twice: clients' side, then backends' side")
      ->required()
      ->expected(1)
      ->take_all();
  app.add_option("--peer-mac", text.peer_macs, "MAC of the far end, once a device (Millrace's own on memif)")
      ->expected(1)
      ->take_all();
  app.add_option("--peer", options.peer, "balancer, or reflector: a far end that swaps addresses (testpmd 5tswap)")
      ->transform(words<Peer>({{"balancer", Peer::balancer}, {"reflector", Peer::reflector}}));
  app.add_option("--mix", options.mix,
                 "established | syn (a flood, unanswered) | connections (whole lives, 10 packets each)")
      ->transform(
          words<Mix>({{"established", Mix::established}, {"syn", Mix::syn}, {"connections", Mix::connections}}));
  app.add_option("--direction", options.direction, "of established traffic: both | forward | reverse")
      ->transform(words<Direction>(
          {{"both", Direction::both}, {"forward", Direction::forward}, {"reverse", Direction::reverse}}));
  app.add_flag("--tcp", text.tcp, "established traffic of TCP instead of UDP");
  app.add_flag("--ipv6", text.ipv6, "IPv6 instead of IPv4");
  app.add_option("--frame", text.frame,
                 "bytes on the wire with FCS, raised to what the headers need; or imix (64, 594, 1518 as 7:4:1)");
  app.add_option("--flows", options.flows,
                 "established flows, drawn at random; mix syn: different ones, 0 for ever new ones");
}

void add_how(CLI::App& app, Options& options, Words& text) {
  app.add_option("--rate", text.rate, "packets a second, connections a second in that mix, or max");
  app.add_option("--seconds", options.seconds, "how long")->check(CLI::Range(0.01, 86400.0));
  app.add_option("--count", options.count, "end earlier, after so many packets or connections")
      ->check(CLI::Range(uint64_t{1}, UINT64_MAX));
  app.add_option("--open-rate", options.open_rate, "flows opened a second before established traffic")
      ->check(CLI::Range(1.0, 1e8));
  app.add_option("--in-flight", options.in_flight, "connections alive at a time in the mix connections")
      ->check(CLI::Range(1u, kInFlightMax));
  app.add_flag("--search", options.search, "find the highest rate without loss, then the latency at --load of it");
  app.add_option("--tolerance", options.tolerance, "share of packets that a trial of the search may lose")
      ->check(CLI::Range(0.0, 0.5));
  app.add_option("--trial", options.trial_seconds, "seconds of one trial of the search")
      ->check(CLI::Range(0.05, 600.0));
  app.add_option("--load", options.load, "share of the found rate at which latency is taken")
      ->check(CLI::Range(0.01, 1.0));
  app.add_option("--verify", options.verify_every, "check checksums and SNAT addresses of each Nth packet, 1 for all")
      ->check(CLI::Range(1u, 1u << 20));
  app.add_option("--vip", text.vip, "endpoint that clients send to");
  app.add_option("--backends", text.backends, "first backend's endpoint and how many follow: 10.72.16.1:80*16");
  app.add_option("--clients", text.clients, "prefix that clients are drawn from");
  app.add_option("--seed", options.seed, "same seed, same flows in the same order");
  app.add_option("--cpu", options.cpu, "CPU to run on (the last one)");
  app.add_option("--realtime", options.realtime,
                 "during trials this program and these threads (ids) of the far end have real-time priority; for "
                 "machines with other work, with trials below 0.9 s")
      ->delimiter(',')
      ->check(CLI::PositiveNumber);
  app.add_option("--json", options.json, "write the result to this file, - for stdout");
}

double read_rate(const std::string& text) {
  if (text == "max") return 0;
  double rate = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), rate);
  if (error != std::errc{} || end != text.data() + text.size() || !(rate >= 1) || rate > 1e9)
    throw UsageError("--rate " + text + " is no rate (write packets a second from 1 to 1000000000, or max)");
  return rate;
}

std::vector<uint16_t> read_frame(const std::string& text, Family family, Proto proto) {
  const auto raised = [=](unsigned bytes) {
    return static_cast<uint16_t>(std::max(bytes, frame_bytes_min(family, proto)));
  };
  if (text == "imix") {
    std::vector<uint16_t> mix = {64, 594, 64, 64, 594, 64, 1518, 64, 594, 64, 64, 594};
    std::ranges::transform(mix, mix.begin(), raised);
    return mix;
  }
  unsigned bytes = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), bytes);
  if (error != std::errc{} || end != text.data() + text.size() || bytes < 64 || bytes > kFrameBytesMax)
    throw UsageError("--frame " + text + " is no frame size (write 64 to " + std::to_string(kFrameBytesMax) +
                     ", or imix)");
  return {raised(bytes)};
}

Endpoint read_endpoint(const char* option, const std::string& text, Family family) {
  const std::optional<Endpoint> endpoint = parse_endpoint(text);
  if (!endpoint || endpoint->addr.family() != family)
    throw UsageError(std::string(option) + " " + text + " is no endpoint of " +
                     (family == Family::ipv4 ? "IPv4 (write 203.0.113.10:80)" : "IPv6 (write [2001:db8:10::10]:80)"));
  return *endpoint;
}

void read_backends(const std::string& text, Options& options) {
  const size_t star = text.find('*');
  options.first_backend = read_endpoint("--backends", text.substr(0, star), options.family);
  options.backend_count = 1;
  if (star != std::string::npos) {
    const char* end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data() + star + 1, end, options.backend_count);
    if (error != std::errc{} || stop != end) options.backend_count = 0;
  }
  if (options.backend_count == 0 || options.backend_count > kBackendMax)
    throw UsageError("--backends " + text + " has no good count (write 10.72.16.1:80*16, at most " +
                     std::to_string(kBackendMax) + ")");
}

void read_clients(const std::string& text, Options& options) {
  const size_t slash = text.find('/');
  const std::optional<IpAddr> addr = parse_ip(text.substr(0, slash));
  const unsigned bits_max = options.family == Family::ipv4 ? 32 : 128;
  unsigned bits = bits_max + 1;
  if (slash != std::string::npos) std::from_chars(text.data() + slash + 1, text.data() + text.size(), bits);
  if (!addr || addr->family() != options.family || bits > bits_max)
    throw UsageError("--clients " + text +
                     " is no prefix of the family (write 198.18.0.0/15, or 2001:2::/64 with --ipv6)");
  options.clients = *addr;
  options.clients_bits = bits;
}

MacAddr read_mac(const std::string& text) {
  MacAddr mac;
  char rest = 0;
  auto& b = mac.bytes;
  if (std::sscanf(text.c_str(), "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx%c", &b[0], &b[1], &b[2], &b[3], &b[4], &b[5], &rest) !=
      6)
    throw UsageError("--peer-mac " + text + " is no MAC address (write 02:6d:69:6c:6c:00)");
  return mac;
}

// The one that the dataplane gives its ports without a MAC of their own.
MacAddr default_peer_mac(size_t index) { return {{0x02, 'm', 'i', 'l', 'l', static_cast<uint8_t>(index)}}; }

void check_together(const Options& options) {
  if (options.first_backend.addr.bytes[15] + options.backend_count > 256)
    throw UsageError("--backends run over: they differ in the last byte of their address, take a lower first one");
  if (options.devices.size() > 2)
    throw UsageError("--device may stand once or twice, not " + std::to_string(options.devices.size()) + " times");
  if (options.peer_macs.size() != options.devices.size())
    throw UsageError("--peer-mac must stand as often as --device");
  if (options.peer == Peer::reflector && options.mix != Mix::established)
    throw UsageError("--peer reflector goes with --mix established only: it opens no connections");
  if (options.search && options.mix != Mix::established) throw UsageError("--search goes with --mix established only");
  if (options.search && options.count != UINT64_MAX)
    throw UsageError("--search has trials of a fixed time; remove --count");
  if (options.search && options.rate != 0) throw UsageError("--search finds the rate; remove --rate");
  const uint64_t room = FlowSpace(options.clients, options.clients_bits, options.seed).size();
  if (options.flows > room || (options.mix == Mix::connections && room < (1u << 22)))
    throw UsageError("--clients has room for " + std::to_string(room) + " flows only; take a shorter prefix");
  if (options.mix == Mix::established && (options.flows == 0 || options.flows > kFlowMax))
    throw UsageError("--flows must be 1 to " + std::to_string(kFlowMax));
}

void understand(const Words& text, Options& options) {
  options.family = text.ipv6 ? Family::ipv6 : Family::ipv4;
  options.proto = text.tcp || options.mix != Mix::established ? Proto::tcp : Proto::udp;
  options.rate = read_rate(text.rate);
  options.frame_bytes = read_frame(text.frame, options.family, options.proto);
  const auto or_default = [&](const std::string& given, const char* ipv4, const char* ipv6) {
    return !given.empty() ? given : std::string(text.ipv6 ? ipv6 : ipv4);
  };
  options.vip = read_endpoint("--vip", or_default(text.vip, "203.0.113.10:80", "[2001:db8:10::10]:80"), options.family);
  read_backends(or_default(text.backends, "10.72.16.1:80*16", "[fd72:16::1]:80*16"), options);
  read_clients(or_default(text.clients, "198.18.0.0/15", "2001:2::/64"), options);
  for (const std::string& mac : text.peer_macs) options.peer_macs.push_back(read_mac(mac));
  if (text.peer_macs.empty())
    for (size_t i = 0; i < options.devices.size(); ++i) options.peer_macs.push_back(default_peer_mac(i));
  check_together(options);
}

}  // namespace

std::optional<Options> parse_options(int argc, char** argv) {
  CLI::App app("Plays clients and backends against a load balancer and measures it.", "traffic");
  Options options;
  Words text;
  add_what(app, options, text);
  add_how(app, options, text);
  app.set_version_flag("--version", std::string("traffic ") + MR_VERSION);
  app.footer(kExamples);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (app.exit(error, std::cout, std::cerr) == 0) return std::nullopt;
    throw UsageError("");
  }
  understand(text, options);
  return options;
}

}  // namespace millrace::traffic
