#include "controlplane/import/haproxy_proxy.h"

#include <algorithm>

#include "controlplane/config/error_text.h"
#include "controlplane/config/values.h"

namespace millrace::importing {

namespace {

using config::quote;

struct InsteadRow {
  std::string_view word;
  std::string_view instead;
};
constexpr InsteadRow kLeftOut[] = {
    {"server-template", "use discovery kind \"dns\" or \"srv\""},
    {"stick-table", "balance = \"iphash1\" keeps clients at their backend"},
    {"stick", "balance = \"iphash1\" keeps clients at their backend"},
    {"source", "write addresses into [snat.NAME]; for the client's own address mode = \"nat\""},
    {"fullconn", "limits are the same at every load"},
    {"tcp-response", "answers are not looked into"},
    {"external-check", "write kind = \"exec\""},
    {"dispatch", "write a server"},
    {"use-server", "write a service for these clients"},
    {"email-alert", "watch the log or the API for changes of state"},
    {"filter", "nothing looks into connections here"},
    {"bind-process", "workers stand in [dataplane]"},
    {"force-persist", "HTTP is not looked into"},
    {"ignore-persist", "HTTP is not looked into"},
};
// Log, statistics and HTTP, which mean nothing for what packets do.
constexpr std::string_view kQuiet[] = {"log",
                                       "log-format",
                                       "log-tag",
                                       "description",
                                       "id",
                                       "retries",
                                       "no",
                                       "errorfile",
                                       "errorfiles",
                                       "stats",
                                       "http-request",
                                       "http-response",
                                       "http-reuse",
                                       "compression",
                                       "cookie",
                                       "capture",
                                       "monitor-uri",
                                       "unique-id-format",
                                       "retry-on",
                                       "hash-balance-factor",
                                       "error-log-format",
                                       "log-format-sd",
                                       "http-error",
                                       "backlog",
                                       "declare",
                                       "redirect",
                                       "http-after-response",
                                       "load-server-state-from-file",
                                       "enabled",
                                       "max-keep-alive-queue",
                                       "persist",
                                       "errorloc",
                                       "errorloc302",
                                       "errorloc303"};

constexpr std::string_view kCheckOptions[] = {"httpchk",        "tcp-check",   "ssl-hello-chk", "smtpchk",
                                              "mysql-check",    "pgsql-check", "redis-check",   "ldap-check",
                                              "external-check", "spop-check"};
constexpr InsteadRow kOptionsLeftOut[] = {
    {"transparent", "write mode = \"nat\" for the client's own address"},
    {"nolinger", "nothing ends a connection before its ends do"},
    {"abortonclose", "nothing is queued"},
};

constexpr size_t kCheckRulesMax = 64;

void read_time(const HaproxyLine& line, size_t at, uint64_t& ms, Complaints& complaints) {
  if (const std::optional<uint64_t> read = haproxy_time_ms(line.word(at)))
    ms = *read;
  else
    complaints.add(line.line, quote(line.word(at)) + " is no time", "write one, such as 30s");
}

void read_timeout(const HaproxyLine& line, HaproxySettings& settings, Complaints& complaints) {
  const std::string_view which = line.word(1);
  uint64_t* to = which == "client"    ? &settings.client_ms
                 : which == "server"  ? &settings.server_ms
                 : which == "tunnel"  ? &settings.tunnel_ms
                 : which == "connect" ? &settings.connect_ms
                 : which == "check"   ? &settings.check_ms
                                      : nullptr;
  if (to != nullptr)
    read_time(line, 2, *to, complaints);
  else if (which == "queue")
    complaints.add(line.line, "timeout queue", "connections over a limit are not queued: clients try again");
  else if (which == "client-fin" || which == "server-fin")
    complaints.add(line.line, "timeout " + std::string(which),
                   "[timeouts] fin_wait is for both sides, of all services");
}

void read_option(const HaproxyLine& line, HaproxySettings& settings, Complaints& complaints) {
  const std::string_view which = line.word(1);
  const auto row = std::ranges::find(kOptionsLeftOut, which, &InsteadRow::word);
  if (std::ranges::find(kCheckOptions, which) != std::end(kCheckOptions)) {
    settings.check = std::make_shared<HaproxyLine>(line);
    settings.check_rules.clear();
  } else if (which == "redispatch") {
    settings.redispatch = true;
  } else if (which == "allbackups") {
    settings.all_backups = true;
  } else if (row != std::end(kOptionsLeftOut)) {
    complaints.add(line.line, "option " + std::string(which), std::string(row->instead));
  }  // the others are of HTTP, of the log or of sockets
}

void read_count(const HaproxyLine& line, size_t at, uint64_t& count, Complaints& complaints) {
  if (const std::optional<uint64_t> read = config::parse_decimal(line.word(at), UINT32_MAX))
    count = *read;
  else
    complaints.add(line.line, quote(line.word(at)) + " is no number", "write one");
}

// False: it is no setting.
bool read_setting(const HaproxyLine& line, HaproxySettings& settings, Complaints& complaints) {
  const std::string_view word = line.word(0);
  if (word == "mode") {
    settings.http = line.word(1) != "tcp";
  } else if (word == "balance") {
    settings.balance = line.word(1);
    settings.balance_line = line.line;
  } else if (word == "hash-type") {
    settings.consistent_hash = line.word(1) == "consistent";
  } else if (word == "timeout") {
    read_timeout(line, settings, complaints);
  } else if (word == "option") {
    read_option(line, settings, complaints);
  } else if (word == "maxconn") {
    read_count(line, 1, settings.connections_max, complaints);
  } else if (word == "rate-limit" && line.word(1) == "sessions") {
    read_count(line, 2, settings.connection_rate, complaints);
  } else if (word == "default-server") {
    read_server_words(line, 1, settings.server, complaints);
  } else if (word == "tcp-check" || word == "http-check") {
    if (settings.check_rules.size() < kCheckRulesMax)
      settings.check_rules.push_back(std::make_shared<HaproxyLine>(line));
    else
      complaints.add(line.line, "a check of too many steps", "write kind = \"exec\"");
  } else {
    return false;
  }
  return true;
}

void read_line(const HaproxyLine& line, HaproxyProxy& proxy, Complaints& complaints) {
  const std::string_view word = line.word(0);
  const auto row = std::ranges::find(kLeftOut, word, &InsteadRow::word);
  if (read_setting(line, proxy.settings, complaints) || std::ranges::find(kQuiet, word) != std::end(kQuiet)) return;
  if (word == "bind") {
    proxy.binds.push_back(line);
  } else if (word == "acl") {
    proxy.lists.add(line);
  } else if (word == "tcp-request") {
    proxy.rules.push_back(line);
  } else if (word == "use_backend" || word == "default_backend") {
    proxy.use_backends.push_back(line);
  } else if (word == "server") {
    HaproxyServer server = proxy.settings.server;
    server.line = line.line;
    server.name = line.word(1);
    server.address = line.word(2);
    read_server_words(line, 3, server, complaints);
    proxy.servers.push_back(std::move(server));
  } else if (row != std::end(kLeftOut)) {
    complaints.add(line.line, quote(word), std::string(row->instead));
  } else if (word != "disabled") {
    complaints.add(line.line, quote(word) + " is not known", "look whether it matters");
  }
}

}  // namespace

HaproxyProxy read_proxy(const HaproxySection& section, const HaproxySettings& settings, Complaints& complaints) {
  HaproxyProxy proxy{.head = section.head, .settings = settings, .lists = {}};
  for (const HaproxyLine& line : section.lines)
    if (line.word(0) == "mode") proxy.settings.http = line.word(1) != "tcp";
  if (proxy.settings.http && section.kind() != "defaults") return proxy;
  for (const HaproxyLine& line : section.lines) {
    if (line.word(0) == "disabled")
      complaints.add(line.line, "disabled: the section is carried over all the same", "take the service out");
    read_line(line, proxy, complaints);
  }
  return proxy;
}

}  // namespace millrace::importing
