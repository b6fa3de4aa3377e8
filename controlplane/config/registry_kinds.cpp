// registry_kinds.cpp: the keys of Consul, Docker and LXD, as gobetween has them.
#include <algorithm>
#include <cstdlib>
#include <utility>

#include "controlplane/config/discovery_kinds.h"
#include "controlplane/config/url.h"
#include "controlplane/config/url_text.h"

namespace millrace::config {

namespace {

constexpr size_t kTagMax = 16;
constexpr size_t kUnixPathBytesMax = 107;  // sockaddr_un, with its end

// Text that may be missing or empty.
std::string read_optional(TableReader& table, std::string_view key) {
  const std::optional<Text> text = table.read_text(key);
  return text ? text->text : "";
}

// Likewise, of visible ASCII: it goes into an HTTP header.
std::string read_secret(TableReader& table, std::string_view key) {
  std::string secret = read_optional(table, key);
  if (!std::ranges::all_of(secret, [](char c) { return c > ' ' && c < 0x7f; }))
    table.errors().add(table.origin_of(key), "has blanks or characters that no token has", "copy it once more");
  return secret;
}

// "~/" is the home of the one who runs millraced.
std::string read_file_path(TableReader& table, std::string_view key, std::string_view otherwise) {
  std::string path = read_optional(table, key);
  if (path.empty()) path = otherwise;
  const char* home = std::getenv("HOME");
  if (path.starts_with("~/") && home != nullptr) path = std::string(home) + path.substr(1);
  if (!path.empty() && (path.front() != '/' || path.find('\0') != std::string::npos))
    table.errors().add(table.origin_of(key), quote(path) + " is not an absolute path",
                       "write a path that begins with /");
  return path;
}

struct TlsKeys {
  const char* ca_path;
  const char* cert_path;
  const char* key_path;
};

ClientTls read_client_tls(TableReader& table, const TlsKeys& keys) {
  ClientTls tls{.ca_path = read_file_path(table, keys.ca_path, ""),
                .cert_path = read_file_path(table, keys.cert_path, ""),
                .key_path = read_file_path(table, keys.key_path, "")};
  if (tls.cert_path.empty() != tls.key_path.empty())
    table.errors().add(table.origin_of(tls.cert_path.empty() ? keys.key_path : keys.cert_path),
                       "is one half of what this side shows",
                       std::string("write both ") + keys.cert_path + " and " + keys.key_path + ", or none");
  return tls;
}

// As a URL; "" after reporting.
std::string check_url(TableReader& table, std::string_view key, std::string text, std::string_view remedy) {
  const Parsed<Url> url = parse_url(text);
  if (url.value && url.value->credentials.empty()) return text;
  table.errors().add(table.origin_of(key), url.value ? "has a user in front of the host" : url.problem,
                     std::string(remedy));
  return {};
}

// "unix:///run/x.sock" or "unix:/run/x.sock": its path; nullopt: it is something else.
std::optional<std::string> unix_path_of(TableReader& table, std::string_view key, const std::string& text) {
  if (!text.starts_with("unix:")) return std::nullopt;
  std::string path = text.substr(text.starts_with("unix://") ? 7 : 5);
  if (!path.starts_with('/') || path.size() > kUnixPathBytesMax || path.find('\0') != std::string::npos)
    table.errors().add(table.origin_of(key), quote(text) + " is no path of a UNIX socket",
                       "write unix:///PATH, at most " + std::to_string(kUnixPathBytesMax) + " characters of it");
  return path;
}

std::string read_docker_url(TableReader& table, const std::string& text, bool tls) {
  constexpr char kRemedy[] = "write unix:///var/run/docker.sock, tcp://HOST:2375 or https://HOST:2376";
  std::string url = text;
  const std::string scheme = tls ? "https://" : "http://";
  if (url.starts_with("tcp://"))
    url = scheme + url.substr(6);
  else if (tls && url.starts_with("http://"))
    url = scheme + url.substr(7);
  return check_url(table, "docker_endpoint", url, kRemedy);
}

void read_lxd_container_keys(TableReader& table, LxdDiscovery& lxd) {
  static constexpr Choice<bool> kFamilies[] = {{"IPv4", false}, {"IPv6", true}, {"", false}};
  lxd.label_key = read_optional(table, "lxd_container_label_key");
  lxd.label_value = read_optional(table, "lxd_container_label_value");
  lxd.port = static_cast<uint16_t>(table.read_integer("lxd_container_port", 0, 65535).value_or(0));
  lxd.port_key = read_optional(table, "lxd_container_port_key");
  if (lxd.port == 0 && lxd.port_key.empty())
    table.report_missing("lxd_container_port", "write lxd_container_port = 80, or lxd_container_port_key");
  lxd.interface = read_optional(table, "lxd_container_interface");
  if (lxd.interface.empty()) lxd.interface = "eth0";
  lxd.interface_key = read_optional(table, "lxd_container_interface_key");
  lxd.sni_key = read_optional(table, "lxd_container_sni_key");
  lxd.ipv6 = table.read_choice("lxd_container_address_type", kFamilies).value_or(false);
}

// What only a server that is reached by https needs.
void read_lxd_trust(TableReader& table, LxdDiscovery& lxd) {
  if (!lxd.endpoint.unix_path.empty()) {
    for (const char* key : {"lxd_server_remote_name", "lxd_server_remote_password", "lxd_config_directory",
                            "lxd_generate_client_certs", "lxd_accept_server_cert"})
      table.ignore(key);
    return;
  }
  const std::string remote = read_optional(table, "lxd_server_remote_name");
  const std::string directory = read_file_path(table, "lxd_config_directory", "~/.config/lxc");
  if (remote.find('/') != std::string::npos || remote.starts_with('.'))
    table.errors().add(table.origin_of("lxd_server_remote_name"), quote(remote) + " is no name of a file",
                       "write the name that `lxc remote list` shows");
  lxd.generate_client_cert = table.read_bool("lxd_generate_client_certs").value_or(false);
  lxd.accept_server_cert = table.read_bool("lxd_accept_server_cert").value_or(false);
  lxd.remote_password = read_optional(table, "lxd_server_remote_password");
  lxd.endpoint.tls = {.ca_path = directory + "/client.ca",
                      .cert_path = directory + "/client.crt",
                      .key_path = directory + "/client.key",
                      .pin_path = directory + "/servercerts/" + (remote.empty() ? "local" : remote) + ".crt"};
}

}  // namespace

ConsulDiscovery read_consul(TableReader& table) {
  ConsulDiscovery consul;
  const std::string host = read_needed(table, "consul_host", "192.0.2.1:8500");
  const bool tls = table.read_bool("consul_tls_enabled").value_or(false);
  if (!host.empty())
    consul.endpoint = check_url(table, "consul_host", (tls ? "https://" : "http://") + host,
                                "write HOST:PORT, such as 192.0.2.1:8500; whether by TLS says consul_tls_enabled");
  consul.tls = read_client_tls(table, {"consul_tls_cacert_path", "consul_tls_cert_path", "consul_tls_key_path"});
  consul.service = read_needed(table, "consul_service_name", "web");
  bool complete = true;
  for (Text& tag : table.read_texts("consul_service_tag", complete))
    if (!tag.text.empty()) consul.tags.push_back(std::move(tag.text));
  if (consul.tags.size() > kTagMax)
    table.errors().add(table.origin_of("consul_service_tag"), "names " + std::to_string(consul.tags.size()) + " tags",
                       "write at most " + std::to_string(kTagMax));
  consul.passing_only = table.read_bool("consul_service_passing_only").value_or(false);
  // gobetween's documents have the one, its code the other.
  consul.datacenter = read_optional(table, "consul_service_datacenter");
  if (std::string code = read_optional(table, "consul_datacenter"); !code.empty()) consul.datacenter = code;
  const std::string username = read_optional(table, "consul_auth_username");
  const std::string password = read_optional(table, "consul_auth_password");
  const size_t scheme_bytes = consul.endpoint.find("//") + 2;
  if (!username.empty() && !consul.endpoint.empty())
    consul.endpoint.insert(scheme_bytes, percent_encoded(username) + ":" + percent_encoded(password) + "@");
  if (!consul.endpoint.empty() && !parse_url(consul.endpoint).value)
    table.errors().add(table.origin_of("consul_auth_password"), "is too long for a URL", "choose a shorter one");
  consul.acl_token = read_secret(table, "consul_acl_token");
  return consul;
}

DockerDiscovery read_docker(TableReader& table) {
  DockerDiscovery docker;
  const std::string endpoint = read_needed(table, "docker_endpoint", "unix:///var/run/docker.sock");
  const bool tls = table.read_bool("docker_tls_enabled").value_or(false);
  docker.endpoint.tls =
      read_client_tls(table, {"docker_tls_cacert_path", "docker_tls_cert_path", "docker_tls_key_path"});
  if (!tls) docker.endpoint.tls = {};
  docker.endpoint.tls.skip_verify = tls && docker.endpoint.tls.ca_path.empty();
  if (const std::optional<std::string> path = unix_path_of(table, "docker_endpoint", endpoint))
    docker.endpoint.unix_path = *path;
  else if (!endpoint.empty())
    docker.endpoint.url = read_docker_url(table, endpoint, tls);
  docker.label = read_optional(table, "docker_container_label");
  if (!table.has("docker_container_private_port"))
    table.report_missing("docker_container_private_port", "write docker_container_private_port = 80");
  docker.private_port =
      static_cast<uint16_t>(table.read_integer("docker_container_private_port", 1, 65535).value_or(0));
  docker.host_env_var = read_optional(table, "docker_container_host_env_var");
  return docker;
}

LxdDiscovery read_lxd(TableReader& table) {
  LxdDiscovery lxd;
  const std::string address = read_needed(table, "lxd_server_address", "unix:///var/snap/lxd/common/lxd/unix.socket");
  if (const std::optional<std::string> path = unix_path_of(table, "lxd_server_address", address)) {
    lxd.endpoint.unix_path = *path;
  } else if (!address.empty()) {
    constexpr char kRemedy[] = "write unix:///PATH or https://HOST:8443";
    lxd.endpoint.url = check_url(table, "lxd_server_address", address, kRemedy);
    if (address.starts_with("http://"))
      table.errors().add(table.origin_of("lxd_server_address"), "LXD does not answer by plain http", kRemedy);
  }
  read_lxd_trust(table, lxd);
  read_lxd_container_keys(table, lxd);
  return lxd;
}

}  // namespace millrace::config
