// syn_answer.h: the answer to a client's SYN, said at once, and again while the client does not come back.
// A client whose ACK was lost believes that it is connected; where the backend speaks first it would wait for ever. So
// the last answers stay in a row of fixed size: what is not proven by then is said again after one and after three
// seconds (RFC 6298 section 2). A flood overwrites the row before anything in it is due, and costs no more than that.
// Route:  act_on_miss > answer_syn > remember; worker_turn > repeat_answers
// Thread: owning worker.
// Memory: 1.2 MiB a worker, fixed.
// Bound:  kRepeatsPerCall answers a call of repeat_answers.
// Tests:  tests/unit/stages/proxy_test.cpp
#pragma once

#include <cstdint>
#include <memory>

#include "dataplane/conn/timer_wheel.h"
#include "dataplane/ports/port.h"
#include "dataplane/stages/burst.h"
#include "millrace/addr.h"

namespace millrace {

struct Worker;
struct OwnSegment;

struct SynAnswer {
  Tuple syn;  // from client to VIP
  uint32_t client_isn = 0;
  uint32_t cookie = 0;
  uint32_t ts_echo = 0;
  uint16_t window = 0;
  PortIndex port{};
  // What the client offered.
  bool scales = false;
  bool sack = false;
  bool timestamps = false;
  MacAddr own_mac;
  MacAddr client_mac;
};
// What either side may send us at most: its packets leave by a port of ours, whichever that is.
uint16_t own_mss(const Worker& worker, Family family);

// As it is said now.
OwnSegment segment_of(const Worker& worker, const SynAnswer& answer);

// First in, first due: every answer waits equally long.
class SynAnswerRow {
 public:
  static constexpr uint32_t kPlaces = 8192;

  explicit SynAnswerRow(Ms delay_ms) : delay_ms_(delay_ms), rows_(new Row[kPlaces]) {}

  void add(const SynAnswer& answer, Ms now_ms) {
    if (next_ - oldest_ == kPlaces) ++oldest_;
    rows_[next_++ % kPlaces] = Row{answer, now_ms + delay_ms_};
  }
  // nullptr: none is due.
  const SynAnswer* take_due(Ms now_ms) {
    if (next_ == oldest_ || ms_after(rows_[oldest_ % kPlaces].due_ms, now_ms)) return nullptr;
    return &rows_[oldest_++ % kPlaces].answer;
  }

 private:
  struct Row {
    SynAnswer answer;
    Ms due_ms = 0;
  };
  Ms delay_ms_;
  std::unique_ptr<Row[]> rows_;
  uint32_t next_ = 0;  // counts on; the place is what is left modulo kPlaces
  uint32_t oldest_ = 0;
};

struct SynAnswers {
  SynAnswerRow once{1000};
  SynAnswerRow twice{2000};
};

void repeat_answers(Worker& worker);

}  // namespace millrace
