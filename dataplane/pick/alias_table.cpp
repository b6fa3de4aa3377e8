// alias_table.cpp: every cell is filled to the mean weight, by its own weight and by what one heavier target has to spare.
#include "dataplane/pick/alias_table.h"

#include <numeric>

namespace millrace {

std::vector<AliasCell> build_alias_table(std::span<const uint16_t> weights) {
  const uint64_t count = weights.size();
  const uint64_t total = std::accumulate(weights.begin(), weights.end(), uint64_t{0});
  // In units of 1 / count of a weight, so that the mean is a whole number: `total`.
  std::vector<uint64_t> left(count);
  std::vector<uint16_t> light, heavy;
  for (size_t i = 0; i < count; ++i) {
    left[i] = weights[i] * count;
    (left[i] < total ? light : heavy).push_back(static_cast<uint16_t>(i));
  }
  std::vector<AliasCell> table(count, {.own_last = UINT32_MAX});
  while (!light.empty() && !heavy.empty()) {
    const uint16_t small = light.back();
    const uint16_t large = heavy.back();
    light.pop_back();
    // Above 0, as weights are.
    const uint64_t own_count = (left[small] << 32) / total;
    table[small] = {.own_last = static_cast<uint32_t>(own_count - (own_count != 0)), .alias = large};
    left[large] -= total - left[small];
    if (left[large] >= total) continue;
    heavy.pop_back();
    light.push_back(large);
  }
  return table;
}

}  // namespace millrace
