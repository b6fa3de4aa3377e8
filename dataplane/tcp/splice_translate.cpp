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

// What the sender's peer does not know, it must not see.
bool receiver_has(const Splice& splice, Direction direction, uint8_t what) {
  return (sender_has(splice, opposite(direction)) & what) != 0;
}

uint16_t fold(uint64_t sum) {
  sum = (sum >> 32) + (sum & 0xffff'ffff);
  sum = (sum >> 16) + (sum & 0xffff);
  sum = (sum >> 16) + (sum & 0xffff);
  return static_cast<uint16_t>((sum >> 16) + sum);
}

// Two 32-bit numbers in network order, as SEQ and ACK or both timestamps are. Returns how their sum changes, not folded.
uint64_t add_to_pair(uint8_t* at, uint32_t to_first, uint32_t to_second) {
  Be32 before[2];
  std::memcpy(before, at, sizeof before);
  const Be32 after[2] = {Be32::from_host(before[0].host() + to_first), Be32::from_host(before[1].host() + to_second)};
  std::memcpy(at, after, sizeof after);
  return uint64_t{~before[0].raw} + ~before[1].raw + after[0].raw + after[1].raw;
}

uint64_t shift_window_of(rte_tcp_hdr& tcp, int8_t shift) {
  const Be16 before{tcp.rx_win};
  const Be16 after = Be16::from_host(shift_window(before.host(), shift));
  tcp.rx_win = after.raw;
  return uint64_t{static_cast<uint16_t>(~before.raw)} + after.raw;
}

// Options in any order, number and alignment. Collects how the sum changes.
class OptionTranslation {
 public:
  OptionTranslation(rte_tcp_hdr& tcp, const Splice& splice, Direction direction)
      : tcp_(tcp), splice_(splice), direction_(direction) {}

  uint16_t run() {
    TcpOptionWalk walk(tcp_);
    while (walk.next()) {
      auto* option = const_cast<uint8_t*>(walk.option());
      const size_t bytes = walk.bytes();
      if (option[0] == kOptionTimestamps && bytes == kTimestampBytes)
        known(kSpliceTimestamps) ? timestamps(option + 2) : set_nops(option, bytes);
      else if (option[0] == kOptionSack)
        known(kSpliceSack) ? sack(option, bytes) : set_nops(option, bytes);
    }
    const uint16_t swapped = fold(odd_sum_);
    return checksum_add(fold(sum_), static_cast<uint16_t>(swapped << 8 | swapped >> 8));
  }

 private:
  bool known(uint8_t what) const { return receiver_has(splice_, direction_, what); }
  void timestamps(uint8_t* value) {
    add32(value, ts_delta_of(splice_, direction_));
    // Without ACK the echo is not valid and zero (RFC 7323 section 3.2).
    if ((tcp_.tcp_flags & kTcpAck) != 0) add32(value + 4, 0 - ts_delta_of(splice_, opposite(direction_)));
  }
  void sack(uint8_t* option, size_t bytes) {
    for (uint8_t* edge = option + 2; edge + 4 <= option + bytes; edge += 4)
      add32(edge, 0 - seq_delta_of(splice_, opposite(direction_)));
    if (direction_ == Direction::reverse && splice_.proxy_protocol != ProxyProtocol::none)
      hide_duplicate(option, bytes);
  }
  // A first block below the ACK tells of bytes that came twice (RFC 2883), perhaps of our PROXY header: those are nothing
  // of the client's. It is only of use, and repeating the second block, or none, says nothing wrong.
  void hide_duplicate(uint8_t* option, size_t bytes) {
    const uint32_t ack = Be32{tcp_.recv_ack}.host();
    if (bytes < 10 || static_cast<int32_t>(ack - read32(option + 6)) < 0) return;
    if (bytes < 18) return set_nops(option, bytes);
    for (uint8_t* edge : {option + 2, option + 6}) add32(edge, read32(edge + 8) - read32(edge));
  }
  static uint32_t read32(const uint8_t* at) {
    Be32 value;
    std::memcpy(&value.raw, at, sizeof value.raw);
    return value.host();
  }
  void add32(uint8_t* at, uint32_t increment) {
    Be32 before;
    std::memcpy(&before.raw, at, sizeof before.raw);
    const Be32 after = Be32::from_host(before.host() + increment);
    std::memcpy(at, &after.raw, sizeof after.raw);
    (odd(at) ? odd_sum_ : sum_) += uint64_t{~before.raw} + after.raw;
  }
  void set_nops(uint8_t* at, size_t bytes) {
    // Byte by byte, each as the word that it is a half of.
    for (uint8_t* end = at + bytes; at < end; ++at) {
      const unsigned shift = odd(at) ? 8 : 0;
      sum_ += uint64_t{static_cast<uint16_t>(~(uint32_t{*at} << shift))} + (uint32_t{kOptionNop} << shift);
      *at = kOptionNop;
    }
  }
  bool odd(const uint8_t* at) const { return ((at - reinterpret_cast<const uint8_t*>(&tcp_)) & 1) != 0; }

  rte_tcp_hdr& tcp_;
  const Splice& splice_;
  Direction direction_;
  uint64_t sum_ = 0;
  uint64_t odd_sum_ = 0;  // of values at odd offsets, whose bytes count the other way round
};

// All but options. The sum is not folded.
inline uint64_t translate_fixed(rte_tcp_hdr& tcp, const Splice& splice, Direction direction, uint32_t if_ack) {
  uint64_t sum = add_to_pair(reinterpret_cast<uint8_t*>(&tcp) + offsetof(rte_tcp_hdr, sent_seq),
                             seq_delta_of(splice, direction), (0 - seq_delta_of(splice, opposite(direction))) & if_ack);
  const int8_t shift = window_shift_of(splice, direction);
  if (shift != 0 && (tcp.tcp_flags & kTcpSyn) == 0) [[unlikely]]
    sum += shift_window_of(tcp, shift);
  return sum;
}

// Out of the way of nearly all others.
[[gnu::noinline]] uint16_t translate_odd(rte_tcp_hdr& tcp, const Splice& splice, Direction direction, uint32_t if_ack) {
  const uint16_t fixed = fold(translate_fixed(tcp, splice, direction, if_ack));
  return checksum_add(fixed, OptionTranslation(tcp, splice, direction).run());
}

}  // namespace

uint16_t splice_translate(rte_tcp_hdr& tcp, const Splice& splice, Direction direction) {
  // Without ACK neither the number nor the echo is valid, and both are zero (RFC 9293 section 3.1, RFC 7323 section 3.2).
  const uint32_t if_ack = (tcp.tcp_flags & kTcpAck) != 0 ? ~0u : 0;
  const unsigned option_bytes = tcp_header_bytes(tcp) - static_cast<unsigned>(sizeof tcp);
  if (option_bytes == 0) return fold(translate_fixed(tcp, splice, direction, if_ack));
  uint8_t* options = reinterpret_cast<uint8_t*>(&tcp) + sizeof tcp;
  uint32_t first;
  std::memcpy(&first, options, sizeof first);
  if (option_bytes != sizeof first + 8 || first != kPlainTimestamps ||
      !receiver_has(splice, direction, kSpliceTimestamps)) [[unlikely]]
    return translate_odd(tcp, splice, direction, if_ack);
  return fold(translate_fixed(tcp, splice, direction, if_ack) +
              add_to_pair(options + sizeof first, ts_delta_of(splice, direction),
                          (0 - ts_delta_of(splice, opposite(direction))) & if_ack));
}

}  // namespace millrace
