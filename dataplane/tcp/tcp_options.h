// tcp_options.h: the options of a TCP header (RFC 9293 section 3.2, 7323, 2018).
// Thread: any; pure functions.
// Fails:  never: an option list that breaks off or contradicts itself counts up to there (RFC 9293 section 3.1: what is
//         unknown is skipped). TCP Fast Open and all else that is not named below is passed over.
// Tests:  tests/unit/tcp/tcp_options_test.cpp
#pragma once

#include <rte_tcp.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "millrace/addr.h"
#include "millrace/splice.h"

namespace millrace {

inline constexpr uint8_t kOptionEnd = 0;
inline constexpr uint8_t kOptionNop = 1;
inline constexpr uint8_t kOptionMss = 2;
inline constexpr uint8_t kOptionWindowScale = 3;
inline constexpr uint8_t kOptionSackPermitted = 4;
inline constexpr uint8_t kOptionSack = 5;
inline constexpr uint8_t kOptionTimestamps = 8;

inline constexpr uint8_t kWindowScaleMax = 14;  // RFC 7323 section 2.3: what says more means 14
inline constexpr uint16_t kDefaultMss4 = 536;   // RFC 9293 section 3.7.1: of who says nothing
inline constexpr uint16_t kDefaultMss6 = 1220;
inline constexpr uint16_t kMssMin =
    216;  // less would only make many small segments of what we say; no host asks for it

struct TcpOptions {
  uint16_t mss = 0;                       // 0: none
  uint8_t window_scale = kNoWindowScale;  // 0 .. 14
  bool sack_permitted = false;
  bool timestamps = false;
  uint32_t ts_value = 0;
  uint32_t ts_echo = 0;
};

inline unsigned tcp_header_bytes(const rte_tcp_hdr& tcp) { return (tcp.data_off >> 4) * 4u; }

// The whole header, by its data offset, lies in the frame.
TcpOptions read_tcp_options(const rte_tcp_hdr& tcp);

// What who sent these with its SYN or SYN-ACK wants to be sent at most.
inline uint16_t mss_of(const TcpOptions& options, Family family) {
  if (options.mss != 0) return std::max(options.mss, kMssMin);
  return family == Family::ipv4 ? kDefaultMss4 : kDefaultMss6;
}

// How a SYN or a segment says them, padded to whole words with NOPs, in the layout that Linux uses: a receiver that has
// a fast path for timestamps takes it. Returns the bytes written, at most kOptionBytesMax.
inline constexpr size_t kOptionBytesMax = 40;
size_t write_tcp_options(const TcpOptions& options, uint8_t* out);

// One option after the other of a header; stops where the list ends or breaks off.
class TcpOptionWalk {
 public:
  TcpOptionWalk(const uint8_t* options, size_t bytes) : at_(options), end_(options + bytes) {}
  explicit TcpOptionWalk(const rte_tcp_hdr& tcp)
      : TcpOptionWalk(reinterpret_cast<const uint8_t*>(&tcp) + sizeof tcp, tcp_header_bytes(tcp) - sizeof tcp) {}

  // False at the end. Then: option() points to its kind, bytes() is its whole length, at least 2.
  bool next() {
    at_ += bytes_;
    bytes_ = 0;
    while (at_ < end_ && *at_ == kOptionNop) ++at_;
    if (end_ - at_ < 2 || *at_ == kOptionEnd || at_[1] < 2 || at_[1] > end_ - at_) return false;
    bytes_ = at_[1];
    return true;
  }
  const uint8_t* option() const { return at_; }
  size_t bytes() const { return bytes_; }

 private:
  const uint8_t* at_;
  const uint8_t* end_;
  size_t bytes_ = 0;
};

}  // namespace millrace
