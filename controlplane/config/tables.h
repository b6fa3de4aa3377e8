// tables.h: one reader per table of the file, and the draft that they fill.
// Route:  parse_config > read_*_table > validate_draft
// Holds:  a reader reports what is wrong inside its own table; what concerns several tables is validate_draft's.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "controlplane/config/config.h"
#include "controlplane/config/table_reader.h"

namespace millrace::config {

// Where the parts of config.services[i] stand; each list is parallel to the service's own.
struct ServiceOrigins {
  Origin service;
  std::vector<Origin> binds;
  std::vector<Origin> backends;
  std::optional<Text> snat;    // as written
  bool binds_complete = true;  // false: some were refused, so conclusions from what is missing would mislead
  bool backends_complete = true;
  bool mode_known = true;
  std::optional<Origin> proxied;  // the key by which it may have proxied connections
};

// Where the parts of config.snat_pools[i] stand.
struct PoolOrigins {
  std::vector<Origin> ranges;
  std::optional<Origin> automatic;  // "auto", if it is written
  bool complete = true;
};

// What was read of a file without mistakes; never changes.
struct Reading {
  std::shared_ptr<const toml::table> file;  // before changes
  // Of its keys and those of its tables, by path: [servers] and [snat] are read in the order of the file.
  std::map<std::string, Position> positions;
  std::vector<ServiceConfig> services;
  std::vector<ServiceOrigins> origins;
};

struct Draft {
  Config config;
  std::vector<ServiceOrigins> services;
  std::vector<PoolOrigins> pools;
  std::unordered_map<std::string_view, size_t> known;  // servers that are as in `before`, and their places there
  std::shared_ptr<const Reading> before;
  Origin dataplane_proxy;      // [dataplane] proxy
  bool pools_complete = true;  // false: [snat] holds more than could be read
};

// [defaults] and the same keys of [servers.NAME]; nullopt: not set, 0: written as "0".
struct ConnectionOptions {
  std::optional<uint32_t> client_idle_timeout_ms;
  std::optional<uint32_t> backend_idle_timeout_ms;
  std::optional<uint32_t> backend_connection_timeout_ms;
  std::optional<uint32_t> connections_max;
};

void read_dataplane_table(TableReader& table, Config& config);
// Its keys that say how workers work, which may be tuned where the file has no [dataplane]; does not finish() the table.
void read_worker_settings(TableReader& table, Config& config);
// automatic_ports.cpp: of a file without [dataplane], when its servers are known. `towards`: the interface that leads to an
// address or has it; empty: none.
using InterfaceTowards = std::function<std::string(const IpAddr&)>;
void choose_ports(Config& config, const InterfaceTowards& towards, ErrorList& errors);
std::string interface_towards(const IpAddr& addr);
void read_port_table(TableReader& table, DataplaneConfig& dataplane);  // adds one port
// kernel_interfaces.cpp: when all ports are known. `tables` are theirs, in the same order.
void name_kernel_interfaces(std::vector<PortConfig>& ports, const std::vector<TableReader>& tables);
void read_snat_table(TableReader& table, Draft& draft);
void read_servers_table(TableReader& table, const ConnectionOptions& defaults, Draft& draft);
void read_healthcheck_table(TableReader& table, Proto proto, HealthcheckConfig& healthcheck);
// passive_health_table.cpp: when the protocol, the mode and the active checks are known.
void read_passive_health_table(TableReader& table, const ServiceOrigins& origins, ServiceConfig& service);
// check_kinds.cpp: the keys of its kind; when the kind is known.
void read_check_kind(TableReader& table, HealthcheckConfig& healthcheck);
// proxy_tables.cpp: before the backends are read, which take the service's proxy_protocol; and when they have been.
void read_proxy_options(TableReader& server, const ConnectionOptions& own, ServiceConfig& service,
                        ServiceOrigins& origins);
void check_backend_options(TableReader& server, ServiceConfig& service, const ServiceOrigins& origins);
// direct_tables.cpp: when mode and balance are known, and when binds and backends are.
void read_direct_options(TableReader& server, const ConnectionOptions& own, ServiceConfig& service,
                         const ServiceOrigins& origins);
void check_direct_endpoints(const ServiceConfig& service, const ServiceOrigins& origins, ErrorList& errors);
// udp_table.cpp: [servers.NAME.udp]. After protocol and mode; `transparent` is another word for mode nat.
void read_udp_options(TableReader& server, ServiceConfig& service, ServiceOrigins& origins);
// rate_keys.cpp
void read_rate_options(TableReader& server, ServiceConfig& service);
// access_table.cpp
void read_access_table(TableReader& table, ServiceConfig& service);
// blocklist_table.cpp
void read_blocklist_table(TableReader& table, Config& config);
void read_discovery_table(TableReader& table, ServiceConfig& service, ServiceOrigins& origins);

// api_table.cpp
void read_api_table(TableReader& table, ApiConfig& api);
// settings_tables.cpp
void read_logging_table(TableReader& table, LoggingConfig& logging);
void read_flow_log_table(TableReader& table, FlowLogConfig& flow_log);
void read_metrics_table(TableReader& table, MetricsConfig& metrics);
void read_timeouts_table(TableReader& table, SettingsCommand& timeouts);
void read_connection_options(TableReader& table, ConnectionOptions& options);  // does not finish() the table

// gobetween_keys.cpp: what gobetween has and this release has not.
void refuse_global_tables(TableReader& root);
void refuse_server_keys(TableReader& server);

// Mistakes between tables; resolves each service's SNAT pool.
void validate_draft(Draft& draft, ErrorList& errors);
// pool_choice.cpp: the pool of each service; adds an automatic one where they need one and the file has none.
void choose_pools(Draft& draft, ErrorList& errors);
// The ports that the kernel gives to no connection of its own and that lie above those that it does, for an automatic pool.
std::optional<SnatPoolConfig::Automatic> free_port_range();

inline constexpr size_t kInterfaceNameMax = 15;  // IFNAMSIZ - 1
inline constexpr uint32_t kSecondMs = 1000;
inline constexpr uint32_t kWeekMs = 7 * 24 * 3600 * kSecondMs;

}  // namespace millrace::config
