// config.h: a configuration as a value: what load_config makes of a file and everything else works from.
// The dataplane reads its own table ([dataplane]) with the same code, so both refuse the same mistakes.
// Holds:  after a successful load every field is valid and every reference resolves; defaults are filled in.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "controlplane/config/discovery_config.h"
#include "controlplane/config/healthcheck.h"
#include "controlplane/config/passive_health.h"
#include "millrace/addr.h"
#include "millrace/messages.h"

namespace millrace::config {

// A mistake in a file, for people: "FILE:LINE:COLUMN: KEY: PROBLEM (REMEDY)"; a remedy of several lines is an
// example to paste and follows on lines of its own.
struct ConfigError {
  std::string file;
  uint32_t line = 0;  // 0: the whole file
  uint32_t column = 0;
  std::string key;  // "servers.web.bind"
  std::string problem;
  std::string remedy;
};
std::string format_error(const ConfigError& error);

struct StaticNeighbour {
  IpAddr addr;
  MacAddr mac;
};
struct StaticRoute {
  IpAddr prefix;
  uint8_t prefix_bits = 0;
  std::optional<IpAddr> gateway;
};

// steering=: how packets shall reach the worker that owns them.
enum class SteeringWish : uint8_t {
  automatic,  // the best that the device can do
  rss,        // or the dataplane does not start
  handover,   // the NIC is left as it is
};

// emulated_nic:WHICH,DEVICE: a NIC with several queues, played in software before the one queue of a device; for tests.
enum class NicEmulation : uint8_t {
  none,
  rss,        // hashes by the key and the table that it is given
  plain,      // takes no settings, spreads by a key of its own
  wrong_key,  // takes the settings and hashes by another key
  random,     // takes the settings and puts each packet anywhere
};
std::string_view emulation_name(NicEmulation emulation);

// [[dataplane.port]]
struct PortConfig {
  std::string name;
  std::string device_kind;  // af_xdp | af_packet | pci | memif | pcap | ring | null
  std::string device_arg;   // interface, PCI address, path …
  NicEmulation emulation = NicEmulation::none;
  uint16_t vlan = 0;  // 802.1Q id, 1 .. kVlanIdMax; 0: frames without a tag
  // The kernel's, of this VLAN. Empty: the VLAN interface on the device; not so with pci, where the dataplane makes it.
  std::string interface;
  std::string tap;  // pci: the kernel's side of the device, which the dataplane makes; the same for all of its ports
  uint16_t queues = 1;
  SteeringWish steering = SteeringWish::automatic;
  // Only for ports without a kernel side: what the kernel would have told.
  std::vector<StaticNeighbour> neighbours;
  std::vector<StaticRoute> routes;

  // As in the file: "af_xdp:eth1".
  std::string device() const;
  // Both are ports of one device, told apart by their VLANs.
  bool shares_device(const PortConfig& other) const {
    return device_kind != "null" && device_kind == other.device_kind && device_arg == other.device_arg;
  }
};

// [dataplane]
struct DataplaneConfig {
  std::vector<unsigned> workers;  // CPU numbers, one worker each; each once unless idle_adaptive
  bool idle_adaptive = false;
  uint32_t connections = 262'144;
  bool proxy = true;            // false: no room for proxied connections in the segment
  uint32_t punt_rate = 50'000;  // packets a second to the kernel, of each kind, at each worker; 0: no limit
  std::string segment;          // path; kDefaultSegmentPath
  std::vector<uint8_t> reta;    // worker indexes, repeated to 128; empty: all in turn
  std::vector<PortConfig> ports;
};

// [snat.NAME], or "auto" where services need a pool and the file has none.
struct SnatPoolConfig {
  std::string name;
  struct Range {
    IpAddr first;
    IpAddr last;
    uint16_t port_first = 0;
    uint16_t port_last = 0;
  };
  std::vector<Range> ranges;
  // Instead of ranges: these ports of whichever of the host's own addresses the kernel would use towards a backend.
  struct Automatic {
    uint16_t port_first = 0;
    uint16_t port_last = 0;
  };
  std::optional<Automatic> automatic;
};

struct BackendConfig {
  Endpoint endpoint;
  uint16_t weight = 1;
  uint16_t priority = 0;
  ProxyProtocol proxy_protocol = ProxyProtocol::none;  // proxy_protocol=, or the service's
  uint32_t connections_max = 0;                        // max_connections=; 0: no limit
  std::string host;                                    // sni=: by host_matching; empty: any name
  bool operator==(const BackendConfig&) const = default;
};

// [servers.NAME.access] in order; null: none. Shared by every copy of a configuration, they may be many.
using AccessRules = std::shared_ptr<const std::vector<AccessRule>>;

// [blocklist]; null: nobody is blocked. Shared as access rules are.
using BlockedPrefixes = std::shared_ptr<const std::vector<BlockedPrefix>>;

// [servers.NAME]. Of its settings, snat_pool is `pool` by number, which compute_desired_state fills in; connect_timeout_ms
// (backend_connection_timeout) is kept where nothing is proxied, and 0 where there is none.
struct ServiceConfig : ServiceSettings {
  std::string name;
  std::vector<Endpoint> binds;
  std::string pool;  // of [snat]; empty in modes nat and dsr
  ProxyProtocol proxy_protocol = ProxyProtocol::none;
  AccessRules access_rules;
  HealthcheckConfig healthcheck;
  PassiveHealthConfig passive_health;
  DiscoveryConfig discovery;
  std::vector<BackendConfig> backends;  // of a static_list; otherwise none after a load, later what was found

  bool may_proxy() const { return millrace::may_proxy(mode, syn_proxy); }
  bool takes_source() const { return mode != Mode::nat && mode != Mode::dsr; }  // of a pool
  bool has_backend(Family family) const;
  bool always_proxies() const { return millrace::always_proxies(mode, syn_proxy); }
};

struct ApiConfig {
  bool enabled = true;                        // false: no socket, millctl cannot connect
  std::string socket = "/run/millrace.sock";  // REST for millctl
  std::string changes_file;                   // keeps what REST changed; by default FILE.changes
  std::string history_dir;                    // keeps what was in force; by default FILE.history
  bool watch_file = false;                    // reloads when the file changes

  struct BasicAuth {
    std::string login;
    std::string password;
    bool operator==(const BasicAuth&) const = default;
  };
  struct Token {
    std::string name;  // for people
    std::string token;
    bool may_write = false;  // role = "read" | "write"
    bool operator==(const Token&) const = default;
  };
  struct Tls {
    std::string cert_path;
    std::string key_path;
    bool operator==(const Tls&) const = default;
  };
  // The same over TCP; with neither basic_auth nor tokens everybody who reaches it may do everything.
  std::optional<Endpoint> bind;
  bool cors = false;
  std::optional<BasicAuth> basic_auth;
  std::vector<Token> tokens;
  std::optional<Tls> tls;
};

struct MetricsConfig {
  bool enabled = false;
  Endpoint bind = default_bind();  // of the kernel's side: a TCP port of this host
  static Endpoint default_bind() { return {IpAddr::from_ipv4(Be32{}), Be16::from_host(9284)}; }
};

enum class LogLevel : uint8_t { debug, info, warn, error };

struct LoggingConfig {
  LogLevel level = LogLevel::info;
  std::string output = "stdout";  // stdout | stderr | absolute path of a file
  bool json = false;              // format = "text" | "json"
};

// [flow_log]
struct FlowLogConfig {
  std::string output;              // stdout | syslog | absolute path of a file; empty: there is none
  uint32_t lines_a_second = 1000;  // `rate`
  bool operator==(const FlowLogConfig&) const = default;
};
inline constexpr uint32_t kFlowLogRateMax = 50'000;

struct Document;  // document.h
struct Changes;   // changes.h

struct Config {
  std::string file;
  std::shared_ptr<const Document> document;  // what was read; null in a Config that was not
  DataplaneConfig dataplane;
  SettingsCommand settings;
  LoggingConfig logging;
  FlowLogConfig flow_log;
  ApiConfig api;
  MetricsConfig metrics;
  std::vector<SnatPoolConfig> snat_pools;
  BlockedPrefixes blocklist;
  std::vector<ServiceConfig> services;  // in file order
};

struct LoadResult {
  std::optional<Config> config;     // set when there are no errors
  std::vector<ConfigError> errors;  // every one of the file, in file order
};

// Reads and checks the whole file. Never throws for what the file contains; an unreadable file is an error too.
LoadResult load_config(const std::string& path);
// The same for a text; `name` stands in for the file name in errors.
// `changes`: over the text.
LoadResult parse_config(const std::string& text, const std::string& name, const Changes* changes = nullptr);
// The text of `config`, which one of these has read, with other changes over it. Servers that they leave alone are not read again, nor are the lists of
// prefixes that those name; the result is otherwise that of parse_config.
LoadResult change_config(const Config& config, const Changes& changes);

}  // namespace millrace::config
