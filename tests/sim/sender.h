// sender.h: one direction of a connection at its sending end: cuts the stream into segments, sends them again until they
// are acknowledged (RFC 6298, 5681, 2018), probes closed windows. Checks every acknowledgment and SACK block.
// Holds:  what was sent is cut anew only into smaller parts: every ACK and every edge of a SACK block is an edge of
//         something that was sent.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "tests/sim/judge.h"
#include "tests/sim/place.h"
#include "tests/sim/random.h"
#include "tests/sim/receiver.h"
#include "tests/sim/script.h"
#include "tests/sim/segment.h"

namespace millrace::sim {

// What to put into one segment.
struct Piece {
  Place begin = 0, end = 0;  // end counts the FIN
  bool fin = false;
  bool is_again = false;
  bool is_new_byte_probe = false;
  bool is_old_byte_probe = false;  // no data; begin is a place that was acknowledged long ago
  uint64_t byte_count() const { return end - begin - (fin ? 1 : 0); }
};

class Sender {
 public:
  Sender(const EndScript& script, const Witness& witness);

  // The handshake is done. `payload_max`: bytes of data in a segment without SACK blocks.
  void begin(unsigned peer_shift, unsigned payload_max, bool sack, VirtualMs now_ms);
  // The path lets less through than was thought: what is too large is cut anew and goes out at once.
  void shrink(unsigned payload_max);
  // Of the segment that ended the handshake; SYNs do not scale.
  void begin_window(uint16_t window, int64_t begin, bool is_syn);

  // False: it acknowledges what was never sent; nothing of the segment counts. `peer` (or null) has the truth.
  bool take_ack(const Segment& segment, int64_t begin, const Receiver* peer, VirtualMs now_ms);
  // What can go out now; nullopt: nothing more. The application has written so much, and has closed or not.
  std::optional<Piece> next_piece(VirtualMs now_ms, uint64_t written, bool has_closed);
  void wake(VirtualMs now_ms);
  VirtualMs next_ms() const { return std::min(timeout_ms_, persist_ms_); }

  // Where a segment without data stands.
  Place empty_place() const;
  Place acknowledged() const { return acknowledged_; }
  Place next() const { return next_; }
  bool fin_sent() const { return fin_sent_; }
  bool fin_acknowledged() const { return fin_sent_ && acknowledged_ == next_; }
  bool has_outstanding() const { return !flight_.empty(); }
  bool is_probing() const { return persist_ms_ != kNever; }
  uint32_t timeouts_in_a_row() const { return timeouts_; }
  // When the segment with the byte at `place` was sent for the first time; kNever: not at all.
  VirtualMs first_sent_ms(int64_t place) const;

 private:
  struct InFlight {
    Place begin, end;
    bool fin;
    bool beyond_window;  // when it was sent
    bool sacked = false;
    bool lost = false;
    uint32_t sends = 1;
    VirtualMs first_ms = 0;
  };
  struct Edge {
    Place end;
    VirtualMs first_ms;
  };

  bool is_edge(Place place) const;
  void check_ack(int64_t ack, const Segment& segment, const Receiver* peer) const;
  void take_sack(const Segment& segment, Place ack, const Receiver* peer);
  // Empty: the block is right.
  const char* fault_of(int64_t left, int64_t right, Place ack, bool may_be_duplicate, const Receiver* peer) const;
  // True: the window changed.
  bool take_window(const Segment& segment, int64_t begin, Place ack, const Receiver* peer);
  void advance(Place ack, VirtualMs now_ms);
  void find_losses();
  uint64_t in_flight_bytes() const;
  std::optional<Piece> lost_piece(VirtualMs now_ms);
  std::optional<Piece> new_piece(VirtualMs now_ms, uint64_t written, bool has_closed);
  // 0: the window does not let anything worth while out.
  uint64_t fitting(uint64_t wanted) const;
  bool fin_fits(uint64_t bytes_before) const;
  Piece send_new(uint64_t bytes, bool fin, VirtualMs now_ms);
  uint64_t draw_cut();
  void wait_for_window(VirtualMs now_ms);
  uint32_t backed_off_ms() const;
  void sample_round_trip(uint32_t ms);

  const EndScript& script_;
  const Witness& witness_;
  Random random_;
  unsigned peer_shift_ = 0;
  uint64_t payload_max_ = 536;
  bool sack_ = false;

  Place acknowledged_ = 1;
  Place next_ = 1;
  Place edge_ = 1;  // of the peer's window
  uint64_t window_max_ = 0;
  int64_t window_from_begin_ = 0;  // of the segment that told the window (RFC 9293: SND.WL1, SND.WL2)
  Place window_from_ack_ = 0;
  bool fin_sent_ = false;
  std::deque<InFlight> flight_;
  std::vector<Edge> edges_;

  uint64_t congestion_window_ = 0;
  uint64_t slow_start_threshold_ = UINT64_MAX;
  unsigned duplicates_ = 0;
  Place recover_ = 0;    // losses before this place have been answered for
  uint64_t cut_ = 0;     // bytes of the next new segment; 0: not drawn yet
  bool forced_ = false;  // the next new segment may be a small one
  bool old_byte_probe_due_ = false;
  bool new_byte_probe_due_ = false;

  bool has_sample_ = false;
  uint32_t smoothed_ms_ = 0, variation_ms_ = 0;
  uint32_t base_timeout_ms_;
  unsigned backoff_ = 0;
  uint32_t timeouts_ = 0;
  VirtualMs timeout_ms_ = kNever;
  VirtualMs persist_ms_ = kNever;
};

}  // namespace millrace::sim
