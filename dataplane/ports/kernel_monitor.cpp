// kernel_monitor.cpp: see the header. Routes and addresses are dumped anew after any change, for the kernel removes
// routes silently (a link that goes down, an address they were bound to) and a replaced one is hard to tell from a
// second one. Neighbours follow their notifications.
#include "dataplane/ports/kernel_monitor.h"

#include <linux/rtnetlink.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <stdexcept>
#include <tuple>
#include <utility>

#include "dataplane/ports/rtnetlink.h"
#include "millrace/conn_entry.h"

namespace millrace {

namespace {

constexpr unsigned kMessagesPerPoll = 256;
constexpr uint16_t kNeighboursPerPoll = 512;  // looked at; only those due cost a system call
constexpr uint64_t kAskAgainMs = 1000;
constexpr uint64_t kAskAgainMsMax = 16'000;  // of one that has not answered for long
constexpr uint64_t kRefreshMs = 20'000;      // below the kernel's 30 s of reachability and 60 s of garbage collection
constexpr uint64_t kDumpRetryMs = 1000;
constexpr unsigned kDumpShare = 10;  // after a dump that took t, the next one is at least 10 t away

uint64_t ms_since(std::chrono::steady_clock::time_point start) {
  return static_cast<uint64_t>(
      std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - start).count());
}

auto route_key(const Route& route) {
  return std::tuple(route.prefix, route.prefix_bits, route.metric, raw(route.port), route.gateway, route.weight);
}

bool same_routes(const std::vector<Route>& left, const std::vector<Route>& right) {
  return std::equal(left.begin(), left.end(), right.begin(), right.end(),
                    [](const Route& a, const Route& b) { return route_key(a) == route_key(b); });
}

}  // namespace

struct KernelMonitor::State {
  explicit State(NeighbourTable& table) : neighbours(table), asks(kNeighbourMax) {}

  struct Ask {
    uint64_t due_ms = 0;
    uint64_t interval_ms = kAskAgainMs;
  };

  NeighbourTable& neighbours;
  Rtnetlink kernel;
  std::map<uint32_t, PortIndex> ports_by_ifindex;
  std::map<PortIndex, uint32_t> ifindexes;
  std::vector<Route> static_routes;
  std::vector<Route> routes;
  std::vector<IpAddr> addresses;
  std::vector<IpAddr> host_addresses;
  // Every neighbour that the kernel knows on our ports, so that resolve() can answer at once. The kernel bounds them
  // (net.ipv4.neigh.default.gc_thresh3).
  std::map<std::pair<PortIndex, IpAddr>, MacAddr> known;
  std::vector<Ask> asks;  // by index of the neighbour table
  uint16_t next_ask = 0;  // where the walk over them goes on
  uint64_t now_ms = 0;
  bool dump_wanted = false;  // of addresses and routes
  bool neighbour_dump_wanted = false;
  uint64_t dump_due_ms = 0;

  void add_static(const Port& port, const config::PortConfig& configured);
  void dump_neighbours();
  Changes dump_networks();
  void on_message(const nlmsghdr& message);
  void on_neighbour(const KernelNeighbour& neighbour);
  void add_routes(const KernelRoute& route, std::vector<Route>& out) const;
  void resolve(PortIndex port, const IpAddr& addr);
  void resolve_equal_hops();
  void ask(uint16_t index);
  void ask_due();
};

void KernelMonitor::State::add_static(const Port& port, const config::PortConfig& configured) {
  for (const config::StaticNeighbour& neighbour : configured.neighbours) {
    const uint16_t index = neighbours.add(port.index, neighbour.addr);
    if (index != kNoNeighbour) neighbours.set_resolved(index, neighbour.mac);
  }
  for (const config::StaticRoute& route : configured.routes)
    static_routes.push_back({route.prefix, route.prefix_bits, port.index, route.gateway, 0});
}

// A route for each of its hops that leaves by a port of ours.
void KernelMonitor::State::add_routes(const KernelRoute& route, std::vector<Route>& out) const {
  for (const KernelRoute::Hop& hop : route.hops) {
    const auto port = ports_by_ifindex.find(hop.ifindex);
    if (port != ports_by_ifindex.end())
      out.push_back({route.prefix, route.prefix_bits, port->second, hop.gateway, route.metric, hop.weight});
  }
}

// Among hops of equal cost workers choose those that answer, so each must have been asked.
void KernelMonitor::State::resolve_equal_hops() {
  for (size_t i = 1; i < routes.size(); ++i)
    if (is_equal_cost(routes[i - 1], routes[i]))
      for (const Route& route : {routes[i - 1], routes[i]})
        if (route.gateway) resolve(route.port, *route.gateway);
}

KernelMonitor::Changes KernelMonitor::State::dump_networks() {
  const auto start = std::chrono::steady_clock::now();
  std::vector<IpAddr> all;
  std::vector<IpAddr> ours;
  kernel.dump(RTM_GETADDR, [&](const nlmsghdr& message) {
    const std::optional<KernelAddress> address = parse_address(message);
    if (!address) return;
    all.push_back(address->addr);
    if (address->usable && ports_by_ifindex.contains(address->ifindex)) ours.push_back(address->addr);
  });
  std::vector<Route> found = static_routes;
  kernel.dump(RTM_GETROUTE, [&](const nlmsghdr& message) {
    if (const std::optional<KernelRoute> route = parse_route(message)) add_routes(*route, found);
  });
  // A dump that had to be repeated told some twice; order must not look like a change.
  for (std::vector<IpAddr>* list : {&all, &ours}) {
    std::sort(list->begin(), list->end());
    list->erase(std::unique(list->begin(), list->end()), list->end());
  }
  std::sort(found.begin(), found.end(),
            [](const Route& left, const Route& right) { return route_key(left) < route_key(right); });
  found.erase(std::unique(found.begin(), found.end(),
                          [](const Route& left, const Route& right) { return route_key(left) == route_key(right); }),
              found.end());
  const Changes changes{!same_routes(found, routes), ours != addresses, all != host_addresses};
  routes = std::move(found);
  addresses = std::move(ours);
  host_addresses = std::move(all);
  dump_wanted = false;
  dump_due_ms = now_ms + kDumpShare * ms_since(start);
  return changes;
}

void KernelMonitor::State::dump_neighbours() {
  known.clear();
  kernel.dump(RTM_GETNEIGH, [&](const nlmsghdr& message) {
    if (const std::optional<KernelNeighbour> neighbour = parse_neighbour(message)) on_neighbour(*neighbour);
  });
  for (uint16_t index = 0; index < neighbours.count(); ++index) {
    const NeighbourTable::Entry& entry = neighbours.entry(index);
    if (ifindexes.contains(entry.port) && !known.contains({entry.port, entry.addr})) neighbours.set_unresolved(index);
  }
  neighbour_dump_wanted = false;
}

void KernelMonitor::State::on_neighbour(const KernelNeighbour& neighbour) {
  const auto port = ports_by_ifindex.find(neighbour.ifindex);
  if (port == ports_by_ifindex.end()) return;
  const uint16_t index = neighbours.find(port->second, neighbour.addr);
  if (neighbour.mac)
    known[{port->second, neighbour.addr}] = *neighbour.mac;
  else
    known.erase({port->second, neighbour.addr});
  if (index == kNoNeighbour) return;  // nobody has asked for it
  if (neighbour.mac) {
    neighbours.set_resolved(index, *neighbour.mac);
    asks[index] = {now_ms + kRefreshMs, kAskAgainMs};
  } else if (neighbours.read(index).resolved()) {
    neighbours.set_unresolved(index);
    asks[index] = {now_ms, kAskAgainMs};
  }
}

void KernelMonitor::State::on_message(const nlmsghdr& message) {
  switch (message.nlmsg_type) {
    case RTM_NEWNEIGH:
    case RTM_DELNEIGH:
      if (const std::optional<KernelNeighbour> neighbour = parse_neighbour(message)) on_neighbour(*neighbour);
      break;
    case RTM_NEWLINK:
    case RTM_DELLINK:
    case RTM_NEWADDR:
    case RTM_DELADDR:
    case RTM_NEWROUTE:
    case RTM_DELROUTE:
      dump_wanted = true;
      break;
    default:
      break;
  }
}

void KernelMonitor::State::ask(uint16_t index) {
  const NeighbourTable::Entry& entry = neighbours.entry(index);
  const auto ifindex = ifindexes.find(entry.port);
  Ask& next = asks[index];
  if (ifindex == ifindexes.end()) {
    next.due_ms = UINT64_MAX;  // no kernel to ask
    return;
  }
  kernel.ask_neighbour(ifindex->second, entry.addr);
  if (neighbours.read(index).resolved()) {
    next = {now_ms + kRefreshMs, kAskAgainMs};
  } else {
    next.due_ms = now_ms + next.interval_ms;
    next.interval_ms = std::min(2 * next.interval_ms, kAskAgainMsMax);
  }
}

void KernelMonitor::State::ask_due() {
  const uint16_t count = neighbours.count();
  for (uint16_t looked = 0; looked < std::min(count, kNeighboursPerPoll); ++looked) {
    if (next_ask >= count) next_ask = 0;
    if (asks[next_ask].due_ms <= now_ms) ask(next_ask);
    ++next_ask;
  }
}

void KernelMonitor::State::resolve(PortIndex port, const IpAddr& addr) {
  const uint16_t index = neighbours.add(port, addr);
  if (index == kNoNeighbour || neighbours.read(index).resolved()) return;
  const auto found = known.find({port, addr});
  State::Ask& next = asks[index];
  if (found != known.end()) {
    neighbours.set_resolved(index, found->second);
    next = {now_ms, kAskAgainMs};  // it may be stale: have it confirmed
    return;
  }
  // Somebody waits for it again: back to the short interval, but not more often than that.
  next.due_ms = std::min(next.due_ms, now_ms + kAskAgainMs);
  next.interval_ms = kAskAgainMs;
  if (next.due_ms <= now_ms) ask(index);
}

KernelMonitor::KernelMonitor(const std::vector<Port>& ports, const std::vector<config::PortConfig>& configured,
                             NeighbourTable& neighbours)
    : state_(std::make_unique<State>(neighbours)) {
  for (const Port& port : ports) {
    if (port.kernel_ifindex != 0) {
      state_->ports_by_ifindex[port.kernel_ifindex] = port.index;
      state_->ifindexes[port.index] = port.kernel_ifindex;
    } else if (raw(port.index) < configured.size()) {
      state_->add_static(port, configured[raw(port.index)]);
    }
  }
  state_->dump_networks();
  state_->dump_neighbours();
  state_->resolve_equal_hops();
}

KernelMonitor::~KernelMonitor() = default;

KernelMonitor::Changes KernelMonitor::poll(uint64_t now_ms) {
  state_->now_ms = now_ms;
  Changes changes;
  try {
    if (!state_->kernel.read_notifications(kMessagesPerPoll, [this](const nlmsghdr& m) { state_->on_message(m); }))
      state_->dump_wanted = state_->neighbour_dump_wanted = true;
    if (now_ms >= state_->dump_due_ms) {
      if (state_->neighbour_dump_wanted) state_->dump_neighbours();
      if (state_->dump_wanted) changes = state_->dump_networks();
      if (changes.routes) state_->resolve_equal_hops();
    }
  } catch (const std::runtime_error& failure) {
    // What was known stays in use.
    spdlog::warn("{}; asking again in {} s", failure.what(), kDumpRetryMs / 1000);
    state_->dump_due_ms = now_ms + kDumpRetryMs;
  }
  state_->ask_due();
  return changes;
}

const std::vector<Route>& KernelMonitor::routes() const { return state_->routes; }
const std::vector<IpAddr>& KernelMonitor::addresses() const { return state_->addresses; }
const std::vector<IpAddr>& KernelMonitor::host_addresses() const { return state_->host_addresses; }

void KernelMonitor::resolve(PortIndex port, const IpAddr& addr) { state_->resolve(port, addr); }

}  // namespace millrace
