#include "dataplane/stages/hello_store.h"

#include <rte_mbuf.h>

#include <algorithm>
#include <cstring>

namespace millrace {

HelloStore::HelloStore() {
  for (unsigned i = 0; i < kHelloMax; ++i) free_[i] = static_cast<uint16_t>(kHelloMax - 1 - i);
}

HelloStore::~HelloStore() {
  for (rte_mbuf* chain : chains_) rte_pktmbuf_free(chain);
}

uint16_t HelloStore::claim() { return free_count_ == 0 ? kNoHello : free_[--free_count_]; }

void HelloStore::release(uint16_t place) {
  if (place >= kHelloMax) return;
  rte_mbuf* chain = chains_[place];
  if (chain != nullptr) buffers_ -= chain->nb_segs;
  rte_pktmbuf_free(chain);
  chains_[place] = nullptr;
  free_[free_count_++] = place;
}

bool HelloStore::add_buffer(uint16_t place, rte_mempool* pool) {
  if (buffers_ == kHelloBuffersMax) return false;
  rte_mbuf* buffer = rte_pktmbuf_alloc(pool);
  if (buffer == nullptr) return false;
  if (chains_[place] == nullptr) {
    chains_[place] = buffer;
  } else if (rte_pktmbuf_chain(chains_[place], buffer) != 0) {
    rte_pktmbuf_free(buffer);
    return false;
  }
  ++buffers_;
  return true;
}

size_t HelloStore::append(uint16_t place, std::span<const uint8_t> bytes, rte_mempool* pool) {
  if (place >= kHelloMax) return 0;
  const size_t room = kHelloBytesMax - count(place);
  std::span<const uint8_t> left = bytes.first(std::min(bytes.size(), room));
  const size_t wanted = left.size();
  while (!left.empty()) {
    rte_mbuf* chain = chains_[place];
    const uint16_t tailroom = chain == nullptr ? uint16_t{0} : rte_pktmbuf_tailroom(rte_pktmbuf_lastseg(chain));
    if (tailroom == 0) {
      if (!add_buffer(place, pool)) break;
      continue;
    }
    const auto part = static_cast<uint16_t>(std::min<size_t>(left.size(), tailroom));
    std::memcpy(rte_pktmbuf_append(chain, part), left.data(), part);
    left = left.subspan(part);
  }
  return wanted - left.size();
}

uint32_t HelloStore::count(uint16_t place) const {
  return place >= kHelloMax || chains_[place] == nullptr ? 0 : rte_pktmbuf_pkt_len(chains_[place]);
}

std::span<const uint8_t> HelloStore::read(uint16_t place, uint32_t offset, uint32_t count,
                                          std::span<uint8_t> scratch) const {
  if (offset + count > this->count(place) || count == 0) return {};
  return {static_cast<const uint8_t*>(rte_pktmbuf_read(chains_[place], offset, count, scratch.data())), count};
}

}  // namespace millrace
