// keepalived.cpp: from the virtual servers of keepalived.conf to services.
// Route:  import_keepalived > read_keepalived > VirtualServer::read > read_real_server > read_check
#include <algorithm>
#include <map>

#include "controlplane/config/error_text.h"
#include "controlplane/config/values.h"
#include "controlplane/import/ipvs_terms.h"
#include "controlplane/import/keepalived_checks.h"

namespace millrace::importing {

namespace {

using config::quote;

constexpr char kBgp[] =
    "the dataplane answers ARP and ND for virtual addresses itself; for several hosts let a BGP daemon (BIRD, FRR) "
    "announce them";

struct LeftOutRow {
  std::string_view name;
  std::string_view instead;
};
// At the top of a file.
constexpr LeftOutRow kTopLeftOut[] = {
    {"vrrp_instance", kBgp},
    {"vrrp_sync_group", kBgp},
    {"vrrp_script", kBgp},
    {"vrrp_track_process", kBgp},
    {"vrrp_track_file", kBgp},
    {"track_file", kBgp},
    {"track_bfd", kBgp},
    {"bfd_instance", "let the BGP daemon speak BFD"},
    {"static_ipaddress", "use ip address or the host's network configuration"},
    {"static_routes", "use ip route or the host's network configuration"},
    {"static_rules", "use ip rule or the host's network configuration"},
    {"net_namespace", "start both daemons in the namespace with ip netns exec"},
    {"linkbeat_use_polling", "remove it"},
};
// Of a virtual or real server.
constexpr LeftOutRow kServerLeftOut[] = {
    {"quorum", "every backend that is up is used, however few"},
    {"hysteresis", "every backend that is up is used, however few"},
    {"quorum_up", "watch the log or the API for changes of state"},
    {"quorum_down", "watch the log or the API for changes of state"},
    {"notify_up", "watch the log or the API for changes of state"},
    {"notify_down", "watch the log or the API for changes of state"},
    {"omega", "nothing happens to backends when millraced ends"},
    {"persistence_granularity", "each address is a client of its own"},
    {"persistence_engine", "datagrams are not looked into"},
    {"lthreshold", "a backend is used again as soon as it is below max_connections"},
    {"sorry_server_lvs_method", "all backends of a service share its mode"},
    {"sh-fallback", "the hash passes over backends that are down in any case"},
    {"ip_family", "services of firewall marks are not carried over"},
};
// Without a meaning for what packets do.
constexpr std::string_view kQuiet[] = {"ha_suspend",           "smtp_alert",  "snmp_name",
                                       "sorry_server_inhibit", "mh-fallback", "inhibit_on_failure"};

struct Forwarding {
  Mode mode = Mode::nat;
  uint16_t gue_port = 0;
  bool operator==(const Forwarding&) const = default;
};

using Groups = std::map<std::string, std::vector<DraftBind>, std::less<>>;

void increment(IpAddr& addr) {
  for (size_t i = addr.bytes.size(); i-- > 0;)
    if (++addr.bytes[i] != 0) return;
}

// "192.168.200.1-10" with both addresses whole.
std::string whole_range(const std::string& text) {
  const size_t dash = text.find('-');
  if (dash == std::string::npos || text.find_first_of(".:", dash) != std::string::npos) return text;
  const size_t last_part = text.substr(0, dash).find_last_of(".:");
  if (last_part == std::string::npos) return text;
  return text.substr(0, dash + 1) + text.substr(0, last_part + 1) + text.substr(dash + 1);
}

// "10.0.0.1 80", "10.0.0.1-4 80", "10.0.0.0/30 80": the words from `at` on.
std::vector<DraftBind> addresses_of(const Statement& statement, size_t at, Complaints& complaints) {
  const uint32_t line = statement.line;
  const std::string address = at < statement.words.size() ? statement.words[at] : "";
  if (at + 1 >= statement.words.size() || statement.words[at + 1] == "0") {
    complaints.add(line, quote(address) + " for every port", "write a service for each port");
    return {};
  }
  const std::optional<uint16_t> port = read_port(statement.words[at + 1], line, complaints);
  if (!port) return {};
  if (address.find_first_of("-/") == std::string::npos) {
    const std::optional<IpAddr> addr = read_address(address, line, complaints);
    if (!addr) return {};
    return {{line, {*addr, Be16::from_host(*port)}}};
  }
  const auto range = config::parse_address_range(whole_range(address));
  if (!range.value) {
    complain_parsed(range, line, complaints);
    return {};
  }
  std::vector<DraftBind> binds;
  // One more than fits, so that it is noticed.
  for (IpAddr addr = range.value->first; addr <= range.value->last && binds.size() <= kBindPerServiceMax;
       increment(addr))
    binds.push_back({line, {addr, Be16::from_host(*port)}});
  return binds;
}

std::vector<DraftBind> read_group(const Statement& group, Complaints& complaints) {
  std::vector<DraftBind> binds;
  for (const Statement& member : group.block) {
    if (member.conditional)
      complaints.add(member.line, "the conditional address " + quote(member.name()), "take the condition out");
    else if (member.name() == "fwmark")
      complaints.add(member.line, "the firewall mark of a group", "write its addresses and ports as bind");
    else if (binds.size() <= kBindPerServiceMax)
      for (const DraftBind& bind : addresses_of(member, 0, complaints)) binds.push_back(bind);
  }
  return binds;
}

class VirtualServer {
 public:
  VirtualServer(const Statement& statement, const Groups& groups, Draft& draft)
      : statement_(statement), groups_(groups), draft_(draft), complaints_(draft.complaints) {}

  void read() {
    service_.line = statement_.line;
    for (const std::string& word : statement_.words) service_.origin += (service_.origin.empty() ? "" : " ") + word;
    if (!read_addresses()) return;
    for (const Statement& part : statement_.block) read_setting(part);
    service_.mode = forwarding_.mode;
    service_.gue_port = forwarding_.gue_port;
    if (service_.proto == Proto::tcp) service_.udp_requests_max = 0;
    for (const Statement& part : statement_.block) {
      if (part.conditional) continue;
      if (part.name() == "real_server") read_real_server(part);
      if (part.name() == "sorry_server") read_sorry_server(part);
    }
    name_service();
    apply_scheduler(scheduler_, service_, complaints_);
    for (DraftBackend& sorry : sorry_servers_) {
      for (const DraftBackend& backend : service_.backends) sorry.priority = std::max(sorry.priority, backend.priority);
      ++sorry.priority;
      draft_.add_backend(service_, std::move(sorry));
    }
    if (is_sctp_) return complaints_.add(service_.line, "a service of SCTP", "TCP and UDP are known");
    draft_.services.push_back(std::move(service_));
  }

 private:
  bool read_addresses() {
    const std::string_view first = statement_.value();
    if (first == "fwmark") {
      complaints_.add(statement_.line, "a virtual server of firewall mark " + quote(statement_.value(1)),
                      "write the addresses and ports that the mark is set for as bind");
      return false;
    }
    if (first != "group") {
      for (const DraftBind& bind : addresses_of(statement_, 1, complaints_)) draft_.add_bind(service_, bind);
      return !service_.binds.empty();
    }
    const auto found = groups_.find(statement_.value(1));
    if (found == groups_.end()) {
      complaints_.add(statement_.line, "there is no virtual_server_group " + quote(statement_.value(1)), "add it");
      return false;
    }
    for (const DraftBind& bind : found->second)
      if (!draft_.add_bind(service_, bind)) break;
    return true;
  }

  void read_setting(const Statement& part) {
    const std::string& name = part.name();
    if (part.conditional)
      complaints_.add(part.line, "the conditional line of " + quote(name), "take the condition out and import again");
    else if (name == "lb_algo" || name == "lvs_sched")
      scheduler_.name = part.value(), scheduler_.line = part.line;
    else if (name == "lb_kind" || name == "lvs_method")
      forwarding_ = read_forwarding(part).value_or(forwarding_);
    else if (name == "protocol")
      read_protocol(part);
    else if (name == "persistence_timeout")
      scheduler_.persistent = true;
    else if (name == "mh-port" || name == "sh-port" || name == "flag-2")
      scheduler_.hashes_ports = true;
    else if (name == "ops")
      service_.udp_requests_max = 1;
    else if (name != "real_server" && name != "sorry_server" && !read_check_default(part, defaults_, complaints_))
      leave_out(part);
  }

  void read_protocol(const Statement& part) {
    service_.proto = part.value() == "UDP" || part.value() == "udp" ? Proto::udp : Proto::tcp;
    is_sctp_ = part.value() == "SCTP" || part.value() == "sctp";
  }

  // TUN [type gue port N]
  std::optional<Forwarding> read_forwarding(const Statement& part) {
    const std::string_view kind = part.value();
    if (kind == "NAT") return Forwarding{Mode::nat, 0};
    if (kind == "DR") return Forwarding{Mode::dsr, 0};
    if (kind == "TUN" && part.value(1) == "type" && part.value(2) == "gue")
      return Forwarding{Mode::tunnel, read_port(part.value(4), part.line, complaints_).value_or(0)};
    if (kind == "TUN" && part.value(2) != "gre") return Forwarding{Mode::tunnel, 0};
    complaints_.add(part.line, "forwarding by " + quote(kind == "TUN" ? "GRE" : kind),
                    "choose a mode: nat, fullnat, dsr or tunnel");
    return std::nullopt;
  }

  void leave_out(const Statement& part) {
    if (std::ranges::find(kQuiet, part.name()) != std::end(kQuiet)) return;
    if (part.name() == "quorum" && part.value() == "1") return;
    const auto row = std::ranges::find(kServerLeftOut, part.name(), &LeftOutRow::name);
    complaints_.add(part.line, quote(part.name()),
                    row == std::end(kServerLeftOut) ? "look whether docs/configuration.md has something like it"
                                                    : std::string(row->instead));
  }

  std::optional<Endpoint> read_endpoint(const Statement& part) {
    const std::optional<IpAddr> addr = read_address(part.value(), part.line, complaints_);
    if (!addr) return std::nullopt;
    if (part.value(1).empty()) {
      if (!service_.binds.empty()) return Endpoint{*addr, service_.binds.front().endpoint.port};
      return std::nullopt;  // its service has gone
    }
    const std::optional<uint16_t> port = read_port(part.value(1), part.line, complaints_);
    if (!port) return std::nullopt;
    return Endpoint{*addr, Be16::from_host(*port)};
  }

  void read_real_server(const Statement& part) {
    const std::optional<Endpoint> endpoint = read_endpoint(part);
    if (!endpoint) return;
    DraftBackend backend{.line = part.line, .endpoint = *endpoint};
    CheckDefaults defaults = defaults_;
    std::vector<const Statement*> checks;
    for (const Statement& setting : part.block) {
      const std::string& name = setting.name();
      if (setting.conditional) {
        complaints_.add(setting.line, "the conditional line of " + quote(name),
                        "take the condition out and import again");
      } else if (name == "weight" || name == "uthreshold") {
        const std::optional<uint64_t> number = config::parse_decimal(setting.value(), UINT32_MAX);
        if (!number) complaints_.add(setting.line, quote(name) + " without a number", "write one");
        (name == "weight" ? backend.weight : backend.connections_max) = number.value_or(name == "weight" ? 1 : 0);
      } else if (name == "lb_kind" || name == "lvs_method") {
        if (read_forwarding(setting).value_or(forwarding_) != forwarding_)
          return complaints_.add(setting.line, "a real server with a way of forwarding of its own",
                                 "the backends of a service share one mode: write a second service");
      } else if (is_check(name)) {
        checks.push_back(&setting);
      } else if (!read_check_default(setting, defaults, complaints_)) {
        leave_out(setting);
      }
    }
    if (draft_.add_backend(service_, std::move(backend))) read_checks(part.line, checks, defaults, *endpoint);
  }

  // All backends of a service are asked alike, as the first one is.
  void read_checks(uint32_t line, const std::vector<const Statement*>& checks, const CheckDefaults& defaults,
                   const Endpoint& endpoint) {
    for (size_t i = 1; i < checks.size(); ++i)
      complaints_.add(checks[i]->line, "a second check of one backend",
                      "one kind is asked; write an exec check for both");
    std::optional<DraftCheck> check;
    if (!checks.empty()) check = read_check(*checks.front(), defaults, endpoint, complaints_);
    if (service_.backends.size() == 1) {
      service_.check = std::move(check);
    } else if (check && service_.check && !check->asks_alike(*service_.check)) {
      complaints_.add(check->line, "another check than that of line " + std::to_string(service_.check->line),
                      "all backends of a service are asked alike, as its first one is; write a second service");
    } else if (check && !service_.check) {
      complaints_.add(check->line, "a check, while the service's first backend has none",
                      "all backends are asked alike");
    } else if (checks.empty() && service_.check) {
      complaints_.add(line, "a backend without a check",
                      "all backends of a service are asked alike: so it is asked too");
    }
  }

  void read_sorry_server(const Statement& part) {
    if (const std::optional<Endpoint> endpoint = read_endpoint(part))
      sorry_servers_.push_back(
          {.line = part.line, .endpoint = *endpoint, .comment = "the sorry server, which is checked too"});
  }

  void name_service() {
    if (statement_.value() == "group") {
      service_.name = statement_.value(1);
      if (service_.proto == Proto::udp) service_.name += "-udp";
      return;
    }
    service_.name = std::string(service_.proto == Proto::tcp ? "tcp-" : "udp-") + statement_.words[1] + "-" +
                    std::string(statement_.value(1));
    std::ranges::replace(service_.name, '.', '-');
    std::ranges::replace(service_.name, ':', '-');
  }

  const Statement& statement_;
  const Groups& groups_;
  Draft& draft_;
  Complaints& complaints_;
  DraftService service_;
  Forwarding forwarding_;
  IpvsScheduler scheduler_;
  CheckDefaults defaults_;
  std::vector<DraftBackend> sorry_servers_;
  bool is_sctp_ = false;
};

// Mail and names of keepalived itself mean nothing here; the kernel's IPVS does.
void read_global(const Statement& statement, Complaints& complaints) {
  for (const Statement& part : statement.block)
    if (part.name().starts_with("lvs_"))
      complaints.add(part.line, quote(part.name()) + " of global_defs",
                     "IPVS is not used; idle timeouts stand in [defaults] and [timeouts]");
}

}  // namespace

void import_keepalived(std::string_view text, Draft& draft) {
  Complaints& complaints = draft.complaints;
  const std::vector<Statement> file = read_keepalived(text, complaints);
  Groups groups;
  for (const Statement& statement : file)
    if (statement.name() == "virtual_server_group" && !statement.conditional)
      groups[std::string(statement.value())] = read_group(statement, complaints);
  for (const Statement& statement : file) {
    const std::string& name = statement.name();
    const auto row = std::ranges::find(kTopLeftOut, name, &LeftOutRow::name);
    if (statement.conditional)
      complaints.add(statement.line, "the conditional block of " + quote(name),
                     "take the condition out and import again");
    else if (name == "virtual_server")
      VirtualServer(statement, groups, draft).read();
    else if (name == "global_defs")
      read_global(statement, complaints);
    else if (name.starts_with("include"))
      complaints.add(statement.line, "the files that " + quote(statement.value()) + " includes",
                     "put them into one file, or import each by itself");
    else if (name.starts_with('$'))
      complaints.add(statement.line, "the variable " + quote(name), "write its value where it is used");
    else if (row != std::end(kTopLeftOut))
      complaints.add(statement.line, name + (statement.value().empty() ? "" : " " + quote(statement.value())),
                     std::string(row->instead));
    else if (name != "virtual_server_group")
      complaints.add(statement.line, quote(name) + " is not known", "look whether it matters");
  }
}

}  // namespace millrace::importing
