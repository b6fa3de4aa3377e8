#include "dataplane/stages/datagram_table.h"

#include <rte_mbuf.h>

#include <algorithm>

namespace millrace {

void MbufChain::append(rte_mbuf* mbuf) {
  mbuf->next = nullptr;
  (first == nullptr ? first : last->next) = mbuf;
  last = mbuf;
  ++count;
}

void MbufChain::append(MbufChain& other) {
  if (other.first == nullptr) return;
  (first == nullptr ? first : last->next) = other.first;
  last = other.last;
  count += other.count;
  other = {};
}

rte_mbuf* MbufChain::take() {
  rte_mbuf* mbuf = first;
  if (mbuf == nullptr) return nullptr;
  first = mbuf->next;
  mbuf->next = nullptr;  // a packet of one segment again
  --count;
  return mbuf;
}

DatagramTable::DatagramTable() {
  std::fill_n(buckets_.get(), kBucketCount, kNone);
  for (uint16_t i = 0; i < kDatagramMax; ++i)
    datagrams_[i].bucket_next = i + 1u == kDatagramMax ? kNone : static_cast<uint16_t>(i + 1);
}

DatagramTable::~DatagramTable() {
  for (Datagram* waiting = oldest_waiting(); waiting != nullptr; waiting = oldest_waiting()) {
    release(*waiting);
    remove(*waiting);
  }
  while (rte_mbuf* mbuf = take_ready()) rte_pktmbuf_free(mbuf);
}

Datagram* DatagramTable::find(const TableKey& key) {
  for (uint16_t index = bucket_of(key); index != kNone; index = datagrams_[index].bucket_next)
    if (datagrams_[index].key == key) return &datagrams_[index];
  return nullptr;
}

Datagram& DatagramTable::add(const TableKey& key, bool ours, Ms now_ms) {
  const uint16_t index = free_;
  Datagram& datagram = datagrams_[index];
  free_ = datagram.bucket_next;
  datagram = {};
  datagram.key = key;
  datagram.ours = ours;
  datagram.deadline_ms = now_ms + kFragmentTimeoutMs;
  datagram.bucket_next = bucket_of(key);
  bucket_of(key) = index;
  enqueue(datagram);
  return datagram;
}

void DatagramTable::remove(Datagram& datagram) {
  const uint16_t index = index_of(datagram);
  unqueue(datagram);
  uint16_t* link = &bucket_of(datagram.key);
  while (*link != index) link = &datagrams_[*link].bucket_next;
  *link = datagram.bucket_next;
  datagram.bucket_next = free_;
  free_ = index;
}

void DatagramTable::decide(Datagram& datagram, DatagramState state, Ms now_ms) {
  unqueue(datagram);
  datagram.state = state;
  datagram.deadline_ms = now_ms + kFragmentTimeoutMs;
  enqueue(datagram);
}

void DatagramTable::hold(Datagram& datagram, rte_mbuf* mbuf) {
  datagram.held.append(mbuf);
  ++held_count_;
}

rte_mbuf* DatagramTable::take_held(Datagram& datagram) {
  rte_mbuf* mbuf = datagram.held.take();
  if (mbuf != nullptr) --held_count_;
  return mbuf;
}

rte_mbuf* DatagramTable::take_ready() {
  rte_mbuf* mbuf = ready_.take();
  if (mbuf != nullptr) --held_count_;
  return mbuf;
}

void DatagramTable::enqueue(Datagram& datagram) {
  Queue& queue = queue_of(datagram);
  const uint16_t index = index_of(datagram);
  datagram.older = queue.newest;
  datagram.newer = kNone;
  (queue.newest == kNone ? queue.oldest : datagrams_[queue.newest].newer) = index;
  queue.newest = index;
}

void DatagramTable::unqueue(Datagram& datagram) {
  Queue& queue = queue_of(datagram);
  (datagram.older == kNone ? queue.oldest : datagrams_[datagram.older].newer) = datagram.newer;
  (datagram.newer == kNone ? queue.newest : datagrams_[datagram.newer].older) = datagram.older;
}

}  // namespace millrace
