#include "controlplane/state/automatic_snat.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <set>

#include "controlplane/config/values.h"
#include "millrace/limits.h"

namespace millrace::control {
namespace {

constexpr uint16_t kDiscardPort = 9;

using Automatic = config::SnatPoolConfig::Automatic;

class Socket {
 public:
  explicit Socket(int family) : fd_(socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {}
  ~Socket() {
    if (fd_ >= 0) close(fd_);
  }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;

  template <typename Address>
  bool connect_and_name(Address& address) {
    const auto* to = reinterpret_cast<const sockaddr*>(&address);
    if (fd_ < 0 || connect(fd_, to, sizeof address) != 0) return false;
    socklen_t bytes = sizeof address;
    return getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &bytes) == 0;
  }

 private:
  int fd_;
};

// The ports of `source` that an automatic pool must leave out, in order.
std::vector<std::pair<uint16_t, uint16_t>> taken_ports(const config::Config& config, const IpAddr& source) {
  std::vector<std::pair<uint16_t, uint16_t>> taken;
  for (const config::ServiceConfig& service : config.services)
    for (const Endpoint& bind : service.binds)
      if (bind.addr == source || (bind.addr.is_any() && bind.addr.family() == source.family()))
        taken.emplace_back(bind.port.host(), bind.port.host());
  for (const config::SnatPoolConfig& pool : config.snat_pools)
    for (const config::SnatPoolConfig::Range& range : pool.ranges)
      if (range.first.family() == source.family() && range.first <= source && source <= range.last)
        taken.emplace_back(range.port_first, range.port_last);
  std::ranges::sort(taken);
  return taken;
}

}  // namespace

const config::SnatPoolConfig* find_pool(const config::Config& config, const config::ServiceConfig& service) {
  const auto found = std::ranges::find(config.snat_pools, service.pool, &config::SnatPoolConfig::name);
  return found == config.snat_pools.end() ? nullptr : &*found;
}

std::optional<IpAddr> kernel_source(const IpAddr& towards) {
  if (towards.is_ipv4()) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(kDiscardPort);
    address.sin_addr.s_addr = towards.ipv4().raw;
    if (!Socket(AF_INET).connect_and_name(address)) return std::nullopt;
    return IpAddr::from_ipv4(Be32{address.sin_addr.s_addr});
  }
  sockaddr_in6 address{};
  address.sin6_family = AF_INET6;
  address.sin6_port = htons(kDiscardPort);
  std::memcpy(&address.sin6_addr, towards.bytes.data(), towards.bytes.size());
  if (!Socket(AF_INET6).connect_and_name(address)) return std::nullopt;
  IpAddr source;
  std::memcpy(source.bytes.data(), &address.sin6_addr, source.bytes.size());
  return source;
}

SourceTable find_sources(const config::Config& config,
                         const std::function<std::optional<IpAddr>(const IpAddr&)>& towards) {
  std::set<IpAddr> backends;
  for (const config::ServiceConfig& service : config.services) {
    const config::SnatPoolConfig* pool = find_pool(config, service);
    if (pool == nullptr || !pool->automatic) continue;
    for (const config::BackendConfig& backend : service.backends) backends.insert(backend.endpoint.addr);
  }
  SourceTable sources;
  for (const IpAddr& backend : backends) {
    std::optional<IpAddr> source = towards(backend);
    // To the host itself it is the address itself: such a backend is out of reach of a network card.
    if (source && (*source == backend || !config::unicast_problem(*source).empty())) source.reset();
    sources.emplace(backend, source);
  }
  return sources;
}

uint16_t AutomaticPools::pool_of(const Automatic& ports, const IpAddr& backend) {
  const auto source = sources_.find(backend);
  if (source == sources_.end() || !source->second) return kNoSnatPool;
  const auto known = numbers_.find(*source->second);
  return known != numbers_.end() ? known->second : add_pool(ports, *source->second);
}

uint16_t AutomaticPools::add_pool(const Automatic& ports, const IpAddr& source) {
  if (pools_.size() == kSnatPoolMax) return kNoSnatPool;
  const auto number = static_cast<uint16_t>(pools_.size());
  const size_t before = ranges_.size();
  const auto add_range = [&](uint32_t first, uint32_t last) {
    if (first > last || ranges_.size() - before == kSnatRangePerPoolMax) return;
    ranges_.push_back({.pool = number,
                       .port_first = static_cast<uint16_t>(first),
                       .port_last = static_cast<uint16_t>(last),
                       .first = source,
                       .last = source});
  };
  uint32_t next = ports.port_first;
  for (const auto& [first, last] : taken_ports(config_, source)) {
    if (first > ports.port_last) break;
    add_range(next, first - 1u);
    next = std::max<uint32_t>(next, last + 1u);
  }
  add_range(next, ports.port_last);
  if (ranges_.size() == before) return kNoSnatPool;
  pools_.push_back({"auto-" + format_ip(source), true});
  return numbers_[source] = number;
}

}  // namespace millrace::control
