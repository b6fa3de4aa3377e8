// haproxy_checks.cpp: option httpchk, tcp-check and their kin, and the words of servers about checks.
#include <algorithm>

#include "controlplane/config/byte_pattern.h"
#include "controlplane/config/error_text.h"
#include "controlplane/config/values.h"
#include "controlplane/import/haproxy_proxy.h"

namespace millrace::importing {

namespace {

using config::quote;

constexpr size_t kProbeBytesMax = 4096;  // far less than the loader takes, far more than a check says
constexpr size_t kHeaderTextMax = 1024;

// Bytes as probe_send and probe_recv have them, in TOML.
std::string probe_bytes(std::string_view bytes) {
  constexpr char kHex[] = "0123456789abcdef";
  std::string escaped;
  for (const unsigned char c : bytes) {
    if (c == '\r' || c == '\n' || c == '\t' || c == '\\') {
      escaped += '\\';
      escaped += c == '\r' ? 'r' : c == '\n' ? 'n' : c == '\t' ? 't' : '\\';
    } else if (c >= ' ' && c < 0x7f) {
      escaped += static_cast<char>(c);
    } else {
      escaped += "\\x";
      escaped += kHex[c >> 4];
      escaped += kHex[c & 0xf];
    }
  }
  return toml_string(escaped);
}

bool is_header_text(std::string_view text) {
  return !text.empty() && text.size() <= kHeaderTextMax &&
         std::ranges::all_of(text, [](char c) { return c > ' ' && c < 0x7f; });
}

void set_key(DraftCheck& check, std::string key, std::string value) {
  std::erase_if(check.keys, [&](const auto& other) { return other.first == key; });
  check.keys.emplace_back(std::move(key), std::move(value));
}

void set_probe(DraftCheck& check, std::string_view send, std::string_view receive) {
  check.kind = "probe";
  set_key(check, "probe_protocol", "\"tcp\"");
  set_key(check, "probe_send", probe_bytes(send));
  set_key(check, "probe_recv", probe_bytes(receive));
}

// Text to send, then text to expect: a probe. Anything else: a connection alone.
void read_tcp_rules(const HaproxyProxy& proxy, DraftCheck& check, Complaints& complaints) {
  std::string send, receive;
  for (const auto& shared : proxy.settings.check_rules) {
    const HaproxyLine& rule = *shared;
    if (rule.word(0) != "tcp-check") continue;
    const std::string_view what = rule.word(1);
    if ((what == "connect" && rule.words.size() == 2) || what == "comment") continue;
    if (what == "send" && receive.empty() && send.size() + rule.word(2).size() <= kProbeBytesMax) {
      send += rule.word(2);
    } else if (what == "expect" && rule.word(2) == "string" && receive.empty() && !rule.word(3).empty() &&
               rule.word(3).size() <= kProbeBytesMax) {
      receive = rule.word(3);
    } else {
      complaints.add(rule.line, "this step of a check by TCP: the backend is asked for a connection alone",
                     "write kind = \"probe\" with what to send and what to expect, or kind = \"exec\"");
      return;
    }
  }
  if (send.empty() && receive.empty()) return;
  if (!send.empty() && !receive.empty()) return set_probe(check, send, receive);
  complaints.add(check.line,
                 "a check that " + std::string(send.empty() ? "only listens" : "only sends") +
                     ": the backend is asked for a connection alone",
                 "write kind = \"probe\", which sends and expects, or kind = \"exec\"");
}

// "GET", "/health", "HTTP/1.1\r\nHost: www"
void read_request(std::string_view method, std::string_view path, std::string_view version, DraftCheck& check,
                  uint32_t line, Complaints& complaints) {
  if (method == "GET" || method == "HEAD" || method == "OPTIONS")
    set_key(check, "http_method", toml_string(method));
  else
    complaints.add(line, "the method " + quote(method), "GET, HEAD and OPTIONS are known");
  if (is_header_text(path) && path.starts_with('/')) set_key(check, "http_path", toml_string(path));
  for (size_t at = version.find("\r\n"); at != std::string_view::npos;) {
    version.remove_prefix(at + 2);
    at = version.find("\r\n");
    const std::string_view header = version.substr(0, at);
    const size_t colon = header.find(':');
    std::string_view value = colon == std::string_view::npos ? "" : header.substr(colon + 1);
    value.remove_prefix(std::min(value.find_first_not_of(' '), value.size()));
    if ((header.starts_with("Host:") || header.starts_with("host:")) && is_header_text(value))
      set_key(check, "http_host", toml_string(value));
    else if (!header.empty())
      complaints.add(line, "the header " + quote(header) + " of a check", "only Host is sent");
  }
}

void read_send(const HaproxyLine& rule, DraftCheck& check, Complaints& complaints) {
  for (size_t i = 2; i < rule.words.size(); ++i) {
    const std::string_view word = rule.word(i);
    const std::string_view value = rule.word(i + 1);
    if (word == "meth")
      read_request(value, "", "", check, rule.line, complaints), ++i;
    else if (word == "uri" && is_header_text(value) && value.starts_with('/'))
      set_key(check, "http_path", toml_string(value)), ++i;
    else if (word == "ver")
      ++i;
    else if (word == "hdr" && (value == "Host" || value == "host") && is_header_text(rule.word(i + 2)))
      set_key(check, "http_host", toml_string(rule.word(i + 2))), i += 2;
    else
      return complaints.add(rule.line, quote(word) + " of a check by HTTP", "method, path and Host are sent");
  }
}

bool is_status_list(std::string_view text) {
  const auto range = config::parse_port_range(text);  // "200" or "200-299", as ports are written
  return range.value && range.value->first >= 100 && range.value->last <= 599;
}

void read_expect(const HaproxyLine& rule, DraftCheck& check, Complaints& complaints) {
  const std::string_view what = rule.word(2);
  const std::string_view value = rule.word(3);
  if (what == "status" && is_status_list(value))
    set_key(check, "http_expect", toml_string(value));
  else if (what == "string" && is_printable(value) && !value.empty())
    set_key(check, "http_body_contains", toml_string(value));
  else if (what == "rstring" && is_printable(value) && !value.empty() && config::BytePattern::compile(value).pattern)
    set_key(check, "http_body_regexp", toml_string(value));
  else
    complaints.add(rule.line, "what a check expects: " + quote(what), "see http_expect and http_body_regexp");
}

void read_http_rules(const HaproxyProxy& proxy, DraftCheck& check, Complaints& complaints) {
  const HaproxyLine& option = *proxy.settings.check;
  check.kind = "http";
  check.line = option.line;
  if (option.words.size() == 3)  // the path alone
    read_request("OPTIONS", option.word(2), "", check, option.line, complaints);
  else if (option.words.size() > 3)
    read_request(option.word(2), option.word(3), option.word(4), check, option.line, complaints);
  else
    read_request("OPTIONS", "/", "", check, option.line, complaints);
  for (const auto& shared : proxy.settings.check_rules) {
    const HaproxyLine& rule = *shared;
    if (rule.word(0) != "http-check" || rule.word(1) == "comment" || rule.word(1) == "disable-on-404") continue;
    if (rule.word(1) == "send")
      read_send(rule, check, complaints);
    else if (rule.word(1) == "expect")
      read_expect(rule, check, complaints);
    else if (rule.word(1) != "connect" || rule.words.size() > 2)
      complaints.add(rule.line, "http-check " + quote(rule.word(1)), "one request and one answer are a check");
  }
  const std::pair<std::string, std::string> head("http_method", "\"HEAD\"");
  if (std::ranges::find(check.keys, head) != check.keys.end() &&
      std::erase_if(check.keys, [](const auto& key) { return key.first.starts_with("http_body"); }) != 0)
    complaints.add(check.line, "what a check by HEAD expects of a body", "answers to HEAD have none: ask by GET");
}

void read_tls(const HaproxyServer& server, DraftCheck& check, Complaints& complaints) {
  if (!server.check_tls) return;
  if (check.kind != "http")
    return complaints.add(server.line, "TLS of a check that is no check by HTTP",
                          "write kind = \"probe\" with probe_protocol = \"tls\"");
  check.kind = "https";
  if (!server.verify)
    set_key(check, "tls_verify", "false");
  else if (!server.ca_file.empty())
    complaints.add(server.line, "ca-file " + quote(server.ca_file) + " of a check",
                   "write tls_ca, with the whole path");
  if (is_header_text(server.check_name)) set_key(check, "tls_server_name", toml_string(server.check_name));
}

}  // namespace

std::optional<DraftCheck> haproxy_check(const HaproxyProxy& proxy, Complaints& complaints) {
  const auto checked = std::ranges::find(proxy.servers, true, &HaproxyServer::check);
  if (checked == proxy.servers.end()) return std::nullopt;
  const HaproxyServer& server = *checked;
  DraftCheck check{.line = server.line, .kind = "ping"};
  const std::string_view option = proxy.settings.check ? proxy.settings.check->word(1) : std::string_view();
  if (option == "httpchk")
    read_http_rules(proxy, check, complaints);
  else if (option == "redis-check")
    set_probe(check, "PING\r\n", "+PONG");
  else if (!option.empty() && option != "tcp-check")
    complaints.add(proxy.settings.check->line,
                   "option " + quote(option) + ": backends are asked for a connection alone",
                   "write kind = \"probe\" or kind = \"exec\"");
  else if (option == "tcp-check")
    read_tcp_rules(proxy, check, complaints);
  read_tls(server, check, complaints);
  check.interval_ms = server.inter_ms;
  check.timeout_ms =
      proxy.settings.check_ms == 0 ? server.inter_ms : std::min(proxy.settings.check_ms, server.inter_ms);
  check.fails = server.fall;
  check.passes = server.rise;
  check.port = server.check_port;
  for (const HaproxyServer& other : proxy.servers) {
    if (other.check && (other.inter_ms != server.inter_ms || other.fall != server.fall || other.rise != server.rise ||
                        other.check_port != server.check_port || other.check_tls != server.check_tls))
      complaints.add(other.line, "another check than that of line " + std::to_string(server.line),
                     "all backends of a service are asked alike; write a second service");
    if (!other.check)
      complaints.add(other.line, "a server without a check",
                     "all backends of a service are asked alike: so it is asked too");
  }
  return check;
}

}  // namespace millrace::importing
