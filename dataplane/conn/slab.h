// slab.h: one worker's share of the connection slab: claim, free, and the stack of free entries.
// Thread: owning worker. The entries lie in the shared segment; the free stack is private.
// Memory: 4 B an entry besides the segment.
// Fails:  claim() returns kNoConn when every entry is in use.
// Tests:  tests/unit/conn/slab_test.cpp
#pragma once

#include <cstdint>
#include <memory>

#include "millrace/conn_entry.h"
#include "millrace/ids.h"

namespace millrace {

class Slab {
 public:
  // Entries [first, first + count) of `entries` are this worker's. All are freed.
  Slab(ConnEntry* entries, ConnIndex first, uint32_t count);

  // An entry in writing: generation odd, every other field zero. The caller fills it and calls publish().
  ConnIndex claim();
  // Generation becomes even: readers of the other process may copy the entry. Release; pairs with read_conn.
  void publish(ConnIndex index);
  // state = free; the entry goes to the end of the line of free ones.
  void release(ConnIndex index);

  // Indexes are those of the whole slab.
  ConnEntry& operator[](ConnIndex index) { return entries_[raw(index)]; }
  const ConnEntry& operator[](ConnIndex index) const { return entries_[raw(index)]; }
  ConnIndex first() const { return first_; }
  uint32_t capacity() const { return count_; }
  uint32_t used() const { return used_; }

 private:
  ConnEntry* entries_;
  ConnIndex first_;
  uint32_t count_;
  uint32_t used_ = 0;
  std::unique_ptr<uint32_t[]> free_;
};

}  // namespace millrace
