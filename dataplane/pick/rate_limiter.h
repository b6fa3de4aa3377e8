// rate_limiter.h: how fast connections and packets may come to a service, and to it from each source prefix.
// How:    as many as come in a second may come at once. A worker's interval is longer by the number of workers, each of
//         which lets its share through.
// Thread: owning worker only. No allocation after construction, no lock.
// Memory: 256 KiB for the services, 768 KiB for the sources, each worker.
// Holds:  over t seconds at most rate x (t + 1) pass a worker's share. A source's bucket is kept until kSourceWays others
//         with its hash wait longer for theirs: only a flood from more prefixes than there are places loosens its limit.
// Fails:  with the reason to drop under.      Tests: tests/unit/pick/rate_limiter_test.cpp
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>

#include "dataplane/pick/token_bucket.h"
#include "millrace/addr.h"
#include "millrace/drop_reason.h"
#include "millrace/ids.h"
#include "millrace/messages.h"

namespace millrace {

constexpr bool limits_connections(const ServiceSettings& service) {
  return (service.connection_rate | service.source_connection_rate) != 0;
}
constexpr bool limits_packets(const ServiceSettings& service) {
  return (service.packet_rate | service.source_packet_rate) != 0;
}

class RateLimiter {
 public:
  explicit RateLimiter(unsigned worker_count);

  // Nothing: a connection, or a packet, from there may come in, and has taken its token.
  std::optional<DropReason> take_connection(const ServiceSettings& service, ServiceSlot slot, const IpAddr& source,
                                            uint64_t now_ms);
  std::optional<DropReason> take_packet(const ServiceSettings& service, ServiceSlot slot, const IpAddr& source,
                                        uint64_t now_ms);

  static constexpr uint32_t kSourceSets = 4096;
  static constexpr uint32_t kSourceWays = 4;

 private:
  struct Buckets {
    TokenBucket connections;
    TokenBucket packets;
    uint64_t full_ns() const { return std::max(connections.full_ns(), packets.full_ns()); }
  };
  // What is asked of each: of the source's buckets and of the service's. A rate of 0: no limit.
  struct Request {
    TokenBucket Buckets::*bucket;
    uint32_t source_rate;
    uint32_t service_rate;
    DropReason over_service;
  };
  struct Source {
    IpAddr prefix;
    ServiceSlot service = kNoService;
    Buckets buckets;
  };

  std::optional<DropReason> take(const Request& request, const ServiceSettings& service, ServiceSlot slot,
                                 const IpAddr& source, uint64_t now_ms);
  bool take(TokenBucket& bucket, uint32_t rate, uint64_t now_ms) const;
  Buckets& of_source(const ServiceSettings& service, ServiceSlot slot, const IpAddr& source);

  uint64_t worker_count_;
  std::unique_ptr<Buckets[]> services_;  // by ServiceSlot
  std::unique_ptr<Source[]> sources_;    // kSourceSets sets of kSourceWays
};

}  // namespace millrace
