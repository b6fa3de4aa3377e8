#include "controlplane/import/keepalived_checks.h"

#include <algorithm>
#include <charconv>

#include "controlplane/config/byte_pattern.h"
#include "controlplane/config/error_text.h"
#include "controlplane/config/values.h"

namespace millrace::importing {

namespace {

using config::quote;

constexpr size_t kCommandWordsMax = 64;  // as the loader has it
constexpr size_t kHeaderTextMax = 1024;

constexpr std::string_view kChecks[] = {"TCP_CHECK",  "HTTP_GET",  "SSL_GET",   "MISC_CHECK", "PING_CHECK",
                                        "SMTP_CHECK", "DNS_CHECK", "UDP_CHECK", "BFD_CHECK",  "FILE_CHECK"};

struct LeftOutRow {
  std::string_view check;
  std::string_view instead;
};
constexpr LeftOutRow kLeftOut[] = {
    {"SMTP_CHECK", "write kind = \"ping\", or kind = \"exec\" with a script that greets"},
    {"DNS_CHECK", "write kind = \"exec\" with a script that asks, or kind = \"probe\" with probe_protocol = \"udp\""},
    {"UDP_CHECK", "write kind = \"probe\" with probe_protocol = \"udp\", what to send and what to expect"},
    {"BFD_CHECK", "write kind = \"icmp\" with a short interval"},
    {"FILE_CHECK", "write kind = \"exec\" with a script that looks at the file"},
};

// Seconds, perhaps with a fraction.
std::optional<uint64_t> read_timer_ms(std::string_view text) {
  double seconds = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds, std::chars_format::fixed);
  if (error != std::errc{} || end != text.data() + text.size() || !(seconds >= 0) || seconds > 1e9) return std::nullopt;
  return static_cast<uint64_t>(seconds * 1000 + 0.5);
}

void read_timer(const Statement& statement, uint64_t& ms, Complaints& complaints) {
  if (const std::optional<uint64_t> read = read_timer_ms(statement.value()); read && *read != 0)
    ms = *read;
  else
    complaints.add(statement.line, quote(statement.name()) + " without a time", "write seconds");
}

bool is_header_text(std::string_view text) {
  return !text.empty() && text.size() <= kHeaderTextMax &&
         std::ranges::all_of(text, [](char c) { return c > ' ' && c < 0x7f; });
}

std::string expect_list(const Statement& statement, Complaints& complaints) {
  std::string list;
  for (size_t i = 0; !statement.value(i).empty(); ++i) {
    const auto range = config::parse_port_range(statement.value(i));  // "200" or "200-299", as ports are written
    if (range.value && range.value->first >= 100 && range.value->last <= 599)
      list += (list.empty() ? "" : ", ") + toml_string(statement.value(i));
    else
      complaints.add(statement.line, quote(statement.value(i)) + " is no range of status codes", "write it by hand");
  }
  return list.empty() ? "\"200-299\"" : "[" + list + "]";
}

void read_regex(const Statement& statement, DraftCheck& check, Complaints& complaints) {
  const std::string_view regex = statement.value();
  if (is_printable(regex) && config::BytePattern::compile(regex).pattern)
    check.keys.emplace_back("http_body_regexp", toml_string(regex));
  else
    complaints.add(statement.line, "the expression " + quote(regex), "write http_body_regexp in the syntax of RE2");
}

void read_url(const Statement& url, std::string_view virtualhost, DraftCheck& check, Complaints& complaints) {
  std::string expect = "\"200-299\"";
  std::string host(virtualhost);
  for (const Statement& part : url.block) {
    if (part.name() == "path" && is_header_text(part.value()) && part.value().starts_with('/'))
      check.keys.emplace_back("http_path", toml_string(part.value()));
    else if (part.name() == "status_code")
      expect = expect_list(part, complaints);
    else if (part.name() == "virtualhost")
      host = part.value();
    else if (part.name() == "regex")
      read_regex(part, check, complaints);
    else if (part.name() == "digest")
      complaints.add(part.line, "the digest of a page", "write http_body_contains or http_body_regexp");
    else
      complaints.add(part.line, quote(part.name()) + " of a URL", "look whether http_* keys of the check can say it");
  }
  check.keys.emplace_back("http_expect", expect);
  if (is_header_text(host)) check.keys.emplace_back("http_host", toml_string(host));
}

// The loader takes each key once; keepalived the last one.
void keep_last_of_each(DraftCheck& check) {
  std::vector<std::pair<std::string, std::string>> kept;
  for (const auto& key : check.keys) {
    std::erase_if(kept, [&](const auto& other) { return other.first == key.first; });
    kept.push_back(key);
  }
  check.keys = std::move(kept);
}

void read_http(const Statement& statement, const CheckDefaults& defaults, DraftCheck& check, Complaints& complaints) {
  check.kind = statement.name() == "SSL_GET" ? "https" : "http";
  if (check.kind == "https") check.keys.emplace_back("tls_verify", "false");  // keepalived does not look
  bool has_url = false;
  for (const Statement& part : statement.block) {
    if (part.name() != "url") continue;
    if (has_url) {
      complaints.add(part.line, "a second URL of a check", "one is asked for; write an exec check for both");
      continue;
    }
    has_url = true;
    read_url(part, defaults.virtualhost, check, complaints);
  }
  keep_last_of_each(check);
}

// Ours are told the address and port behind their arguments, so those that are there already go.
bool read_command(const Statement& statement, const Endpoint& endpoint, DraftCheck& check, Complaints& complaints) {
  check.kind = "exec";
  const auto path = std::ranges::find(statement.block, "misc_path", &Statement::name);
  std::vector<std::string_view> words;
  if (path != statement.block.end()) words = config::split_words(path->value());
  if (words.empty() || words.size() > kCommandWordsMax || !std::ranges::all_of(words, is_printable)) {
    complaints.add(statement.line, "a MISC_CHECK without a command that can be written down", "write kind = \"exec\"");
    return false;
  }
  const std::string port = std::to_string(endpoint.port.host());
  bool told_address = false;
  if (words.size() > 2 && words.back() == port && words[words.size() - 2] == format_ip(endpoint.addr)) {
    words.resize(words.size() - 2);
    told_address = true;
  } else if (words.size() > 1 && words.back() == format_ip(endpoint.addr)) {
    words.pop_back();
    told_address = true;
  }
  if (!told_address)
    complaints.add(path->line, "the command gets the backend's address and port as its last arguments",
                   "see that it can do with them");
  std::string command;
  for (const std::string_view word : words) command += (command.empty() ? "" : ", ") + toml_string(word);
  check.keys.emplace_back("exec_command", "[" + command + "]");
  return true;
}

// What all checks have, and the words of one kind that are read elsewhere.
void read_option(const Statement& part, DraftCheck& check, Complaints& complaints) {
  constexpr std::string_view kElsewhere[] = {"url",        "misc_path",        "delay_before_retry",
                                             "warmup",     "log_all_failures", "fast_recovery",
                                             "enable_sni", "http_protocol"};
  if (part.name() == "connect_port") {
    if (const std::optional<uint16_t> port = read_port(part.value(), part.line, complaints)) check.port = *port;
  } else if (part.name() == "misc_timeout") {
    read_timer(part, check.timeout_ms, complaints);
  } else if (part.name() == "misc_dynamic") {
    complaints.add(part.line, "weights by the exit status of a check",
                   "let the script call millctl weight SERVICE BACKEND N");
  } else if (std::ranges::find(kElsewhere, part.name()) == std::end(kElsewhere)) {
    complaints.add(part.line, quote(part.name()) + " of a check",
                   "look at the keys of health checks in "
                   "docs/configuration.md");
  }
}

}  // namespace

bool is_check(std::string_view name) { return std::ranges::find(kChecks, name) != std::end(kChecks); }

bool read_check_default(const Statement& statement, CheckDefaults& defaults, Complaints& complaints) {
  const std::string& name = statement.name();
  const auto number = [&] { return config::parse_decimal(statement.value(), UINT32_MAX); };
  if (name == "delay_loop")
    read_timer(statement, defaults.delay_loop_ms, complaints);
  else if (name == "connect_timeout")
    read_timer(statement, defaults.connect_timeout_ms, complaints);
  else if (name == "retry" || name == "nb_get_retry")
    defaults.retry = number();
  else if (name == "virtualhost")
    defaults.virtualhost = statement.value();
  else if (name == "alpha")
    defaults.alpha = statement.value() != "off" && statement.value() != "no" && statement.value() != "false";
  else
    return name == "delay_before_retry" || name == "warmup";  // each check has a delay of its own here
  return true;
}

std::optional<DraftCheck> read_check(const Statement& statement, const CheckDefaults& defaults,
                                     const Endpoint& endpoint, Complaints& complaints) {
  if (const auto row = std::ranges::find(kLeftOut, statement.name(), &LeftOutRow::check); row != std::end(kLeftOut)) {
    complaints.add(statement.line, statement.name() + ": without it the backends count as up",
                   std::string(row->instead));
    return std::nullopt;
  }
  CheckDefaults own = defaults;
  DraftCheck check{.line = statement.line};
  if (statement.name() == "MISC_CHECK") {
    own.connect_timeout_ms = 0;  // as long as the interval
    if (!read_command(statement, endpoint, check, complaints)) return std::nullopt;
  }
  for (const Statement& part : statement.block)
    if (!read_check_default(part, own, complaints)) read_option(part, check, complaints);
  if (statement.name() == "HTTP_GET" || statement.name() == "SSL_GET") read_http(statement, own, check, complaints);
  if (statement.name() == "TCP_CHECK") check.kind = "ping";
  if (statement.name() == "PING_CHECK") check.kind = "icmp";
  if (check.kind == "icmp") check.port = 0;
  check.interval_ms = own.delay_loop_ms;
  if (check.timeout_ms == 0) check.timeout_ms = own.connect_timeout_ms;
  check.timeout_ms = std::min(check.timeout_ms, check.interval_ms);  // keepalived's checks wait for each other
  const bool is_http = check.kind == "http" || check.kind == "https";
  check.fails = own.retry.value_or(is_http ? 3 : check.kind == "exec" ? 0 : 1) + 1;
  check.initially_down = own.alpha;
  return check;
}

}  // namespace millrace::importing
