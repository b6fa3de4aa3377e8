// tcp_end.h: one end of a connection: a small, honest TCP of its own (RFC 9293, 7323, 2018, 5961), client or server, with
// its application on top. It shares no code with the dataplane. Each segment that arrives is checked against what a sound
// peer behind a sound middle can have sent; what cannot be is reported to the witness.
// Route:  Simulation > Conversation > TcpEnd::arrive | wake > take_sent > Simulation
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "tests/sim/application.h"
#include "tests/sim/judge.h"
#include "tests/sim/receiver.h"
#include "tests/sim/script.h"
#include "tests/sim/segment.h"
#include "tests/sim/sender.h"
#include "tests/sim/timestamp_clock.h"

namespace millrace::sim {

// As much shorter than a real stack's as everything else here; more than two of the peer's longest timeouts.
inline constexpr uint32_t kTimeWaitMs = 10'000;

// What a server does with a SYN.
enum class Reception : uint8_t { accepts, refuses, ignores };
enum class Ending : uint8_t { none, closed, reset, refused, timed_out, gave_up, reset_by_itself, vanished };
inline constexpr std::array kEndingNames = {"goes on",   "closed",  "reset",           "refused",
                                            "timed out", "gave up", "reset by itself", "vanished"};

struct EndSetup {
  const EndScript& script;
  Stream own;                         // what it says
  Stream expected;                    // what the peer says
  std::vector<uint64_t> peer_urgent;  // offsets
  Family family;
  Witness witness;
  // Of a server.
  Reception reception = Reception::accepts;
  uint32_t answer_delay_ms = 0;
  // The middle translates nothing but addresses: timestamps are the peer's own.
  bool is_transparent = true;
  // The peer knows our MSS.
  bool mss_is_known = true;
  // Somebody on the way may believe in an older connection of this client's port.
  bool had_predecessor = false;
};

class TcpEnd {
 public:
  explicit TcpEnd(EndSetup setup);
  TcpEnd(const TcpEnd&) = delete;
  TcpEnd& operator=(const TcpEnd&) = delete;

  void open(VirtualMs now_ms);  // client
  void arrive(const Segment& segment, VirtualMs now_ms);
  void take_too_big(const TooBig& told, VirtualMs now_ms);
  void wake(VirtualMs now_ms);
  VirtualMs next_wake_ms() const;
  std::vector<Segment> take_sent();

  // The true other end, to compare with; none known: null.
  void set_peer(const TcpEnd* peer) { peer_ = peer; }
  bool is_established() const { return state_ >= State::connected; }
  bool is_over() const { return ending_ != Ending::none; }
  // A SYN finds a listening socket again.
  bool listens_again() const { return is_over() && ending_ != Ending::vanished && reception_ == Reception::accepts; }
  bool is_started() const { return state_ != State::idle; }
  Ending ending() const { return ending_; }
  VirtualMs ended_ms() const { return ended_ms_; }
  // All of the peer's bytes and its FIN have arrived.
  bool is_whole() const { return receiver_.is_whole(); }
  uint64_t received() const { return receiver_.received(); }
  // Without what the middle said first.
  uint64_t heard_of_peer() const {
    return receiver_.received() - std::min(receiver_.received(), receiver_.expected().preamble_bytes());
  }
  // Anything at all, in order or not.
  bool has_heard() const { return receiver_.received() != 0 || receiver_.fin_taken() || receiver_.has_gaps(); }
  std::string status() const;

 private:
  enum class State : uint8_t { idle, syn_sent, syn_received, connected, time_wait };

  // tcp_arrival.cpp
  void arrive_idle(const Segment& segment, VirtualMs now_ms);
  void arrive_syn_sent(const Segment& segment, VirtualMs now_ms);
  void arrive_connected(const Segment& segment, VirtualMs now_ms);
  void take_syn_ack(const Segment& segment, VirtualMs now_ms);
  void check_answer(const Segment& segment) const;
  void check_sound(int64_t begin, const Segment& segment) const;
  bool check_timestamps(int64_t begin, const Segment& segment, VirtualMs now_ms);
  void check_refused_by_paws(int64_t begin, const Segment& segment, VirtualMs now_ms) const;
  bool take_reset_or_syn(int64_t begin, const Segment& segment, VirtualMs now_ms);
  bool take_ack(int64_t begin, const Segment& segment, VirtualMs now_ms);
  void take_data(int64_t begin, const Segment& segment, VirtualMs now_ms);
  void answer_unacceptable(int64_t begin, const Segment& segment, VirtualMs now_ms);

  // tcp_end.cpp
  void agree(const TcpOptions& theirs);
  void establish(VirtualMs now_ms);
  void pump(VirtualMs now_ms);
  void settle(VirtualMs now_ms);
  void wake_handshake(VirtualMs now_ms);
  void wake_keepalive(VirtualMs now_ms);
  void end(Ending ending, VirtualMs now_ms);
  void abort(Ending ending, VirtualMs now_ms);
  VirtualMs keepalive_ms() const;

  // tcp_output.cpp
  void say_syn(VirtualMs now_ms);
  void say_syn_ack(VirtualMs now_ms);
  void say_piece(const Piece& piece, VirtualMs now_ms);
  void say_empty(Place place, VirtualMs now_ms);
  void say_reset(VirtualMs now_ms);
  void answer_closed(const Segment& segment);
  void emit(Segment segment, VirtualMs now_ms);
  void add_sack(Segment& segment);
  unsigned payload_max(const TcpOptions& theirs) const;
  void put(Segment segment);

  const EndScript& script_;
  const Family family_;
  const Witness witness_;
  const Reception reception_;
  const uint32_t answer_delay_ms_;
  const bool is_transparent_, mss_is_known_, had_predecessor_;
  const TcpEnd* peer_ = nullptr;

  State state_ = State::idle;
  Ending ending_ = Ending::none;
  VirtualMs opened_ms_ = 0, heard_ms_ = 0, ended_ms_ = 0;
  const Stream own_;
  Application application_;
  Sender sender_;
  Receiver receiver_;
  TimestampClock clock_;
  std::vector<Segment> sent_;

  // Agreed in the handshake.
  bool timestamps_ = false, sack_ = false, ecn_ = false;
  unsigned shift_ = 0;  // of the windows that we tell
  uint32_t peer_isn_ = 0;
  TcpOptions peer_options_;
  unsigned path_mtu_bytes_ = kMtuBytes;

  VirtualMs handshake_ms_ = kNever;  // the SYN or SYN-ACK goes out (again)
  uint32_t handshake_sends_ = 0;
  bool ack_now_ = false;
  unsigned segments_to_ack_ = 0;
  VirtualMs delayed_ack_ms_ = kNever;
  VirtualMs answered_ms_ = 0;  // an unacceptable segment without data, for the last time
  Place acked_place_ = 1;      // RFC 7323: Last.ACK.sent
  uint32_t keepalives_ = 0;    // unanswered
  VirtualMs keepalive_said_ms_ = 0;
  bool closes_first_ = false;
  VirtualMs time_wait_ms_ = kNever;
};

}  // namespace millrace::sim
