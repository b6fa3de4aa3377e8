// settle.cpp: what our loader would refuse is left out or bent here, with a complaint.
// Route:  import_text > settle_services > settle_alone, then what concerns several services
// Bound:  maps over all binds and backends, as validate.cpp has them.
#include <algorithm>
#include <array>
#include <map>
#include <set>

#include "controlplane/config/error_text.h"
#include "controlplane/config/host_pattern.h"
#include "controlplane/config/values.h"
#include "controlplane/import/draft.h"
#include "controlplane/import/settle.h"

namespace millrace::importing {

namespace {

using config::quote;

struct ListenKey {
  Proto proto{};
  uint16_t port = 0;
  IpAddr addr;
  auto operator<=>(const ListenKey&) const = default;
};

ListenKey key_of(const DraftService& service, const Endpoint& endpoint) {
  return {service.proto, endpoint.port.host(), endpoint.addr};
}

bool has_family(const DraftService& service, Family family) {
  return std::ranges::any_of(
      service.backends, [family](const DraftBackend& backend) { return backend.endpoint.addr.family() == family; });
}

// Keeps the name where it is one, makes one of it where not, and none twice.
class Names {
 public:
  std::string take(std::string_view wanted) {
    std::string name;
    for (const char c : wanted.substr(0, kNameBytes - 1)) {
      const bool fits = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
                        c == '.' || c == '-';
      name += fits ? c : '_';
    }
    if (name.empty()) name = "service";
    std::string unique = name;
    for (size_t& number = next_[name]; !taken_.insert(unique).second;) {
      const std::string suffix = "-" + std::to_string(++number + 1);
      unique = name.substr(0, kNameBytes - 1 - suffix.size()) + suffix;
    }
    return unique;
  }

 private:
  std::set<std::string> taken_;
  std::map<std::string, size_t> next_;  // how many have wanted it
};

// No two services have one address and port, and none beside a wildcard.
class Listeners {
 public:
  // Empty: it is the service's now. Otherwise what stands against it.
  std::string take(const DraftService& service, const Endpoint& endpoint) {
    const ListenKey key = key_of(service, endpoint);
    ListenKey any = key;
    any.addr = key.addr.is_ipv4() ? IpAddr::from_ipv4(Be32{}) : IpAddr{};
    if (taken_.contains(key)) return "is bound already";
    if (!endpoint.addr.is_any() && taken_.contains(any)) return "is bound already, as one of every address";
    if (endpoint.addr.is_any() && singles_.contains(any)) return "is bound already for a single address";
    taken_.insert(key);
    if (!endpoint.addr.is_any()) singles_.insert(any);
    return {};
  }
  bool has(const DraftService& service, const Endpoint& endpoint) const {
    return taken_.contains(key_of(service, endpoint));
  }

 private:
  std::set<ListenKey> taken_;
  std::set<ListenKey> singles_;  // by wildcard: some single address has the port
};

void settle_binds(DraftService& service, Listeners& listeners, Complaints& complaints) {
  if (service.backends.empty()) return;  // it goes as a whole
  std::vector<DraftBind> kept;
  for (const DraftBind& bind : service.binds) {
    const std::string text = format_endpoint(bind.endpoint);
    const IpAddr& addr = bind.endpoint.addr;
    const std::string_view unfit = addr.is_any() ? "" : config::unicast_problem(addr);
    if (!unfit.empty()) {
      complaints.add(bind.line, text + " " + std::string(unfit), "bind an address of the network, or every address");
    } else if (is_direct(service.mode) && addr.is_any()) {
      complaints.add(bind.line, text + ": backends need the bind's address as one of their own",
                     "bind an address that neither this host nor another one has on the network");
    } else if (is_direct(service.mode) && bind.endpoint.port != service.binds.front().endpoint.port) {
      complaints.add(bind.line,
                     text + " has another port than " + format_endpoint(service.binds.front().endpoint) +
                         ", and packets keep theirs on the way to the backends",
                     "write a service for each port");
    } else if (!has_family(service, addr.family()) && service.mode != Mode::tunnel) {
      complaints.add(bind.line,
                     text + " has no backend of its family, " + std::string(config::family_name(addr.family())),
                     "add one, then bind it");
    } else if (const std::string taken = listeners.take(service, bind.endpoint); !taken.empty()) {
      complaints.add(bind.line, text + " " + taken, "write each address and port once");
    } else {
      kept.push_back(bind);
    }
  }
  service.binds = std::move(kept);
}

// The most that a weight is here; the others keep their share of it as nearly as they can.
void settle_weights(DraftService& service, Complaints& complaints) {
  uint64_t heaviest = 0;
  for (const DraftBackend& backend : service.backends) heaviest = std::max(heaviest, backend.weight);
  if (heaviest <= kWeightMax) return;
  complaints.add(service.line, "weights up to " + std::to_string(heaviest) + " were scaled down",
                 "a weight is at most " + std::to_string(kWeightMax) + ": look whether the shares are still right");
  for (DraftBackend& backend : service.backends)
    if (backend.weight != 0)
      backend.weight = std::max<uint64_t>(
          1, static_cast<uint64_t>(static_cast<double>(backend.weight) / static_cast<double>(heaviest) * kWeightMax));
}

// Why the backend cannot be one; empty: it can.
Complaint unfit_backend(const DraftService& service, const DraftBackend& backend, const std::set<std::string>& hosts) {
  const Endpoint& endpoint = backend.endpoint;
  if (const std::string_view unfit = config::unicast_problem(endpoint.addr); !unfit.empty())
    return {0, std::string(unfit), "write the address that the machine has on the backends' network"};
  if (is_direct(service.mode) && !service.binds.empty() && endpoint.port != service.binds.front().endpoint.port)
    return {0, "has another port than the virtual address, and packets keep theirs",
            "let the backend listen at port " + std::to_string(service.binds.front().endpoint.port.host())};
  if (backend.priority > kPriorityMax) return {0, "is a backup too many", "at most 255 in turn are possible"};
  if (!backend.host.empty() && !hosts.contains(backend.host)) {
    const HostMatching matching = service.names->regexp ? HostMatching::regexp : HostMatching::exact;
    if (backend.host.find(' ') != std::string::npos)
      return {0, "has a server name with a blank", "write sni= for it by hand"};
    const HostPattern::Compiled compiled = HostPattern::compile(matching, backend.host);
    if (!compiled.pattern)
      return {0, "has a server name that cannot be matched: " + compiled.problem, "write sni= for it by hand"};
  }
  return {};
}

void settle_backends(DraftService& service, Complaints& complaints) {
  std::vector<DraftBackend> kept;
  std::set<ListenKey> seen;
  std::set<std::string> hosts;
  for (DraftBackend& backend : service.backends) {
    const std::string text = format_endpoint(backend.endpoint);
    Complaint unfit = unfit_backend(service, backend, hosts);
    if (unfit.what.empty() && !backend.host.empty() && hosts.size() == kHostPatternMax && !hosts.contains(backend.host))
      unfit = {0, "has one server name too many",
               "use at most " + std::to_string(kHostPatternMax) + " different ones a service"};
    if (unfit.what.empty() && !seen.insert(key_of(service, backend.endpoint)).second)
      unfit = {0, "is a backend of the service already", "list each once; weight=N gives it a larger share"};
    if (!unfit.what.empty()) {
      complaints.add(backend.line, text + " " + unfit.what, unfit.instead);
      continue;
    }
    if (!backend.host.empty()) hosts.insert(backend.host);
    if (is_direct(service.mode) && backend.connections_max != 0) {
      complaints.add(backend.line, "the limit of connections of " + text,
                     "in this mode nobody can count what is open; let the backend limit itself");
      backend.connections_max = 0;
    }
    backend.connections_max = std::min<uint64_t>(backend.connections_max, UINT32_MAX);
    kept.push_back(std::move(backend));
  }
  service.backends = std::move(kept);
  settle_weights(service, complaints);
}

// Packets to a bind of ours would come back here.
void drop_circles(DraftService& service, const Listeners& listeners, Complaints& complaints) {
  std::erase_if(service.backends, [&](const DraftBackend& backend) {
    if (!listeners.has(service, backend.endpoint)) return false;
    complaints.add(backend.line,
                   format_endpoint(backend.endpoint) + " is an address that is bound here: packets would go in circles",
                   "write the backends of that service instead");
    return true;
  });
}

void drop_binds_without_backends(DraftService& service, Complaints& complaints) {
  if (service.mode == Mode::tunnel || service.backends.empty()) return;
  std::erase_if(service.binds, [&](const DraftBind& bind) {
    if (has_family(service, bind.endpoint.addr.family())) return false;
    complaints.add(bind.line, format_endpoint(bind.endpoint) + " has no backend of its family",
                   "add one, then bind it");
    return true;
  });
}

// What --snat says.
class Sources {
 public:
  explicit Sources(const std::vector<std::string>& snat) {
    for (const std::string& text : snat)
      if (const auto range = config::parse_address_range(text); range.value) ranges_.push_back(*range.value);
  }
  bool any() const { return !ranges_.empty(); }
  bool has(Family family) const {
    return std::ranges::any_of(ranges_, [family](const auto& range) { return range.first.family() == family; });
  }
  // Of the ports that a pool takes unless told otherwise.
  bool hold(const Endpoint& endpoint) const {
    return endpoint.port.host() >= kPoolPortFirst && std::ranges::any_of(ranges_, [&](const auto& range) {
             return range.first <= endpoint.addr && endpoint.addr <= range.last;
           });
  }

 private:
  static constexpr uint16_t kPoolPortFirst = 1024;
  std::vector<config::AddressRange> ranges_;
};

void drop_sources(DraftService& service, const Sources& sources, Complaints& complaints) {
  const auto is_source = [&](const auto& one) {
    if (!sources.hold(one.endpoint)) return false;
    complaints.add(one.line, format_endpoint(one.endpoint) + " is one of the addresses of --snat",
                   "give --snat addresses that nothing else has");
    return true;
  };
  std::erase_if(service.binds, is_source);
  std::erase_if(service.backends, is_source);
}

// Why the service has to go; empty: it stays.
Complaint unfit_service(const DraftService& service, const Sources& sources) {
  if (service.backends.empty()) return {0, "has no backend that can be used", "see what is said of its backends"};
  if (service.binds.empty()) return {0, "has no address that can be bound", "see what is said of its addresses"};
  const auto named = [](const DraftBackend& backend) { return !backend.host.empty(); };
  if (service.names && service.names->unexpected == "reject" && std::ranges::none_of(service.backends, named))
    return {0, "has no backend with a server name: every client would be refused", "add sni=NAME to backends"};
  if (service.mode == Mode::tunnel && !sources.any())
    return {0, "tunnels need a source address for the outer packets, which LVS takes from the host",
            "import again with --snat ADDRESS, an address of the backends' network that nothing else has"};
  if (service.mode == Mode::nat || service.mode == Mode::dsr || !sources.any()) return {};
  if (std::ranges::any_of(std::array{Family::ipv4, Family::ipv6},
                          [&](Family family) { return has_family(service, family) && !sources.has(family); }))
    return {0, "--snat has no address of the family of its backends", "give --snat addresses of both families"};
  return {};
}

}  // namespace

void settle_services(Draft& draft, const std::vector<std::string>& snat) {
  Complaints& complaints = draft.complaints;
  const Sources sources(snat);
  Listeners listeners;
  for (DraftService& service : draft.services) {
    settle_settings(service, complaints);
    settle_backends(service, complaints);
    settle_binds(service, listeners, complaints);
  }
  size_t rules = 0;
  Names names;
  std::vector<DraftService> kept;
  for (DraftService& service : draft.services) {
    drop_circles(service, listeners, complaints);
    drop_sources(service, sources, complaints);
    drop_binds_without_backends(service, complaints);
    Complaint unfit = unfit_service(service, sources);
    rules += service.access_rules.size();
    if (unfit.what.empty() && (rules > kAccessRuleMax || kept.size() == kServiceMax))
      unfit = {0, "is more than one configuration holds", "split it over several hosts"};
    if (unfit.what.empty()) {
      service.name = names.take(service.name);
      kept.push_back(std::move(service));
    } else {
      complaints.add(service.line, "the service " + quote(service.name) + " is left out: " + unfit.what, unfit.instead);
    }
  }
  draft.services = std::move(kept);
}

}  // namespace millrace::importing
