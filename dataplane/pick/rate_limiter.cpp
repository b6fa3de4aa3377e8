#include "dataplane/pick/rate_limiter.h"

#include <span>

#include "dataplane/pick/flow_hash.h"
#include "millrace/limits.h"

namespace millrace {

namespace {

constexpr uint64_t kNsPerMs = 1'000'000;

}  // namespace

RateLimiter::RateLimiter(unsigned worker_count)
    : worker_count_(worker_count),
      services_(std::make_unique<Buckets[]>(kServiceMax)),
      sources_(std::make_unique<Source[]>(size_t{kSourceSets} * kSourceWays)) {}

RateLimiter::Buckets& RateLimiter::of_source(const ServiceSettings& service, ServiceSlot slot, const IpAddr& source) {
  const IpAddr prefix = prefix_of(source, source.is_ipv4() ? service.source_prefix4 : service.source_prefix6);
  const uint64_t hash = hash_endpoint(prefix, Be16::from_host(raw(slot)), kSourceSeed);
  const std::span<Source> set(&sources_[hash % kSourceSets * kSourceWays], kSourceWays);
  Source* oldest = &set[0];
  for (Source& held : set) {
    if (held.service == slot && held.prefix == prefix) return held.buckets;
    if (held.buckets.full_ns() < oldest->buckets.full_ns()) oldest = &held;
  }
  *oldest = Source{prefix, slot, {}};
  return oldest->buckets;
}

std::optional<DropReason> RateLimiter::take_connection(const ServiceSettings& service, ServiceSlot slot,
                                                       const IpAddr& source, uint64_t now_ms) {
  const uint64_t now_ns = now_ms * kNsPerMs;
  if (service.source_connection_rate != 0 &&
      !of_source(service, slot, source).connections.take(now_ns, interval_ns(service.source_connection_rate)))
    return DropReason::source_rate;
  if (service.connection_rate != 0 &&
      !services_[raw(slot)].connections.take(now_ns, interval_ns(service.connection_rate)))
    return DropReason::connection_rate;
  return std::nullopt;
}

std::optional<DropReason> RateLimiter::take_packet(const ServiceSettings& service, ServiceSlot slot,
                                                   const IpAddr& source, uint64_t now_ms) {
  const uint64_t now_ns = now_ms * kNsPerMs;
  if (service.source_packet_rate != 0 &&
      !of_source(service, slot, source).packets.take(now_ns, interval_ns(service.source_packet_rate)))
    return DropReason::source_rate;
  if (service.packet_rate != 0 && !services_[raw(slot)].packets.take(now_ns, interval_ns(service.packet_rate)))
    return DropReason::packet_rate;
  return std::nullopt;
}

}  // namespace millrace
