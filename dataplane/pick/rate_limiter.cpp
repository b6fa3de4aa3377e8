#include "dataplane/pick/rate_limiter.h"

#include <span>

#include "dataplane/pick/flow_hash.h"
#include "millrace/limits.h"

namespace millrace {

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

bool RateLimiter::take(TokenBucket& bucket, uint32_t rate, uint64_t now_ms) const {
  return bucket.take(now_ms * kNsPerMs, worker_count_ * kNsPerSecond / rate, kNsPerSecond);
}

std::optional<DropReason> RateLimiter::take(const Request& request, const ServiceSettings& service, ServiceSlot slot,
                                            const IpAddr& source, uint64_t now_ms) {
  if (request.source_rate != 0 && !take(of_source(service, slot, source).*request.bucket, request.source_rate, now_ms))
    return DropReason::source_rate;
  if (request.service_rate != 0 && !take(services_[raw(slot)].*request.bucket, request.service_rate, now_ms))
    return request.over_service;
  return std::nullopt;
}

std::optional<DropReason> RateLimiter::take_connection(const ServiceSettings& service, ServiceSlot slot,
                                                       const IpAddr& source, uint64_t now_ms) {
  const Request request = {&Buckets::connections, service.source_connection_rate, service.connection_rate,
                           DropReason::connection_rate};
  return take(request, service, slot, source, now_ms);
}

std::optional<DropReason> RateLimiter::take_packet(const ServiceSettings& service, ServiceSlot slot,
                                                   const IpAddr& source, uint64_t now_ms) {
  const Request request = {&Buckets::packets, service.source_packet_rate, service.packet_rate, DropReason::packet_rate};
  return take(request, service, slot, source, now_ms);
}

}  // namespace millrace
