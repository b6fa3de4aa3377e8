// slab.h: one worker's share of the connection slab: claim, free, and the lines in which its entries stand.
// The line of free ones is first in, first out: an entry is used again as late as possible, so that whoever noted its index
// (a capture, an operator) finds it empty rather than another connection's.
// Thread: owning worker. The entries lie in the shared segment; the lines are private.
// Memory: 8 B an entry besides the segment.
// Fails:  claim() returns kNoConn when every entry is in use.
// Tests:  tests/unit/conn/slab_test.cpp
#pragma once

#include <cstdint>

#include "dataplane/conn/slab_lines.h"
#include "millrace/conn_entry.h"
#include "millrace/ids.h"

namespace millrace {

class Slab {
 public:
  // Entries [first, first + count) of `entries` are this worker's. All are freed; generations go on counting.
  Slab(ConnEntry* entries, ConnIndex first, uint32_t count);

  // An entry in writing: generation odd, every other field zero. The caller fills it and calls publish(), or
  // release() if it cannot be opened after all. Pairs with the acquire fence of read_conn.
  ConnIndex claim();
  // Generation becomes even: readers of the other process may copy the entry. Release; pairs with read_conn.
  void publish(ConnIndex index);
  // state = free; the entry goes to the end of the line of free ones. Each claimed entry exactly once.
  void release(ConnIndex index);

  // Of claimed entries, and lines other than that of the free.
  void line_up(ConnIndex index, SlabLine line) { lines_.put(index, line); }
  ConnIndex oldest(SlabLine line) const { return lines_.oldest(line); }

  // Indexes are those of the whole slab.
  ConnEntry& operator[](ConnIndex index) { return entries_[raw(index)]; }
  const ConnEntry& operator[](ConnIndex index) const { return entries_[raw(index)]; }
  ConnIndex first() const { return first_; }
  uint32_t capacity() const { return count_; }
  uint32_t used() const { return used_; }
  bool is_full() const { return used_ == count_; }

 private:
  void prefetch_next() const;

  ConnEntry* entries_;
  ConnIndex first_;
  uint32_t count_;
  uint32_t used_ = 0;
  SlabLines lines_;
};

}  // namespace millrace
