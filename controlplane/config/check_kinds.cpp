// check_kinds.cpp: the keys of [servers.NAME.healthcheck] that one kind of check has.
#include <algorithm>

#include "controlplane/config/escapes.h"
#include "controlplane/config/tables.h"
#include "controlplane/config/text_file.h"

namespace millrace::config {

namespace {

constexpr size_t kCommandWordsMax = 64;
constexpr size_t kOutputBytesMax = 4096;  // of a command that is expected: more is not read
constexpr size_t kHeaderTextMax = 1024;

// Bytes with escapes; nothing after reporting what is wrong with them, or that there are none.
std::string read_bytes(TableReader& table, std::string_view key) {
  if (!table.has(key)) table.report_missing(key, "write what to send and what to expect, such as 'PING\\r\\n'");
  const std::optional<Text> text = table.read_text(key);
  if (!text) return {};
  Parsed<std::string> bytes = parse_escapes(text->text);
  if (!bytes.value)
    table.errors().add(text->origin, std::move(bytes.problem), std::move(bytes.remedy));
  else if (bytes.value->empty() || bytes.value->size() > kAnswerBytesMax)
    table.errors().add(text->origin, bytes.value->empty() ? "is empty" : "is too long",
                       "write 1 to " + std::to_string(kAnswerBytesMax) + " bytes");
  return std::move(bytes.value).value_or("");
}

// Without characters that would end a line of the request, or `unfit`.
std::optional<std::string> read_header_text(TableReader& table, std::string_view key, std::string_view remedy) {
  std::optional<Text> text = table.read_text(key);
  if (!text) return std::nullopt;
  const bool fits = !text->text.empty() && text->text.size() <= kHeaderTextMax &&
                    std::ranges::all_of(text->text, [](char c) { return c > ' ' && c < 0x7f; });
  if (!fits) {
    table.errors().add(text->origin, quote(text->text) + " cannot stand in a request", std::string(remedy));
    return std::nullopt;
  }
  return std::move(text->text);
}

void read_probe_strategy(TableReader& table, ProbeCheck& probe) {
  static constexpr Choice<bool> kStrategies[] = {{"starts_with", false}, {"regexp", true}};
  const std::optional<bool> regexp =
      table.has("probe_strategy") ? table.read_choice("probe_strategy", kStrategies) : std::optional(false);
  const std::optional<uint64_t> length = table.read_integer("probe_recv_len", 0, kAnswerBytesMax);
  if (!regexp) return table.ignore("probe_recv");
  if (!*regexp) {
    probe.starts_with = read_bytes(table, "probe_recv");
    probe.answer_bytes = static_cast<uint32_t>(probe.starts_with.size());
    if (length.value_or(0) != 0)
      table.errors().add(table.origin_of("probe_recv_len"),
                         "is for the strategy \"regexp\": \"starts_with\" reads as many bytes as it expects",
                         "remove it, or write probe_strategy = \"regexp\"");
    return;
  }
  if (!table.has("probe_recv")) table.report_missing("probe_recv", "write the regular expression of a good answer");
  if (const std::optional<Text> text = table.read_text("probe_recv"))
    probe.matches = compile_pattern(*text, table.errors());
  probe.answer_bytes = static_cast<uint32_t>(length.value_or(0));
  if (!table.has("probe_recv_len") || length == 0u)
    table.errors().add(table.origin_of("probe_recv_len"), "must say how many bytes of an answer the regexp is for",
                       "write probe_recv_len = 64, at most " + std::to_string(kAnswerBytesMax));
}

void read_probe(TableReader& table, HealthcheckConfig& check) {
  static constexpr Choice<ProbeProtocol> kProtocols[] = {
      {"tcp", ProbeProtocol::tcp}, {"udp", ProbeProtocol::udp}, {"tls", ProbeProtocol::tls}};
  if (!table.has("probe_protocol")) table.report_missing("probe_protocol", "write \"tcp\", \"udp\" or \"tls\"");
  check.probe.protocol = table.read_choice("probe_protocol", kProtocols).value_or(ProbeProtocol::tcp);
  check.probe.send = read_bytes(table, "probe_send");
  read_probe_strategy(table, check.probe);
  check.tls.enabled = check.probe.protocol == ProbeProtocol::tls;
}

std::string read_output(TableReader& table, std::string_view key) {
  std::optional<Text> text = table.read_text(key);
  if (!text) return {};
  if (text->text.size() > kOutputBytesMax)
    table.errors().add(text->origin, "is longer than what is read of an output",
                       "write at most " + std::to_string(kOutputBytesMax) + " bytes");
  return std::move(text->text);
}

void read_exec(TableReader& table, ExecCheck& exec) {
  bool complete = true;
  for (Text& word : table.read_texts("exec_command", "[\"/usr/local/bin/check\", \"--fast\"]", complete)) {
    if (word.text.find('\0') != std::string::npos || (exec.command.empty() && word.text.empty()))
      table.errors().add(word.origin, quote(word.text) + " is no part of a command",
                         "write a program, and its first arguments if it takes any");
    exec.command.push_back(std::move(word.text));
  }
  if (exec.command.size() > kCommandWordsMax)
    table.errors().add(table.origin_of("exec_command"), "has too many words", "put them into a script");
  exec.positive_output = read_output(table, "exec_expected_positive_output");
  exec.negative_output = read_output(table, "exec_expected_negative_output");
  if (!exec.positive_output.empty() && exec.positive_output == exec.negative_output)
    table.errors().add(table.origin_of("exec_expected_negative_output"), "is the positive output too",
                       "write what the command prints for a backend that is not well");
}

std::optional<StatusRange> parse_status_range(std::string_view text) {
  const Parsed<PortRange> range = parse_port_range(text);
  if (!range.value || range.value->first < 100 || range.value->last > 599) return std::nullopt;
  return StatusRange{range.value->first, range.value->last};
}

void read_http_expect(TableReader& table, HttpCheck& http) {
  bool complete = true;
  const std::vector<Text> ranges = table.read_texts("http_expect", complete);
  if (!table.has("http_expect")) return;
  http.expect.clear();
  for (const Text& range : ranges) {
    if (const std::optional<StatusRange> parsed = parse_status_range(range.text))
      http.expect.push_back(*parsed);
    else
      table.errors().add(range.origin, quote(range.text) + " is not a range of status codes",
                         "write codes from 100 to 599, such as \"200-299\" or [\"200\", \"401\"]");
  }
  if (ranges.empty() && complete)
    table.errors().add(table.origin_of("http_expect"), "is empty", "write what is good, such as \"200-399\"");
}

void read_http(TableReader& table, HealthcheckConfig& check) {
  static constexpr Choice<std::string_view> kMethods[] = {{"GET", "GET"}, {"HEAD", "HEAD"}, {"OPTIONS", "OPTIONS"}};
  static constexpr char kPath[] = "write what follows the host in a URL, percent-encoded: \"/health?full=1\"";
  HttpCheck& http = check.http;
  http.method = table.read_choice("http_method", kMethods).value_or("GET");
  if (const std::optional<std::string> path = read_header_text(table, "http_path", kPath)) {
    if (path->front() != '/')
      table.errors().add(table.origin_of("http_path"), quote(*path) + " does not begin with /", kPath);
    http.path = *path;
  }
  http.host = read_header_text(table, "http_host", "write a name, such as \"www.example.com\"").value_or("");
  read_http_expect(table, http);
  if (const std::optional<Text> text = table.read_text("http_body_contains")) http.body_contains = text->text;
  if (const std::optional<Text> text = table.read_text("http_body_regexp"))
    http.body_matches = compile_pattern(*text, table.errors());
  for (const char* key : {"http_body_contains", "http_body_regexp"})
    if (http.method == "HEAD" && table.has(key))
      table.errors().add(table.origin_of(key), "looks at a body, but an answer to HEAD has none",
                         "write http_method = \"GET\"");
  const std::optional<Text> kind = table.read_text("kind");
  check.tls.enabled = kind && kind->text == "https";
}

void read_grpc(TableReader& table, HealthcheckConfig& check) {
  check.grpc_service =
      read_header_text(table, "grpc_service", "write the full name of a service, such as \"shop.v1.Cart\"")
          .value_or("");
  check.tls.enabled = table.read_bool("grpc_tls").value_or(false);
}

void read_alpn(TableReader& table, CheckTls& tls) {
  bool complete = true;
  for (Text& name : table.read_texts("tls_alpn", complete)) {
    if (name.text.empty() || name.text.size() > 255)  // RFC 7301 section 3.1
      table.errors().add(name.origin, "is not the name of a protocol", "write one of 1 to 255 bytes, such as \"imap\"");
    tls.alpn.push_back(std::move(name.text));
  }
  if (tls.alpn.size() > 16)
    table.errors().add(table.origin_of("tls_alpn"), "has too many names", "write those that the backends speak");
}

void read_tls(TableReader& table, HealthcheckConfig& check) {
  if (!check.tls.enabled) {
    for (const char* key : {"tls_verify", "tls_ca", "tls_server_name", "tls_alpn"})
      table.refuse(key, "is for checks by TLS",
                   "remove it, or write kind = \"https\", probe_protocol = \"tls\" or grpc_tls = true");
    return;
  }
  check.tls.verify = table.read_bool("tls_verify").value_or(true);
  check.tls.ca = table.read_path("tls_ca").value_or("");
  check.tls.server_name =
      read_header_text(table, "tls_server_name", "write a name, such as \"www.example.com\"").value_or("");
  if (check.kind == CheckKind::probe)
    read_alpn(table, check.tls);
  else
    table.refuse("tls_alpn", "is for probes: \"https\" offers http/1.1, \"grpc\" h2", "remove it");
  if (check.tls.ca.empty()) return;
  const TextFile file = read_regular_file(check.tls.ca);
  if (!file.text || file.text->find("-----BEGIN ") == std::string::npos)
    table.errors().add(table.origin_of("tls_ca"),
                       quote(check.tls.ca) + " " + (file.text ? "holds no certificate" : file.problem),
                       "name a file of PEM certificates, or remove the key to use the system's");
}

// Keys that quietly did nothing would mislead. gobetween's own do so there too, and stand in files that ran.
void refuse_keys_of_others(TableReader& table, CheckKind kind) {
  if (kind != CheckKind::probe) table.ignore_prefix("probe_");
  if (kind != CheckKind::exec) table.ignore_prefix("exec_");
  if (kind != CheckKind::http)
    for (const char* key :
         {"http_method", "http_path", "http_host", "http_expect", "http_body_contains", "http_body_regexp"})
      table.refuse(key, "is of kind \"http\" or \"https\"", "write one of these kinds, or remove the key");
  if (kind != CheckKind::grpc)
    for (const char* key : {"grpc_service", "grpc_tls"})
      table.refuse(key, "is of kind \"grpc\"", "write kind = \"grpc\", or remove the key");
}

}  // namespace

void read_check_kind(TableReader& table, HealthcheckConfig& healthcheck) {
  if (healthcheck.kind == CheckKind::probe) read_probe(table, healthcheck);
  if (healthcheck.kind == CheckKind::exec) read_exec(table, healthcheck.exec);
  if (healthcheck.kind == CheckKind::http) read_http(table, healthcheck);
  if (healthcheck.kind == CheckKind::grpc) read_grpc(table, healthcheck);
  refuse_keys_of_others(table, healthcheck.kind);
  read_tls(table, healthcheck);
}

}  // namespace millrace::config
