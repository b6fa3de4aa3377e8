#include "dataplane/link/warming.h"

#include <algorithm>

namespace millrace {

void Warming::begin(BackendSlot slot, uint64_t now_ms, uint32_t slow_start_ms) {
  if (slow_start_ms == 0) return end(slot);
  until_ms_[raw(slot)] = now_ms + slow_start_ms;
  // 0 says that it is warm.
  eligible_.set_warming(slot, std::max(static_cast<uint32_t>(now_ms), 1u));
}

void Warming::end(BackendSlot slot) {
  until_ms_.erase(raw(slot));
  eligible_.set_warming(slot, 0);
}

void Warming::advance(uint64_t now_ms) {
  std::erase_if(until_ms_, [&](const auto& warming) {
    if (now_ms < warming.second) return false;
    eligible_.set_warming(static_cast<BackendSlot>(warming.first), 0);
    return true;
  });
}

}  // namespace millrace
