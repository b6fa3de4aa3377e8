// discovery_config.h: where a service's backends come from, as a value: [servers.NAME.discovery].
// Holds:  kind = "static" has no source, its backends stand in ServiceConfig; with every other kind ServiceConfig's
//         backends are those that were found last.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "controlplane/config/byte_pattern.h"
#include "controlplane/config/client_tls.h"

namespace millrace::config {

// exec_command: prints lines, a backend each.
struct ExecDiscovery {
  std::vector<std::string> command;  // program and arguments, at least the program
  bool operator==(const ExecDiscovery&) const = default;
};

// Of JSON objects: where their values stand. Keys divided by dots, [N] for an element of a list: "net.[0].addr".
struct JsonPatterns {
  std::string host = "host";
  std::string port = "port";
  std::string weight = "weight";
  std::string priority = "priority";
  std::string max_connections = "max_connections";
  std::string sni = "sni";
  bool operator==(const JsonPatterns&) const = default;
};

// file_path: lines, or a list of JSON objects where its name ends in .json.
struct FileDiscovery {
  std::string path;  // absolute
  bool operator==(const FileDiscovery&) const = default;
};

// json_endpoint: a list of JSON objects by HTTP.
struct JsonDiscovery {
  std::string endpoint;  // a URL
  JsonPatterns patterns;
  std::string ca_path;  // who vouches for an https server; empty: those whom the host trusts
  bool operator==(const JsonDiscovery&) const = default;
};

// plaintext_endpoint: lines by HTTP.
struct PlaintextDiscovery {
  std::string endpoint;  // a URL
  BytePattern pattern;   // with groups host, port …; none: lines of a static_list
  std::string ca_path;
  bool operator==(const PlaintextDiscovery&) const = default;
};

// Whom to ask by DNS.
struct DnsServer {
  std::string host;  // an address or a name; empty: this host's own servers
  uint16_t port = 53;
  bool tcp = false;
  bool operator==(const DnsServer&) const = default;
};

struct SrvDiscovery {
  DnsServer server;
  std::string name;
  bool operator==(const SrvDiscovery&) const = default;
};

// Every address of a name, with one port.
struct DnsDiscovery {
  DnsServer server;
  std::string name;
  uint16_t port = 0;
  bool operator==(const DnsDiscovery&) const = default;
};

// zookeeper_path: its children are backends.
struct ZookeeperDiscovery {
  std::vector<std::string> servers;  // "host:port", at least one; hosts of IPv6 in brackets
  std::string path;                  // absolute, without a slash at its end
  std::string auth;                  // "user:password" of the scheme digest; empty: none
  bool operator==(const ZookeeperDiscovery&) const = default;
};

// etcd_prefix: the keys below it are backends.
struct EtcdDiscovery {
  std::vector<std::string> endpoints;  // URLs, at least one, tried in turn
  std::string prefix;                  // not empty
  std::string username;                // empty: etcd asks for none
  std::string password;
  std::string ca_path;           // who vouches for https endpoints; empty: those whom the host trusts
  std::string certificate_path;  // what this side shows to them; empty: nothing
  std::string key_path;
  bool operator==(const EtcdDiscovery&) const = default;
};

// kubernetes_service: the endpoints of its EndpointSlices are backends.
struct KubernetesDiscovery {
  std::string api_url;         // empty: the API of the cluster in which this host is a pod
  std::string namespace_name;  // empty: that of the pod
  std::string service;
  std::string port;        // a name or a number; empty: the only one
  std::string token_path;  // read anew when it changes; empty: that of the pod if api_url is empty, too, else none
  std::string ca_path;     // likewise; those whom the host trusts where it is the last
  bool operator==(const KubernetesDiscovery&) const = default;
};

// consul_*: the instances of a service, as Consul's health API knows them.
struct ConsulDiscovery {
  std::string endpoint;  // a URL, with the user and password of basic authentication
  ClientTls tls;
  std::string service;
  std::vector<std::string> tags;  // an instance has all of them
  bool passing_only = false;
  std::string datacenter;  // empty: the agent's own
  std::string acl_token;
  bool operator==(const ConsulDiscovery&) const = default;
};

// Where an API of this host or another one is: a UNIX socket, or a URL.
struct ApiEndpoint {
  std::string unix_path;
  std::string url;
  ClientTls tls;
  bool operator==(const ApiEndpoint&) const = default;
};

// docker_*: the ports that running containers publish.
struct DockerDiscovery {
  ApiEndpoint endpoint;
  std::string label;  // "name" or "name=value"; empty: every container
  uint16_t private_port = 0;
  bool udp = false;          // as the service
  std::string host_env_var;  // a variable of the container that names its address; empty: none
  bool operator==(const DockerDiscovery&) const = default;
};

// lxd_*: running containers by their addresses.
struct LxdDiscovery {
  // Over https: tls.cert_path and tls.key_path always; tls.pin_path is where the server's certificate stands, if it does.
  ApiEndpoint endpoint;
  bool generate_client_cert = false;  // where there is none at tls.cert_path
  bool accept_server_cert = false;    // where there is none at tls.pin_path: the first that the server shows
  std::string remote_password;        // with it a server that does not know this client begins to trust it
  std::string label_key;              // empty: every container
  std::string label_value;            // empty: every value
  uint16_t port = 0;                  // 0: only by port_key
  // Keys of a container's configuration; empty: none.
  std::string port_key;
  std::string interface_key;
  std::string sni_key;
  std::string interface;  // without interface_key, or where a container has no such key
  bool ipv6 = false;
  bool operator==(const LxdDiscovery&) const = default;
};

using DiscoverySource = std::variant<std::monostate, ExecDiscovery, FileDiscovery, JsonDiscovery, PlaintextDiscovery,
                                     SrvDiscovery, DnsDiscovery, ZookeeperDiscovery, EtcdDiscovery, KubernetesDiscovery,
                                     ConsulDiscovery, DockerDiscovery, LxdDiscovery>;

enum class FailPolicy : uint8_t {
  keep_last,  // what was found last stays
  set_empty,  // the service has no backends until there is an answer again
};

struct DiscoveryConfig {
  DiscoverySource source;    // monostate: static
  uint32_t interval_ms = 0;  // between answers; 0: one answer is enough, until the next reload
  uint32_t timeout_ms = 0;   // of one question
  FailPolicy fail_policy = FailPolicy::keep_last;
  // An answer with fewer backends than this, and with fewer than are in force, is not believed; 0: every answer is.
  uint16_t min_backends = 0;

  bool is_static() const { return std::holds_alternative<std::monostate>(source); }
  // The source itself tells of every change, so that it need not be asked for them.
  bool is_watched() const {
    return std::holds_alternative<ZookeeperDiscovery>(source) || std::holds_alternative<EtcdDiscovery>(source) ||
           std::holds_alternative<KubernetesDiscovery>(source);
  }
  bool operator==(const DiscoveryConfig&) const = default;
};

// As in the file: "exec".
const char* discovery_kind_name(const DiscoveryConfig& discovery);

}  // namespace millrace::config
