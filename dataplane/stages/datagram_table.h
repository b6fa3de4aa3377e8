// datagram_table.h: the datagrams whose fragments are under way: what their first fragment said, which parts came, and
// the later fragments that wait for it. Nothing is reassembled: a fragment is kept until its way is known, no longer.
// Route:  follow_fragments > find, add, hold, release; poll_burst > take_ready; worker_turn > expire_fragments
// Thread: owning worker.
// Memory: fixed at start, kDatagramMax x 160 B and the buckets: 0.7 MiB a worker; at most kHeldFragmentMax packet buffers.
// Bound:  kFragmentsPerDatagramMax held of one datagram.
// Holds:  a datagram is in one of two queues, both oldest first: those that wait for their first fragment, and those whose
//         way is decided. A held fragment is in its datagram's chain or in the ready one, by its mbuf's `next`.
// Fails:  add and hold need room; the caller makes it by giving up the oldest, which under a flood are the flood's.
// Tests:  tests/unit/stages/datagram_table_test.cpp
#pragma once

#include <array>
#include <cstdint>
#include <memory>

#include "dataplane/conn/conn_table.h"
#include "dataplane/conn/timer_wheel.h"
#include "dataplane/stages/fragment_coverage.h"
#include "millrace/addr.h"

struct rte_mbuf;

namespace millrace {

inline constexpr unsigned kDatagramMax = 4096;
inline constexpr unsigned kHeldFragmentMax = 512;
inline constexpr unsigned kFragmentsPerDatagramMax = 64;  // 64 KiB of the usual 1,480 bytes are 45
// Fragments of a packet come within milliseconds; a 16-bit identification may be in use again after some seconds
// (RFC 4963), so we wait shorter than a host does (RFC 1122 section 3.3.2).
inline constexpr Ms kFragmentTimeoutMs = 2000;

enum class DatagramState : uint8_t {
  waiting,   // for its first fragment
  followed,  // its ports are known: fragments pass
  refused,   // overlapped: none passes any more (RFC 5722)
};

// First and last of packets chained by their `next`.
struct MbufChain {
  rte_mbuf* first = nullptr;
  rte_mbuf* last = nullptr;
  unsigned count = 0;

  void append(rte_mbuf* mbuf);
  void append(MbufChain& other);  // which is empty afterwards
  rte_mbuf* take();               // null: it is empty
};

struct Datagram {
  TableKey key;
  DatagramState state = DatagramState::waiting;
  bool ours = false;  // its destination is nobody else's; otherwise what is given up goes to the kernel
  Proto proto{};      // followed, with the ports
  Be16 src_port;
  Be16 dst_port;
  Ms deadline_ms = 0;
  FragmentCoverage coverage;
  MbufChain held;  // waiting
  // Indexes of the table, kNone at the ends: of the bucket (or the free ones), of the queue.
  uint16_t bucket_next = 0;
  uint16_t older = 0;
  uint16_t newer = 0;
};

class DatagramTable {
 public:
  DatagramTable();
  ~DatagramTable();
  DatagramTable(const DatagramTable&) = delete;
  DatagramTable& operator=(const DatagramTable&) = delete;

  Datagram* find(const TableKey& key);  // null: none
  // A new one that waits; there is room() and no datagram of this key.
  Datagram& add(const TableKey& key, bool ours, Ms now_ms);
  void remove(Datagram& datagram);  // nothing of it is held
  // From now on in `state`, followed or refused, for the whole timeout.
  void decide(Datagram& datagram, DatagramState state, Ms now_ms);

  Datagram* oldest_waiting() { return at(queues_[kWaiting].oldest); }
  Datagram* oldest_decided() { return at(queues_[kDecided].oldest); }

  void hold(Datagram& datagram, rte_mbuf* mbuf);
  // Out of what the datagram holds; null: there is no more.
  rte_mbuf* take_held(Datagram& datagram);
  // What the datagram holds is ready.
  void release(Datagram& datagram) { ready_.append(datagram.held); }
  rte_mbuf* take_ready();

  bool room() const { return free_ != kNone; }
  bool has_ready() const { return ready_.count != 0; }
  // Ready ones included.
  unsigned held_count() const { return held_count_; }

 private:
  static constexpr uint16_t kNone = 0xffff;
  static constexpr unsigned kBucketCount = 2 * kDatagramMax;
  static_assert(kDatagramMax < kNone);
  enum QueueName : uint8_t { kWaiting, kDecided };
  struct Queue {
    uint16_t oldest = kNone;
    uint16_t newest = kNone;
  };

  Datagram* at(uint16_t index) { return index == kNone ? nullptr : &datagrams_[index]; }
  uint16_t index_of(const Datagram& datagram) const { return static_cast<uint16_t>(&datagram - datagrams_.get()); }
  uint16_t& bucket_of(const TableKey& key) { return buckets_[key.low % kBucketCount]; }
  Queue& queue_of(const Datagram& datagram) {
    return queues_[datagram.state == DatagramState::waiting ? kWaiting : kDecided];
  }
  void enqueue(Datagram& datagram);
  void unqueue(Datagram& datagram);

  std::unique_ptr<Datagram[]> datagrams_{new Datagram[kDatagramMax]};
  std::unique_ptr<uint16_t[]> buckets_{new uint16_t[kBucketCount]};
  uint16_t free_ = 0;
  std::array<Queue, 2> queues_;
  MbufChain ready_;
  unsigned held_count_ = 0;
};

}  // namespace millrace
