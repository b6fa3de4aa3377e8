// rate_limiter.h: how fast connections and packets may come to a service, and to it from each source prefix.
// How:    a bucket of tokens is the time at which it is full again (GCRA): what is taken costs its interval, and as many as
//         come in a second may be taken at once. A worker's interval is longer by the number of workers, each of which
//         lets its share through.
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

class TokenBucket {
 public:
  // False: there is no token now.
  bool take(uint64_t now_ns, uint64_t interval_ns) {
    const uint64_t start_ns = std::max(full_ns_, now_ns);
    if (start_ns + interval_ns - now_ns > std::max(kBurstNs, interval_ns)) return false;
    full_ns_ = start_ns + interval_ns;
    return true;
  }
  uint64_t full_ns() const { return full_ns_; }

 private:
  static constexpr uint64_t kBurstNs = 1'000'000'000;
  uint64_t full_ns_ = 0;
};

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
  struct Source {
    IpAddr prefix;
    ServiceSlot service = kNoService;
    Buckets buckets;
  };

  uint64_t interval_ns(uint32_t rate) const { return worker_count_ * 1'000'000'000 / rate; }
  Buckets& of_source(const ServiceSettings& service, ServiceSlot slot, const IpAddr& source);

  uint64_t worker_count_;
  std::unique_ptr<Buckets[]> services_;  // by ServiceSlot
  std::unique_ptr<Source[]> sources_;    // kSourceSets sets of kSourceWays
};

}  // namespace millrace
