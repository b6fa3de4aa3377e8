#include "controlplane/link/conn_scan.h"

#include <algorithm>
#include <array>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "controlplane/link/directory.h"
#include "controlplane/link/monotonic.h"

namespace millrace::control {
namespace {

// 4 MiB of slab, about a millisecond, between two turns of the event loop.
constexpr size_t kEntriesPerTurn = 32'768;

constexpr std::array<const char*, kConnStateCount> kStateNames = {
    "free",   "syn_sent", "syn_received", "established", "client_fin", "backend_fin", "time_wait",
    "closed", "open",     "hello",        "connect",     "header",     "counted"};

bool is_plausible(const ConnEntry& entry) {
  return static_cast<unsigned>(entry.state) < kConnStateCount &&
         (entry.family == Family::ipv4 || entry.family == Family::ipv6) &&
         (entry.proto == Proto::tcp || entry.proto == Proto::udp) && entry.mode >= Mode::nat &&
         entry.mode <= Mode::tunnel && entry.spliced <= 1;
}

Endpoint endpoint_of(Family family, Be32 addr4, const std::array<uint8_t, 16>& addr6, Be16 port) {
  return {family == Family::ipv4 ? IpAddr::from_ipv4(addr4) : IpAddr{addr6}, port};
}

// Ages count from the clock at the scan's start; a packet may have come since.
uint32_t age_ms(uint32_t now_ms, uint32_t then_ms) {
  const uint32_t age = now_ms - then_ms;
  return age > UINT32_MAX / 2 ? 0 : age;
}

class Matcher {
 public:
  Matcher(const Segment& segment, ConnFilter filter)
      : filter_(std::move(filter)), names_(kServiceMax), now_ms_(static_cast<uint32_t>(monotonic_ms())) {
    for (const ServiceRow& row : read_services(segment)) names_[raw(row.slot)] = row.name;
  }

  // Cheap refusals first; `row` is filled on a match.
  bool match(const ConnEntry& entry, ConnRow& row) const {
    if (!is_plausible(entry)) return false;
    const size_t slot = raw(entry.service);
    const std::string& service = slot < names_.size() ? names_[slot] : names_none_;
    if (filter_.service && service != *filter_.service) return false;
    row.backend = {backend_address(entry), entry.backend_port};
    if (filter_.backend && row.backend != *filter_.backend) return false;
    row.client = endpoint_of(entry.family, entry.client4, entry.client6, entry.client_port);
    if (filter_.client && row.client.addr != *filter_.client) return false;
    if (filter_.client_port && row.client.port.host() != *filter_.client_port) return false;
    row.service = service;
    row.vip = endpoint_of(entry.family, entry.vip4, entry.vip6, entry.vip_port);
    row.snat = {snat_address(entry), entry.snat_port};
    row.state = entry.state;
    row.proto = entry.proto;
    row.mode = entry.mode;
    row.encapsulation = entry.encapsulation;
    row.owner = entry.owner;
    row.age_ms = age_ms(now_ms_, entry.opened_ms);
    row.client_idle_ms = age_ms(now_ms_, entry.client_seen_ms);
    row.backend_idle_ms = age_ms(now_ms_, entry.backend_seen_ms);
    return true;
  }

 private:
  ConnFilter filter_;
  std::vector<std::string> names_;  // by ServiceSlot
  std::string names_none_;
  uint32_t now_ms_;
};

// Whether entry `index` matches. A connection that closes while it is read is none.
bool read_match(const Segment& segment, const Matcher& matcher, size_t index, ConnRow& row) {
  ConnEntry entry;
  if (!read_conn(segment.slab()[index], entry) || !matcher.match(entry, row)) return false;
  if (entry.spliced == 0 || segment.splices().empty()) return true;
  row.splice.emplace();
  return read_conn_splice(segment.slab()[index], segment.splices()[index], entry, *row.splice) &&
         matcher.match(entry, row);
}

// Adds the matches among [first, end) to `scan`; false: stopped at the limit.
bool scan_piece(const Segment& segment, const Matcher& matcher, size_t first, size_t end, size_t limit, bool count_all,
                ConnScan& scan) {
  for (size_t index = first; index < end; ++index) {
    ConnRow row;
    if (!read_match(segment, matcher, index, row)) continue;
    if (scan.rows.size() == limit && !count_all) return false;
    ++scan.matched;
    if (scan.rows.size() == limit) continue;
    row.index = ConnIndex{static_cast<uint32_t>(index)};
    scan.rows.push_back(std::move(row));
  }
  return true;
}

}  // namespace

boost::asio::awaitable<ConnScan> scan_connections(std::shared_ptr<const Segment> segment, ConnFilter filter,
                                                  size_t limit, bool count_all) {
  const auto executor = co_await boost::asio::this_coro::executor;
  const size_t count = segment->slab().size();
  const Matcher matcher(*segment, std::move(filter));
  ConnScan scan;
  for (size_t first = 0; first < count && scan.complete; first += kEntriesPerTurn) {
    if (first != 0) co_await boost::asio::post(executor, boost::asio::use_awaitable);
    const size_t end = std::min(first + kEntriesPerTurn, count);
    scan.complete = scan_piece(*segment, matcher, first, end, limit, count_all, scan);
  }
  co_return scan;
}

std::string conn_state_name(ConnState state) {
  const auto index = static_cast<size_t>(state);
  return index < kStateNames.size() ? kStateNames[index] : "unknown";
}

}  // namespace millrace::control
