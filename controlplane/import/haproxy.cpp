// haproxy.cpp: from frontends, listens and their backends in mode tcp to services.
// Route:  import_haproxy > read_haproxy > read_proxy > FrontendReader::read > read_access, read_routes, haproxy_check
#include <algorithm>
#include <map>

#include "controlplane/config/error_text.h"
#include "controlplane/config/values.h"
#include "controlplane/import/haproxy_access.h"

namespace millrace::importing {

namespace {

using config::quote;

constexpr char kHttp[] =
    "this is a balancer of connections: let HAProxy go on with HTTP, behind a service of Millrace (docs/tls.md)";
constexpr char kTls[] = "TLS is not ended here: docs/tls.md shows how HAProxy does it behind the virtual address";

struct BalanceRow {
  std::string_view haproxy;
  std::string_view ours;
  std::string_view lost;  // empty: the same
};
constexpr BalanceRow kBalances[] = {
    {"roundrobin", "weight", {}},   {"static-rr", "weight", {}},
    {"leastconn", "leastconn", {}}, {"first", "leastconn", "the filling of one server after the other"},
    {"source", "iphash", {}},       {"random", "p2c", {}},
};

using Proxies = std::map<std::string, HaproxyProxy, std::less<>>;

class FrontendReader {
 public:
  FrontendReader(const HaproxyProxy& proxy, Proxies& backends, Draft& draft)
      : proxy_(proxy), backends_(backends), draft_(draft), complaints_(draft.complaints) {}

  void read() {
    service_.line = proxy_.head.line;
    service_.name = proxy_.name();
    service_.origin = std::string(proxy_.head.word(0)) + " " + service_.name;
    for (const HaproxyLine& bind : proxy_.binds) read_bind(bind);
    const std::vector<HaproxyRoute> routes = read_routes(proxy_, complaints_);
    if (std::ranges::any_of(routes, [](const HaproxyRoute& route) { return !route.names.empty(); }))
      service_.names = DraftNames{.regexp = std::ranges::any_of(routes, needs_regexp), .unexpected = "reject"};
    read_access(proxy_, service_, draft_);
    if (!proxy_.servers.empty()) add_servers(proxy_, "");
    for (const HaproxyRoute& route : routes) add_route(route);
    finish();
    draft_.services.push_back(std::move(service_));
  }

 private:
  void read_bind(const HaproxyLine& bind) {
    bool both_families = false, six_only = false;
    for (size_t i = 2; i < bind.words.size(); ++i) {
      const std::string_view word = bind.word(i);
      if (word == "ssl") return complaints_.add(bind.line, "TLS that ends here, " + quote(bind.word(1)), kTls);
      if (word == "accept-proxy")
        return complaints_.add(bind.line, "PROXY headers from clients, " + quote(bind.word(1)),
                               "headers are sent and not read: they would pass to the backends; bind it by hand if "
                               "those read them");
      if (word == "v4v6") both_families = true;
      if (word == "v6only") six_only = true;
      if (word == "interface" || word == "transparent" || word == "namespace")
        complaints_.add(bind.line, quote(word) + " of bind", "the ports in [dataplane] say where packets come in");
    }
    std::string_view list = bind.word(1);
    while (!list.empty()) {
      const size_t end = std::min(list.find(','), list.size());
      add_addresses(list.substr(0, end), both_families && !six_only, bind.line);
      list.remove_prefix(std::min(end + 1, list.size()));
    }
  }

  // "10.0.0.1:80", "*:80", ":80-89", "[::]:80"
  void add_addresses(std::string_view text, bool both_families, uint32_t line) {
    for (const std::string_view family : {"ipv4@", "ipv6@", "tcp@", "tcp4@", "tcp6@"})
      if (text.starts_with(family)) text.remove_prefix(family.size());
    const size_t colon = text.rfind(':');
    if (text.starts_with('/') || text.find('@') != std::string_view::npos || colon == std::string_view::npos)
      return complaints_.add(line, "bind " + quote(text), "write an IP address and a port");
    const std::string_view host = text.substr(0, colon);
    const auto ports = config::parse_port_range(text.substr(colon + 1));
    if (!ports.value || ports.value->first == 0)
      return complaints_.add(line, quote(text) + " has no port", "write a number from 1 to 65535 and import again");
    std::vector<IpAddr> addresses;
    if (host.empty() || host == "*") {
      addresses.push_back(IpAddr::from_ipv4(Be32{}));
    } else if (const std::optional<IpAddr> addr = read_address(host, line, complaints_)) {
      addresses.push_back(*addr);
      if (both_families && addr->is_any() && !addr->is_ipv4()) addresses.push_back(IpAddr::from_ipv4(Be32{}));
    }
    for (const IpAddr& addr : addresses)
      for (uint32_t port = ports.value->first; port <= ports.value->last; ++port)
        if (!draft_.add_bind(service_, {line, {addr, Be16::from_host(static_cast<uint16_t>(port))}})) return;
  }

  void add_route(const HaproxyRoute& route) {
    const auto found = backends_.find(route.backend);
    if (found == backends_.end())
      return complaints_.add(route.line, "there is no backend " + quote(route.backend) + " in the file",
                             "import the whole file at once");
    HaproxyProxy& backend = found->second;
    backend.used = true;
    if (backend.settings.http)
      return complaints_.add(route.line, "the backend " + quote(route.backend) + " is of HTTP", kHttp);
    if (!backend.rules.empty())
      complaints_.add(backend.rules.front().line, "tcp-request in a backend", "write it into the frontend");
    if (service_.names && route.names.empty()) service_.names->unexpected = "default";
    add_servers(backend, service_.names ? host_of(route, service_.names->regexp) : "");
  }

  void add_servers(const HaproxyProxy& backend, const std::string& host) {
    if (!draft_.may_look_at(backend.servers.size(), proxy_.head.line)) return;
    const bool first = settings_of_ == nullptr;
    if (first) {
      settings_of_ = &backend;
      service_.check = haproxy_check(backend, complaints_);
    } else if (backend.settings.balance != settings_of_->settings.balance ||
               backend.settings.check_words() != settings_of_->settings.check_words() || backend.servers.empty() ||
               settings_of_->servers.empty() || backend.servers.front().check != settings_of_->servers.front().check) {
      complaints_.add(backend.head.line, "the balance and the checks of the backend " + quote(backend.name()),
                      "all backends of a service have those of " + std::string(settings_of_->name()) +
                          "; a service for each keeps them apart");
    }
    uint16_t port = 0;
    const auto same_port = [&](const DraftBind& b) { return b.endpoint.port == service_.binds.front().endpoint.port; };
    if (!service_.binds.empty() && std::ranges::all_of(service_.binds, same_port))
      port = service_.binds.front().endpoint.port.host();
    uint32_t backups = 0;
    for (const HaproxyServer& server : backend.servers) {
      if (server.tls) {
        complaints_.add(server.line, "TLS towards the server " + quote(server.name),
                        "clients and backends speak TLS with each other: docs/tls.md");
        continue;
      }
      const std::optional<Endpoint> endpoint = server_endpoint(server, port, complaints_);
      if (!endpoint) continue;
      DraftBackend added{.line = server.line,
                         .endpoint = *endpoint,
                         .weight = server.disabled ? 0 : server.weight,
                         .connections_max = server.connections_max,
                         .proxy_protocol = server.proxy_protocol,
                         .host = host,
                         .comment = server.name + (server.disabled ? ", disabled: weight 0" : "")};
      // Without allbackups one of them steps in at a time.
      if (server.backup) added.priority = backend.settings.all_backups ? 1 : ++backups;
      if (server.slow_start_ms != 0) service_.slow_start_ms = server.slow_start_ms;
      if (!draft_.add_backend(service_, std::move(added))) return;
    }
  }

  void finish() {
    const HaproxySettings& own = proxy_.settings;
    const HaproxySettings& backend = settings_of_ != nullptr ? settings_of_->settings : own;
    const bool headers = std::ranges::any_of(
        service_.backends, [](const DraftBackend& b) { return b.proxy_protocol != ProxyProtocol::none; });
    if (headers || service_.names || backend.redispatch) service_.mode = Mode::proxy;
    const uint64_t tunnel = std::max(own.tunnel_ms, backend.tunnel_ms);  // once both sides have spoken
    service_.client_idle_ms = tunnel != 0 ? tunnel : own.client_ms;
    service_.backend_idle_ms = tunnel != 0 ? tunnel : backend.server_ms;
    service_.connect_timeout_ms = backend.connect_ms;
    service_.connections_max = own.connections_max;
    service_.connection_rate = own.connection_rate;
    read_balance(backend);
  }

  void read_balance(const HaproxySettings& settings) {
    service_.balance_line = settings.balance_line;
    const std::string& name = settings.balance;
    const std::string_view algorithm = std::string_view(name).substr(0, name.find('('));
    const auto row = std::ranges::find(kBalances, algorithm, &BalanceRow::haproxy);
    service_.balance = row == std::end(kBalances) ? "weight" : row->ours;
    if (name == "random(1)") service_.balance = "random";
    if (service_.balance == "iphash" && settings.consistent_hash) service_.balance = "iphash1";
    if (row == std::end(kBalances))
      complaints_.add(settings.balance_line, "balance " + quote(name),
                      "nothing looks into connections: \"weight\" stands in for it");
    else if (!row->lost.empty())
      complaints_.add(settings.balance_line, "balance " + name + ": " + std::string(row->lost),
                      "\"" + std::string(row->ours) + "\" stands in for it");
  }

  const HaproxyProxy& proxy_;
  Proxies& backends_;
  Draft& draft_;
  Complaints& complaints_;
  DraftService service_;
  const HaproxyProxy* settings_of_ = nullptr;  // the first backend
};

class FileReader {
 public:
  explicit FileReader(Draft& draft) : draft_(draft), complaints_(draft.complaints) {}

  void read(const std::vector<HaproxySection>& sections) {
    std::vector<HaproxyProxy> frontends;
    for (const HaproxySection& section : sections) {
      const std::string_view kind = section.kind();
      if (kind == "global") {
        read_global(section);
      } else if (kind == "defaults") {
        last_ = read_proxy(section, defaults_of(section, {}), complaints_).settings;
        if (!section.name().empty() && defaults_.size() < kDefaultsMax) defaults_[std::string(section.name())] = last_;
      } else if (kind == "frontend" || kind == "listen") {
        frontends.push_back(read_proxy(section, defaults_of(section, last_), complaints_));
      } else if (kind == "backend") {
        backends_.try_emplace(std::string(section.name()),
                              read_proxy(section, defaults_of(section, last_), complaints_));
      } else {
        complaints_.add(section.head.line, "the section " + std::string(kind), "nothing here is like it");
      }
    }
    for (const HaproxyProxy& frontend : frontends) {
      if (frontend.settings.http) {
        for (const HaproxyLine& line : frontend.use_backends)
          if (const auto found = backends_.find(line.word(1)); found != backends_.end()) found->second.used = true;
        complaints_.add(frontend.head.line,
                        std::string(frontend.head.word(0)) + " " + quote(frontend.name()) + " is of HTTP", kHttp);
      } else {
        FrontendReader(frontend, backends_, draft_).read();
      }
    }
    for (const auto& [name, backend] : backends_)
      if (!backend.used && !backend.settings.http)
        complaints_.add(backend.head.line, "the backend " + quote(name) + " is used by no frontend of TCP",
                        "take it out");
  }

 private:
  static constexpr size_t kDefaultsMax = 1024;

  const HaproxySettings& defaults_of(const HaproxySection& section, const HaproxySettings& otherwise) {
    const auto found = defaults_.find(section.defaults());
    return found == defaults_.end() ? otherwise : found->second;
  }

  void read_global(const HaproxySection& section) {
    for (const HaproxyLine& line : section.lines)
      if (line.word(0) == "maxconn")
        complaints_.add(
            line.line, "maxconn of the whole process",
            "write max_connections into [defaults], and the size of the table into [dataplane] connections");
  }

  Draft& draft_;
  Complaints& complaints_;
  HaproxySettings last_;  // of the defaults above
  std::map<std::string, HaproxySettings, std::less<>> defaults_;
  Proxies backends_;
};

}  // namespace

void import_haproxy(std::string_view text, Draft& draft) {
  FileReader(draft).read(read_haproxy(text, draft.complaints));
}

}  // namespace millrace::importing
