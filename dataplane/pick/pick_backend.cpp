// pick_backend.cpp: one function a scheduler, or a kind of them.
#include "dataplane/pick/pick_backend.h"

#include <algorithm>

#include "dataplane/pick/pick_candidates.h"

namespace millrace {
namespace {

// How far a table is followed past backends that cannot be picked; then the targets are walked once. A weighted
// sequence can be a million long, and tables are stale for some milliseconds at most.
constexpr size_t kStaleStepsMax = 64;
// Draws that may fail before the same is done: every second backend may be full and one pick in 65,536 walks.
constexpr unsigned kDrawsMax = 16;

// Those that warm up are not made to wait here: nobody else may be left.
const BackendTarget* first_of(const PickTable& table, size_t start, Candidates& candidates,
                              const BackendTarget* other = nullptr) {
  const size_t count = table.targets.size();
  for (size_t i = 0; i < count; ++i) {
    const BackendTarget& target = table.targets[(start + i) % count];
    if (&target != other && candidates.has(target)) return &target;
  }
  return nullptr;
}

// roundrobin, weight. Who is passed over loses its turn, so that its share goes to all others alike.
const BackendTarget* take_turn(const PickTable& table, uint32_t& next, Candidates& candidates) {
  const std::vector<uint16_t>& order = table.sequence;
  const size_t steps = std::min(order.size(), kStaleStepsMax);
  for (size_t i = 0; i < steps; ++i) {
    const BackendTarget& target = table.targets[order[next++ % order.size()]];
    if (candidates.has(target) && candidates.takes_turn(target)) return &target;
  }
  return first_of(table, next, candidates);
}

// maglev, iphash1: the place of the client's hash, or the next one whose backend can take it.
const BackendTarget* find_place(const PickTable& table, const std::vector<uint16_t>& places, uint32_t hash,
                                Candidates& candidates) {
  for (size_t i = 0; i < kStaleStepsMax; ++i) {
    const BackendTarget& target = table.targets[places[(hash + i) % places.size()]];
    if (candidates.has(target)) return &target;
  }
  return first_of(table, hash, candidates);
}

// iphash. A client whose backend cannot take it is dealt again, always in the same way.
const BackendTarget* draw_by_hash(const PickTable& table, uint32_t hash, Candidates& candidates) {
  for (unsigned i = 0; i < kDrawsMax; ++i) {
    const BackendTarget& target = table.targets[draw_alias(table.alias, mix_bits(uint64_t{i} << 32 | hash))];
    if (candidates.has(target)) return &target;
  }
  return first_of(table, hash, candidates);
}

// random, and the first or second of two choices, which is not `other`.
const BackendTarget* draw(const PickTable& table, Candidates& candidates, PickRandom& random,
                          const BackendTarget* other = nullptr) {
  for (unsigned i = 0; i < kDrawsMax; ++i) {
    const BackendTarget& target = table.targets[draw_alias(table.alias, random.next())];
    if (&target != other && candidates.has(target) && candidates.takes_turn(target)) return &target;
  }
  return first_of(table, random.below(UINT32_MAX), candidates, other);
}

// p2c, leastbandwidth, fastest: the better of two (Mitzenmacher, "The power of two choices in randomized load
// balancing", 1996). Unlike the best of all this is safe with figures that are some time old: nobody is everybody's
// choice (Mitzenmacher, "How useful is old information?", 1997).
template <typename Better>
const BackendTarget* draw_two(const PickTable& table, Candidates& candidates, PickRandom& random, Better&& is_better) {
  const BackendTarget* first = draw(table, candidates, random);
  if (first == nullptr || table.targets.size() == 1) return first;
  const BackendTarget* second = draw(table, candidates, random, first);
  return second != nullptr && is_better(*second, *first) ? second : first;
}

// Less load for the weight. Of equal ones the first that was drawn, so that idle backends are dealt by weight.
template <typename Load>
const BackendTarget* draw_less_loaded(const PickTable& table, Candidates& candidates, PickRandom& random,
                                      Load&& load_of) {
  return draw_two(table, candidates, random, [&](const BackendTarget& a, const BackendTarget& b) {
    return load_of(a) * candidates.weight_of(b) < load_of(b) * candidates.weight_of(a);
  });
}

// fastest: sooner by a fifth at least, for less is noise; unknown is soonest, so that it becomes known.
const BackendTarget* draw_sooner(const PickTable& table, Candidates& candidates, const PickView& view,
                                 PickState& state) {
  return draw_two(table, candidates, state.random, [&](const BackendTarget& a, const BackendTarget& b) {
    const uint64_t a_us = state.handshakes.read(a.slot, view.now_ms);
    const uint64_t b_us = state.handshakes.read(b.slot, view.now_ms);
    return a_us * 5 < b_us * 4;
  });
}

// The lowest (connections + 1) / weight. Equal ones take turns, or the first would get every burst of an idle service.
const BackendTarget* pick_least(const PickTable& table, size_t start, Candidates& candidates, const OpenCounts& open) {
  const BackendTarget* best = nullptr;
  uint64_t best_load = 0;
  uint64_t best_weight = 0;
  const size_t count = table.targets.size();
  for (size_t i = 0; i < count; ++i) {
    const BackendTarget& target = table.targets[(start + i) % count];
    if (!candidates.has(target)) continue;
    const uint64_t load = uint64_t{open.of(target.slot)} + 1;
    const uint64_t weight = candidates.weight_of(target);
    if (best == nullptr || load * best_weight < best_load * weight) {
      best = &target;
      best_load = load;
      best_weight = weight;
    }
  }
  return best;
}

const BackendTarget* pick_by(Balance balance, const PickTable& table, uint32_t hash, uint32_t& next,
                             Candidates& candidates, const PickView& view, PickState& state) {
  switch (balance) {
    case Balance::roundrobin:
    case Balance::weight:
      return take_turn(table, next, candidates);
    case Balance::leastconn:
      return pick_least(table, next++, candidates, view.open);
    case Balance::maglev:
      return find_place(table, table.maglev, hash, candidates);
    case Balance::iphash1:
      return find_place(table, table.rendezvous, hash, candidates);
    case Balance::iphash:
      return draw_by_hash(table, hash, candidates);
    case Balance::random:
      return draw(table, candidates, state.random);
    case Balance::p2c:
      return draw_less_loaded(table, candidates, state.random,
                              [&](const BackendTarget& target) { return uint64_t{view.open.of(target.slot)}; });
    case Balance::leastbandwidth:
      return draw_less_loaded(table, candidates, state.random,
                              [&](const BackendTarget& target) { return view.bandwidths.bits_per_s(target.slot); });
    case Balance::fastest:
      return draw_sooner(table, candidates, view, state);
  }
  return nullptr;
}

}  // namespace

Pick pick_backend(const ServiceTables& service, const PickTable& table, const PickWish& wish, const PickView& view,
                  PickState& state) {
  if (table.targets.empty()) return {};
  if (table.has_limits && state.full.has(service.slot, &table, view.now_ms)) return {nullptr, PickResult::still_full};
  Candidates candidates(service, wish, view, state.random);
  const auto pick = [&] {
    return pick_by(service.balance, table, wish.client_hash, state.next[raw(service.slot)], candidates, view, state);
  };
  const BackendTarget* backend = pick();
  if (backend == nullptr && candidates.end_trials()) backend = pick();  // nobody else is left
  if (backend != nullptr) return {backend, PickResult::picked};
  if (!candidates.met_full()) return {};
  // Others may still pick the one that is avoided here.
  if (wish.avoid == kNoBackend) state.full.add(service.slot, &table, view.now_ms);
  return {nullptr, PickResult::all_full};
}

uint32_t hash_of_client(Balance balance, const IpAddr& client, Be16 client_port) {
  if (balance != Balance::iphash && balance != Balance::iphash1) return flow_hash(client, client_port);
  return static_cast<uint32_t>(hash_endpoint(client, Be16{}, 4) >> 32);
}

uint32_t flow_hash(const IpAddr& client, Be16 client_port) {
  return static_cast<uint32_t>(hash_endpoint(client, client_port, 3) >> 32);
}

}  // namespace millrace
