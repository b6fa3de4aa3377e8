// flow_space.h: the clients' tuples: a one-to-one map between flow ids and client endpoints that looks random, so that
// neither side needs a table of them, and consecutive ids have nothing in common.
// Thread: any; immutable.
// Tests:  tests/unit/traffic/flow_space_test.cpp
#pragma once

#include <cstdint>
#include <optional>

#include "millrace/addr.h"

namespace millrace::traffic {

class FlowSpace {
 public:
  // Of the prefix at most the last 17 bits vary; 32,768 ports each.
  FlowSpace(const IpAddr& prefix, unsigned prefix_bits, uint64_t seed);

  uint64_t size() const { return uint64_t{1} << bits_; }
  // `id` < size().
  Endpoint client(uint32_t id) const;
  // nullopt: no client of ours.
  std::optional<uint32_t> id_of(const Endpoint& client) const;

 private:
  uint32_t scramble(uint32_t id) const;
  uint32_t unscramble(uint32_t value) const;

  IpAddr prefix_;  // bits that vary are zero
  unsigned host_bits_;
  unsigned bits_;
  uint32_t mask_;
  uint32_t seed_;
};

}  // namespace millrace::traffic
