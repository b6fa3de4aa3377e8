#include "controlplane/import/haproxy_server.h"

#include <algorithm>

#include "controlplane/config/error_text.h"
#include "controlplane/config/values.h"

namespace millrace::importing {

namespace {

using config::quote;

constexpr char kTls[] = "TLS towards backends is not done here: docs/tls.md shows what to do instead";

struct WordRow {
  std::string_view word;
  uint8_t values;
  std::string_view instead;  // empty: nothing is lost
};
// Those that read_server_words does not take.
constexpr WordRow kWords[] = {
    {"id", 1, {}},
    {"enabled", 0, {}},
    {"no-check", 0, {}},
    {"no-backup", 0, {}},
    {"no-ssl", 0, {}},
    {"no-check-ssl", 0, {}},
    {"no-tfo", 0, {}},
    {"tfo", 0, {}},
    {"pool-low-conn", 1, {}},
    {"pool-max-conn", 1, {}},
    {"pool-purge-delay", 1, {}},
    {"resolve-prefer", 1, {}},
    {"resolve-opts", 1, {}},
    {"resolve-net", 1, {}},
    {"log-proto", 1, {}},
    {"alpn", 1, kTls},
    {"sni", 1, kTls},
    {"crt", 1, kTls},
    {"ciphers", 1, kTls},
    {"ciphersuites", 1, kTls},
    {"crl-file", 1, kTls},
    {"verifyhost", 1, kTls},
    {"ssl-min-ver", 1, kTls},
    {"ssl-max-ver", 1, kTls},
    {"force-tlsv12", 0, kTls},
    {"force-tlsv13", 0, kTls},
    {"addr", 1, "checks go to the backend's own address"},
    {"agent-check", 0, "let the agent call millctl weight and millctl drain, or the REST API"},
    {"agent-port", 1, "let the agent call millctl weight and millctl drain, or the REST API"},
    {"agent-inter", 1, "let the agent call millctl weight and millctl drain, or the REST API"},
    {"agent-addr", 1, "let the agent call millctl weight and millctl drain, or the REST API"},
    {"agent-send", 1, "let the agent call millctl weight and millctl drain, or the REST API"},
    {"check-send-proxy", 0, "let the backend take a check without a PROXY header"},
    {"check-alpn", 1, "checks by HTTPS offer http/1.1"},
    {"check-proto", 1, "checks speak HTTP/1.1"},
    {"check-via-socks4", 0, "checks go straight to the backend"},
    {"cookie", 1, "HTTP is not looked into; balance = \"iphash1\" keeps clients at their backend"},
    {"downinter", 1, "checks come at one interval"},
    {"fastinter", 1, "checks come at one interval"},
    {"init-addr", 1, "names are not looked up at start"},
    {"init-state", 1, "initial_status of the health check says it for all backends"},
    {"maxqueue", 1, "connections over a limit are not queued: clients try again"},
    {"minconn", 1, "the limit is the same at every load"},
    {"observe", 1, "what comes of real connections is not looked at by checks"},
    {"error-limit", 1, "what comes of real connections is not looked at by checks"},
    {"on-error", 1, "what comes of real connections is not looked at by checks"},
    {"on-marked-down", 1, "connections of a backend that is down live until an end closes them"},
    {"on-marked-up", 1, "connections stay where they are"},
    {"proto", 1, "HTTP is not looked into"},
    {"redir", 1, "HTTP is not looked into"},
    {"resolvers", 1, "use discovery kind \"dns\""},
    {"send-proxy-v2-ssl", 0, "TLS is not ended here, so a header has nothing to say of it"},
    {"send-proxy-v2-ssl-cn", 0, "TLS is not ended here, so a header has nothing to say of it"},
    {"proxy-v2-options", 1, "headers have the addresses alone"},
    {"set-proxy-v2-tlv-fmt", 1, "headers have the addresses alone"},
    {"shard", 1, "look whether it matters"},
    {"socks4", 1, "connections go straight to the backend"},
    {"source", 1, "write addresses into [snat.NAME]; for the client's own address mode = \"nat\""},
    {"interface", 1, "routes decide"},
    {"namespace", 1, "start both daemons in the namespace with ip netns exec"},
    {"tcp-ut", 1, "backend_idle_timeout ends silent connections"},
    {"track", 1, "each backend is checked for itself"},
    {"usesrc", 1, "write mode = \"nat\" for the client's own address"},
    {"ws", 1, "HTTP is not looked into"},
};

// Words with a number; false: it is none of them.
bool read_number(std::string_view word, std::string_view value, uint32_t line, HaproxyServer& server,
                 Complaints& complaints) {
  uint64_t port = 0;
  uint64_t* to = word == "weight"    ? &server.weight
                 : word == "maxconn" ? &server.connections_max
                 : word == "rise"    ? &server.rise
                 : word == "fall"    ? &server.fall
                 : word == "port"    ? &port
                                     : nullptr;
  if (to == nullptr) return false;
  const std::optional<uint64_t> number = config::parse_decimal(value, word == "port" ? UINT16_MAX : UINT32_MAX);
  if (!number)
    complaints.add(line, quote(word) + " without a number", "write one");
  else
    *to = *number;
  if (word == "port") server.check_port = static_cast<uint16_t>(port);
  return true;
}

bool read_time(std::string_view word, std::string_view value, uint32_t line, HaproxyServer& server,
               Complaints& complaints) {
  if (word != "inter" && word != "slowstart") return false;
  const std::optional<uint64_t> ms = haproxy_time_ms(value);
  if (!ms || *ms == 0)
    complaints.add(line, quote(word) + " without a time", "write one");
  else
    (word == "inter" ? server.inter_ms : server.slow_start_ms) = *ms;
  return true;
}

// Words alone; false: it is none of them.
bool read_flag(std::string_view word, HaproxyServer& server) {
  if (word == "check")
    server.check = true;
  else if (word == "backup")
    server.backup = true;
  else if (word == "disabled")
    server.disabled = true;
  else if (word == "ssl")
    server.tls = true;
  else if (word == "check-ssl")
    server.check_tls = true;
  else if (word == "send-proxy")
    server.proxy_protocol = ProxyProtocol::v1;
  else if (word == "send-proxy-v2")
    server.proxy_protocol = ProxyProtocol::v2;
  else if (word == "no-check")
    server.check = false;
  else
    return false;
  return true;
}

}  // namespace

void read_server_words(const HaproxyLine& line, size_t at, HaproxyServer& server, Complaints& complaints) {
  for (size_t i = at; i < line.words.size(); ++i) {
    const std::string_view word = line.word(i);
    const std::string_view value = line.word(i + 1);
    if (read_flag(word, server)) continue;
    if (read_number(word, value, line.line, server, complaints) ||
        read_time(word, value, line.line, server, complaints)) {
      ++i;
    } else if (word == "verify") {
      server.verify = value != "none";
      ++i;
    } else if (word == "ca-file" || word == "check-sni") {
      (word == "ca-file" ? server.ca_file : server.check_name) = value;
      ++i;
    } else if (const auto row = std::ranges::find(kWords, word, &WordRow::word); row != std::end(kWords)) {
      if (!row->instead.empty() && !(server.tls && row->instead == kTls))
        complaints.add(line.line, quote(word) + " of a server", std::string(row->instead));
      i += row->values;
    } else {
      complaints.add(line.line, quote(word) + " of a server is not known", "look whether it matters");
    }
  }
}

std::optional<Endpoint> server_endpoint(const HaproxyServer& server, uint16_t port, Complaints& complaints) {
  std::string_view text = server.address;
  for (const std::string_view family : {"ipv4@", "ipv6@", "tcp@", "tcp4@", "tcp6@"})
    if (text.starts_with(family)) text.remove_prefix(family.size());
  const size_t colon = text.rfind(':');
  const bool has_port = colon != std::string_view::npos && !text.ends_with(']');  // also without brackets
  const std::optional<IpAddr> addr = read_address(has_port ? text.substr(0, colon) : text, server.line, complaints);
  if (!addr) return std::nullopt;
  const std::string_view digits = has_port ? text.substr(colon + 1) : std::string_view();
  if (digits.starts_with('+') || digits.starts_with('-') || (digits.empty() && port == 0)) {
    complaints.add(server.line, quote(server.address) + " has a port that depends on the client's",
                   "write a service for each port");
    return std::nullopt;
  }
  if (digits.empty()) return Endpoint{*addr, Be16::from_host(port)};
  const std::optional<uint16_t> own = read_port(digits, server.line, complaints);
  if (!own) return std::nullopt;
  return Endpoint{*addr, Be16::from_host(*own)};
}

}  // namespace millrace::importing
