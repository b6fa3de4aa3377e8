// wire.cpp: sending. Starting DPDK and its devices is in devices.cpp.
#include "perf/traffic/wire.h"

#include <rte_pause.h>

namespace millrace::traffic {
namespace {

// A peer that keeps up frees slots within this time; one that does not has its queue full, and that is a result.
constexpr unsigned kTries = 16;

}  // namespace

bool Wire::refill() {
  if (rte_pktmbuf_alloc_bulk(blanks_, fresh_.data(), kBurst) != 0) return false;
  fresh_count_ = kBurst;
  return true;
}

rte_mbuf* Wire::next_frame() {
  if (pending_count_ == kBurst) flush();
  if (fresh_count_ == 0 && !refill()) {
    ++refused;
    return nullptr;
  }
  return pending_[pending_count_++] = fresh_[--fresh_count_];
}

void Wire::flush() {
  unsigned done = 0;
  for (unsigned tries = 0; tries < kTries && done < pending_count_; ++tries) {
    if (tries != 0) rte_pause();
    done += rte_eth_tx_burst(port_, 0, &pending_[done], static_cast<uint16_t>(pending_count_ - done));
  }
  sent += done;
  refused += pending_count_ - done;
  if (done < pending_count_) rte_pktmbuf_free_bulk(&pending_[done], pending_count_ - done);
  pending_count_ = 0;
}

}  // namespace millrace::traffic
