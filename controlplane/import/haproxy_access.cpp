#include "controlplane/import/haproxy_access.h"

#include <algorithm>

#include "controlplane/config/error_text.h"
#include "controlplane/config/values.h"

namespace millrace::importing {

namespace {

using config::quote;

class AccessReader {
 public:
  AccessReader(DraftService& service, Draft& draft) : service_(service), draft_(draft), complaints_(draft.complaints) {}

  void read(const HaproxyLine& rule, const AccessLists& lists) {
    const std::string_view layer = rule.word(1);
    const std::string_view verdict = rule.word(2);
    if (layer == "inspect-delay") return read_delay(rule);
    if (verdict != "accept" && verdict != "reject" && verdict != "silent-drop")
      return complaints_.add(rule.line, "tcp-request " + quote(verdict.empty() ? layer : verdict),
                             verdict.starts_with("track-sc")
                                 ? "see source_connection_rate in docs/configuration.md"
                                 : "look whether docs/configuration.md has something like it");
    const bool denies = verdict != "accept";
    const Condition condition = lists.read(rule, 3);
    if (condition.asks_only(Asks::tls)) return;  // goes without saying where names are read
    if (closed_) return;                         // nobody gets here
    if (condition.always())
      close(denies);
    else if (!condition.asks_only(Asks::source) || !add_rules(condition, denies))
      complaints_.add(
          rule.line, "a rule that " + std::string(denies ? "rejects" : "accepts") + " clients",
          "write it into [servers.NAME.access], where addresses of clients decide, the first rule that holds "
          "one");
  }

  void finish() {
    service_.access_rules.insert(service_.access_rules.end(), only_.begin(), only_.end());
    if (!only_.empty()) service_.access_denies = true;
  }

 private:
  void read_delay(const HaproxyLine& rule) {
    if (service_.names) service_.names->read_timeout_ms = haproxy_time_ms(rule.word(2)).value_or(5000);
  }

  void close(bool denies) {
    closed_ = true;
    service_.access_denies = denies;
    if (denies) only_.clear();
  }

  // "reject unless A" lets A alone in, once the other rules have spoken.
  bool add_rules(const Condition& condition, bool denies) {
    const bool only = denies && condition.negated;
    if (condition.negated && !only) return false;
    if (!only_.empty() && (only || !denies)) return false;
    size_t count = draft_.access_rules;
    for (const auto& test : condition.tests) count += test->values.size();
    if (count > kAccessRuleMax) return false;
    std::vector<std::string> rules;
    for (const auto& test : condition.tests)
      for (const std::string& value : test->values) {
        const auto network = config::parse_network(value);
        if (!network.value) return false;
        rules.push_back((denies && !only ? "deny " : "allow ") + value);
      }
    draft_.access_rules = count;
    std::vector<std::string>& to = only ? only_ : service_.access_rules;
    to.insert(to.end(), rules.begin(), rules.end());
    return true;
  }

  DraftService& service_;
  Draft& draft_;
  Complaints& complaints_;
  std::vector<std::string> only_;
  bool closed_ = false;
};

std::string escaped_name(std::string_view name) {
  std::string escaped;
  for (const char c : name) {
    const bool plain =
        (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
    escaped += plain ? std::string(1, c) : c == '.' ? "[.]" : std::string("\\") + c;
  }
  return escaped;
}

std::string pattern_of(const Test& test, std::string_view value) {
  if (test.match == "reg") return std::string(value);
  const std::string name = escaped_name(value);
  if (test.match == "beg") return "^" + name;
  if (test.match == "end") return name + "$";
  return test.match == "sub" ? name : "^" + name + "$";
}

bool is_exact(const HaproxyRoute& route) {
  return std::ranges::all_of(route.names, [](const auto& test) { return test->match == "str"; });
}

constexpr size_t kNamesMax = 4096;  // of one backend; an expression has room for a few dozen

// The names of a backend in one place: the order of rules does not matter where names are exact or follow each other.
bool merge(std::vector<HaproxyRoute>& routes, const HaproxyRoute& route) {
  const auto known = std::ranges::find(routes, route.backend, &HaproxyRoute::backend);
  if (known == routes.end() || known->names.empty()) return false;
  const bool last = known + 1 == routes.end();
  if (known->names.size() + route.names.size() > kNamesMax) return false;
  if (!last && !(is_exact(*known) && is_exact(route))) return false;
  known->names.insert(known->names.end(), route.names.begin(), route.names.end());
  return true;
}

}  // namespace

void read_access(const HaproxyProxy& proxy, DraftService& service, Draft& draft) {
  AccessReader reader(service, draft);
  for (const HaproxyLine& rule : proxy.rules) reader.read(rule, proxy.lists);
  reader.finish();
}

std::vector<HaproxyRoute> read_routes(const HaproxyProxy& proxy, Complaints& complaints) {
  std::vector<HaproxyRoute> routes;
  std::optional<HaproxyRoute> others;
  for (const HaproxyLine& line : proxy.use_backends) {
    HaproxyRoute route{line.line, std::string(line.word(1)), {}};
    if (line.word(0) == "default_backend") {
      if (!others) others = route;
      continue;
    }
    Condition condition = proxy.lists.read(line, 2);
    if (condition.always()) {
      others = route;
      break;  // nobody gets further
    }
    if (!condition.asks_only(Asks::server_name) || condition.negated) {
      complaints.add(
          line.line, "use_backend " + quote(route.backend) + " by something else than a server name",
          "write a service of its own for these clients; server names need mode = \"proxy\" and an sni table");
      continue;
    }
    route.names = std::move(condition.tests);
    const bool is_new = std::ranges::find(routes, route.backend, &HaproxyRoute::backend) == routes.end();
    if (is_new && routes.size() < kHostPatternMax)
      routes.push_back(std::move(route));
    else if (is_new)
      complaints.add(line.line, "use_backend " + quote(route.backend) + ": more backends by name than are possible",
                     "split the names over several services");
    else if (!merge(routes, route))
      complaints.add(line.line, "a second rule for the backend " + quote(route.backend) + " behind those of others",
                     "add its names to sni= by hand: the first expression that matches decides");
  }
  if (others) routes.push_back(std::move(*others));
  return routes;
}

bool needs_regexp(const HaproxyRoute& route) {
  return !route.names.empty() &&
         (!is_exact(route) || route.names.size() != 1 || route.names.front()->values.size() != 1);
}

std::string host_of(const HaproxyRoute& route, bool regexp) {
  std::string host;
  size_t count = 0;
  for (const auto& test : route.names)
    for (const std::string& value : test->values) {
      if (host.size() > kHostPatternBytes) return host;  // is refused for its length
      host += (count++ == 0 ? "" : "|") + (regexp ? pattern_of(*test, value) : value);
    }
  if (!regexp)  // names are compared in lower case; an expression looks at no case in any event
    std::ranges::transform(host, host.begin(),
                           [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return host;
}

}  // namespace millrace::importing
