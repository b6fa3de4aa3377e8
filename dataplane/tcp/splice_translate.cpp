#include "dataplane/tcp/splice_translate.h"

#include <cstring>

#include "dataplane/stages/checksum.h"
#include "dataplane/tcp/tcp_options.h"
#include "dataplane/tcp/tcp_state.h"

namespace millrace {
namespace {

// Kind and length of timestamps behind two NOPs, as nearly every stack sends them alone: one load and one compare.
constexpr uint32_t kPlainTimestamps = Be32::from_host(0x0101'080a).raw;
constexpr size_t kTimestampBytes = 10;

// Collects how the checksum's sum changes.
class Change {
 public:
  // `at` holds a 32-bit number in network order.
  void add32(uint8_t* at, uint32_t increment) {
    Be32 before;
    std::memcpy(&before.raw, at, sizeof before.raw);
    const Be32 after = Be32::from_host(before.host() + increment);
    std::memcpy(at, &after.raw, sizeof after.raw);
    (odd(at) ? odd_sum_ : sum_) += uint64_t{static_cast<uint32_t>(~before.raw)} + after.raw;
  }
  void set16(uint8_t* at, uint16_t host_value) {
    uint16_t before;
    std::memcpy(&before, at, sizeof before);
    const uint16_t after = Be16::from_host(host_value).raw;
    std::memcpy(at, &after, sizeof after);
    (odd(at) ? odd_sum_ : sum_) += uint64_t{static_cast<uint16_t>(~before)} + after;
  }
  void set_nops(uint8_t* at, size_t bytes) {
    // Byte by byte, each as the word that it is a half of.
    for (uint8_t* end = at + bytes; at < end; ++at) {
      const unsigned shift = odd(at) ? 8 : 0;
      sum_ += uint64_t{static_cast<uint16_t>(~(uint32_t{*at} << shift))} + (uint32_t{kOptionNop} << shift);
      *at = kOptionNop;
    }
  }
  uint16_t delta() const {
    const uint16_t swapped = fold(odd_sum_);
    return checksum_add(fold(sum_), static_cast<uint16_t>(swapped << 8 | swapped >> 8));
  }
  explicit Change(const rte_tcp_hdr& tcp) : start_(reinterpret_cast<const uint8_t*>(&tcp)) {}

 private:
  bool odd(const uint8_t* at) const { return ((at - start_) & 1) != 0; }
  static uint16_t fold(uint64_t sum) {
    sum = (sum >> 32) + (sum & 0xffff'ffff);
    sum = (sum >> 16) + (sum & 0xffff);
    sum = (sum >> 16) + (sum & 0xffff);
    return static_cast<uint16_t>((sum >> 16) + sum);
  }

  const uint8_t* start_;
  uint64_t sum_ = 0;
  uint64_t odd_sum_ = 0;  // of values at odd offsets, whose bytes count the other way round
};

struct Translation {
  const Splice& splice;
  Direction direction;
  Change& change;
  bool acknowledges;

  // What the sender's peer does not know, it must not see.
  uint8_t receiver_has() const { return direction == Direction::forward ? splice.backend_has : splice.client_has; }

  void timestamps(uint8_t* value) const {
    change.add32(value, ts_delta_of(splice, direction));
    // Without ACK the echo is not valid and zero (RFC 7323 section 3.2).
    if (acknowledges) change.add32(value + 4, 0 - ts_delta_of(splice, opposite(direction)));
  }

  void sack(uint8_t* option, size_t bytes) const {
    for (uint8_t* edge = option + 2; edge + 4 <= option + bytes; edge += 4)
      change.add32(edge, 0 - seq_delta_of(splice, opposite(direction)));
  }

  [[gnu::noinline]] void options(rte_tcp_hdr& tcp) const {
    TcpOptionWalk walk(tcp);
    while (walk.next()) {
      auto* option = const_cast<uint8_t*>(walk.option());
      const size_t bytes = walk.bytes();
      if (option[0] == kOptionTimestamps && bytes == kTimestampBytes) {
        if (receiver_has() & kSpliceTimestamps)
          timestamps(option + 2);
        else
          change.set_nops(option, bytes);
      } else if (option[0] == kOptionSack) {
        if (receiver_has() & kSpliceSack)
          sack(option, bytes);
        else
          change.set_nops(option, bytes);
      }
    }
  }
};

}  // namespace

uint16_t splice_translate(rte_tcp_hdr& tcp, const Splice& splice, Direction direction) {
  auto* header = reinterpret_cast<uint8_t*>(&tcp);
  Change change(tcp);
  const bool acknowledges = (tcp.tcp_flags & kTcpAck) != 0;
  change.add32(header + offsetof(rte_tcp_hdr, sent_seq), seq_delta_of(splice, direction));
  if (acknowledges)
    change.add32(header + offsetof(rte_tcp_hdr, recv_ack), 0 - seq_delta_of(splice, opposite(direction)));
  const int8_t shift = direction == Direction::forward ? splice.forward_window_shift : splice.reverse_window_shift;
  if (shift != 0 && (tcp.tcp_flags & kTcpSyn) == 0)
    change.set16(header + offsetof(rte_tcp_hdr, rx_win), shift_window(Be16{tcp.rx_win}.host(), shift));

  const Translation translation{splice, direction, change, acknowledges};
  const unsigned option_bytes = tcp_header_bytes(tcp) - static_cast<unsigned>(sizeof tcp);
  if (option_bytes == 2 + kTimestampBytes) {
    uint32_t first;
    std::memcpy(&first, header + sizeof tcp, sizeof first);
    if (first == kPlainTimestamps && (translation.receiver_has() & kSpliceTimestamps) != 0) [[likely]] {
      translation.timestamps(header + sizeof tcp + 4);
      return change.delta();
    }
  }
  if (option_bytes != 0) translation.options(tcp);
  return change.delta();
}

}  // namespace millrace
