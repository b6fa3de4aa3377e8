// receiver.h: one direction of a connection at its receiving end: puts the stream together, offers a window, makes SACK
// blocks. Checks every byte, and that nothing comes that was never allowed or never sent.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "tests/sim/judge.h"
#include "tests/sim/place.h"
#include "tests/sim/script.h"
#include "tests/sim/segment.h"
#include "tests/sim/stream.h"

namespace millrace::sim {

class Receiver {
 public:
  // `urgent`: offsets of the peer's urgent bytes.
  Receiver(const EndScript& script, Stream expected, std::vector<uint64_t> urgent, const Witness& witness);

  // The peer's SYN was taken.
  void begin(uint32_t peer_isn) { peer_isn_ = peer_isn; }
  void agree_scale(unsigned shift) { shift_ = shift; }

  int64_t place(uint32_t sequence) const { return place_of(sequence, peer_isn_, next_); }
  uint32_t ack_number() const { return sequence_of(next_, peer_isn_); }
  // RFC 9293 section 3.10.7.4, but that a segment without data may stand at the window's very end: its sender may have
  // filled the window with data that is not here yet.
  bool is_acceptable(int64_t begin, uint32_t length) const;
  // Whether a sound peer can have sent something at this place at all.
  void check_place(int64_t begin, const Segment& segment) const;
  // Data and FIN of an acceptable segment. True: acknowledge at once.
  bool take(int64_t begin, const Segment& segment);

  // Of a segment that is not acceptable, because all of it was here before.
  void note_duplicate(int64_t begin, const Segment& segment);

  // For a segment that is sent now; `shift` is 0 on SYNs.
  uint16_t window_field(unsigned shift);
  bool wants_window_update() const;
  // Up to `count_max` blocks, the newest first; a duplicate is reported once.
  std::vector<SackBlock> sack_blocks(size_t count_max, bool with_duplicate);
  void set_read(uint64_t bytes) { read_ = bytes; }

  uint64_t received() const { return next_ - 1 - (fin_taken_ ? 1 : 0); }
  bool fin_taken() const { return fin_taken_; }
  bool is_whole() const { return fin_taken_ && received() == expected_.byte_count(); }
  const Stream& expected() const { return expected_; }
  Place next() const { return next_; }
  // The window's right edge, as told at most.
  Place edge() const { return std::max(advertised_, next_); }
  bool has_gaps() const { return !gaps_after_.empty(); }
  // All of it is here, in order or not.
  bool has(Place begin, Place end) const;

 private:
  struct Range {
    Place begin, end;
  };
  void check_content(Place begin, const Segment& segment) const;
  void check_urgent(Place begin, const Segment& segment) const;
  void keep(Range range);
  void advance();
  uint64_t space() const;

  const EndScript& script_;
  Stream expected_;
  std::vector<uint64_t> urgent_;
  const Witness& witness_;
  uint32_t peer_isn_ = 0;
  unsigned shift_ = 0;
  Place next_ = 1;
  Place advertised_ = 1;  // right edge of the window as told; never goes back
  uint64_t read_ = 0;
  uint64_t threshold_;  // a window that grows by less is not told (RFC 1122 section 4.2.3.3)
  bool fin_taken_ = false;
  std::vector<Range> gaps_after_;  // what is here beyond next_, the newest first, neither touching another
  Range duplicate_{0, 0};
};

}  // namespace millrace::sim
