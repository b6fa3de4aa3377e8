// watched_kinds.cpp: the keys of registries that tell of changes by themselves.
#include <algorithm>
#include <utility>

#include "controlplane/config/discovery_kinds.h"
#include "controlplane/config/url.h"

namespace millrace::config {

namespace {

constexpr size_t kServerMax = 16;
constexpr size_t kPathBytesMax = 1024;
constexpr size_t kNameBytesMax = 253;

// A list of servers; of each `check` says what is wrong.
template <typename Check>
std::vector<std::string> read_servers(TableReader& table, std::string_view key, std::string_view example,
                                      const Check& check) {
  bool complete = true;
  std::vector<std::string> servers;
  for (Text& text :
       table.read_texts(key, "write " + std::string(key) + " = [\"" + std::string(example) + "\"]", complete)) {
    auto parsed = check(text.text);
    if (!parsed.value) table.errors().add(text.origin, std::move(parsed.problem), std::move(parsed.remedy));
    servers.push_back(std::move(text.text));
  }
  if (servers.size() > kServerMax)
    table.errors().add(table.origin_of(key), "names " + std::to_string(servers.size()) + " servers",
                       "write at most " + std::to_string(kServerMax));
  return servers;
}

// As ZooKeeper takes it.
bool is_node_path(std::string_view path) {
  if (!path.starts_with('/') || path.size() > kPathBytesMax || (path.size() > 1 && path.ends_with('/'))) return false;
  if (path.find("//") != std::string_view::npos || path.find('\0') != std::string_view::npos) return false;
  return (std::string(path) + "/").find("/./") == std::string::npos &&
         (std::string(path) + "/").find("/../") == std::string::npos;
}

// A certificate is of no use without its key, and the other way round.
void read_certificate(TableReader& table, EtcdDiscovery& etcd) {
  etcd.ca_path = table.read_path("etcd_tls_cacert_path").value_or("");
  etcd.certificate_path = table.read_path("etcd_tls_cert_path").value_or("");
  etcd.key_path = table.read_path("etcd_tls_key_path").value_or("");
  for (const auto& [there, missing] :
       {std::pair("etcd_tls_cert_path", "etcd_tls_key_path"), std::pair("etcd_tls_key_path", "etcd_tls_cert_path")})
    if (table.has(there) && !table.has(missing))
      table.report_missing(missing, "write " + std::string(missing) + " = \"/etc/millrace/etcd.pem\" beside " + there);
}

// A name of Kubernetes; `remedy` is an example.
std::string read_name(TableReader& table, std::string_view key, std::string_view example) {
  const std::optional<Text> text = table.read_text(key);
  if (!text || text->text.empty()) return "";
  const bool fits = text->text.size() <= kNameBytesMax && std::ranges::all_of(text->text, [](char c) {
                      return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.';
                    });
  if (!fits)
    table.errors().add(text->origin, quote(text->text) + " is no name of Kubernetes",
                       "write lower-case letters, digits, - and ., like " + std::string(example));
  return text->text;
}

}  // namespace

ZookeeperDiscovery read_zookeeper(TableReader& table) {
  ZookeeperDiscovery zookeeper;
  zookeeper.servers = read_servers(table, "zookeeper_servers", "zk1.example.com:2181", parse_host_port);
  zookeeper.path = read_needed(table, "zookeeper_path", "/services/web");
  if (!zookeeper.path.empty() && !is_node_path(zookeeper.path))
    table.errors().add(table.origin_of("zookeeper_path"), quote(zookeeper.path) + " is no path of a node",
                       "write one from the root on, like /services/web, without a slash at its end");
  if (const std::optional<Text> auth = table.read_text("zookeeper_auth"); auth && !auth->text.empty()) {
    zookeeper.auth = auth->text;
    if (auth->text.find(':') == std::string::npos || auth->text.size() > kPathBytesMax)
      table.errors().add(auth->origin, "is no user and password", "write \"user:password\", of the scheme digest");
  }
  return zookeeper;
}

EtcdDiscovery read_etcd(TableReader& table) {
  EtcdDiscovery etcd;
  etcd.endpoints = read_servers(table, "etcd_endpoints", "http://etcd1.example.com:2379", parse_url);
  etcd.prefix = read_needed(table, "etcd_prefix", "/services/web/");
  if (etcd.prefix.size() > kPathBytesMax)
    table.errors().add(table.origin_of("etcd_prefix"), "is too long", "write at most " + std::to_string(kPathBytesMax));
  const std::optional<Text> username = table.read_text("etcd_username");
  const std::optional<Text> password = table.read_text("etcd_password");
  if (username) etcd.username = username->text;
  if (password) etcd.password = password->text;
  if (etcd.username.empty() != etcd.password.empty())
    table.report_missing(etcd.username.empty() ? "etcd_username" : "etcd_password",
                         "write etcd_username and etcd_password, or neither");
  read_certificate(table, etcd);
  return etcd;
}

KubernetesDiscovery read_kubernetes(TableReader& table) {
  KubernetesDiscovery kubernetes;
  if (const std::optional<Text> url = table.read_text("kubernetes_api_url"); url && !url->text.empty()) {
    kubernetes.api_url = url->text;
    Parsed<Url> parsed = parse_url(url->text);
    if (!parsed.value) table.errors().add(url->origin, std::move(parsed.problem), std::move(parsed.remedy));
  }
  if (!table.has("kubernetes_service"))
    table.report_missing("kubernetes_service", "write kubernetes_service = \"web\"");
  kubernetes.service = read_name(table, "kubernetes_service", "web");
  if (table.has("kubernetes_service") && kubernetes.service.empty())
    table.errors().add(table.origin_of("kubernetes_service"), "is empty", "write the name of a Service, like web");
  kubernetes.namespace_name = read_name(table, "kubernetes_namespace", "default");
  if (!kubernetes.api_url.empty() && kubernetes.namespace_name.empty() && !table.has("kubernetes_namespace"))
    table.report_missing("kubernetes_namespace", "write kubernetes_namespace = \"default\"");
  kubernetes.port = read_name(table, "kubernetes_port", "http");
  kubernetes.token_path = table.read_path("kubernetes_token_file").value_or("");
  kubernetes.ca_path = table.read_path("kubernetes_tls_cacert_path").value_or("");
  return kubernetes;
}

}  // namespace millrace::config
