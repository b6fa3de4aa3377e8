// weighted_sequence.cpp: smooth weighted round robin over groups of equal weight.
#include "dataplane/pick/weighted_sequence.h"

#include <cstddef>
#include <map>
#include <numeric>

namespace millrace {
namespace {

// Backends of one weight. Those before `next` were taken once more than the others in this round; the account is that
// of the others, which stand first in line.
struct EqualWeights {
  int64_t weight = 0;
  int64_t account = 0;
  size_t next = 0;
  std::vector<uint16_t> members;
};

}  // namespace

std::vector<uint16_t> build_weighted_sequence(std::span<const uint16_t> weights) {
  uint16_t divisor = 0;
  for (uint16_t weight : weights) divisor = std::gcd(divisor, weight);

  std::map<uint16_t, EqualWeights> by_weight;
  int64_t total = 0;
  for (size_t i = 0; i < weights.size(); ++i) {
    EqualWeights& group = by_weight[weights[i]];
    group.weight = weights[i] / divisor;
    group.members.push_back(static_cast<uint16_t>(i));
    total += group.weight;
  }
  std::vector<EqualWeights> groups;
  for (auto& [weight, group] : by_weight) groups.push_back(std::move(group));

  std::vector<uint16_t> sequence;
  sequence.reserve(static_cast<size_t>(total));
  for (int64_t step = 0; step < total; ++step) {
    EqualWeights* richest = nullptr;
    for (EqualWeights& group : groups) {
      group.account += group.weight;
      // Of equal accounts the backend that was named first.
      if (richest == nullptr || group.account > richest->account ||
          (group.account == richest->account && group.members[group.next] < richest->members[richest->next]))
        richest = &group;
    }
    sequence.push_back(richest->members[richest->next]);
    if (++richest->next == richest->members.size()) {
      richest->next = 0;
      richest->account -= total;
    }
  }
  return sequence;
}

}  // namespace millrace
