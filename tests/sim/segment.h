// segment.h: TCP segments of the simulator, and frames made of and read from them. Own code throughout, so that a mistake
// of the dataplane's cannot hide behind the same mistake here.
// Fails:  read_frame says in words what is wrong with a frame; nothing is wrong with a frame that the middle may send.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "millrace/addr.h"

namespace millrace::sim {

using Bytes = std::vector<uint8_t>;

inline constexpr uint8_t kFin = 0x01, kSyn = 0x02, kRst = 0x04, kPsh = 0x08, kAck = 0x10, kUrg = 0x20, kEce = 0x40,
                         kCwr = 0x80;
inline constexpr uint16_t kMtuBytes = 1500;
inline constexpr unsigned kOptionBytesMax = 40;

struct SackBlock {
  uint32_t left = 0, right = 0;
};
struct Timestamps {
  uint32_t value = 0, echo = 0;
};

struct TcpOptions {
  std::optional<uint16_t> mss;
  std::optional<uint8_t> window_scale;
  bool sack_permitted = false;
  std::optional<Timestamps> timestamps;
  std::vector<SackBlock> sack;
  std::optional<Bytes> fast_open;  // RFC 7413: a cookie, or empty to ask for one
  bool experimental = false;       // a kind that nobody knows (RFC 6994)
};

// How options lie in the header; all are right, stacks differ.
enum class OptionLayout : uint8_t {
  aligned,  // with NOPs, so that numbers stand at multiples of 4
  packed,   // back to back, the end padded
  odd,      // a NOP first, the other way round: numbers stand at odd addresses
};

struct Segment {
  uint32_t seq = 0, ack = 0;
  uint8_t flags = 0;
  uint16_t window = 0;
  uint16_t urgent = 0;
  TcpOptions options;
  OptionLayout layout = OptionLayout::aligned;
  Bytes payload;

  bool has(uint8_t flag) const { return (flags & flag) != 0; }
  // Places that it takes in the sequence space.
  uint32_t length() const {
    return static_cast<uint32_t>(payload.size()) + (has(kSyn) ? 1u : 0u) + (has(kFin) ? 1u : 0u);
  }
  // As tcpdump would print it, in one line.
  std::string text() const;
};

// Bytes that the options take in the header, padding included.
unsigned option_bytes(const TcpOptions& options, OptionLayout layout);
// IP and TCP headers without options.
constexpr unsigned header_bytes(Family family) { return family == Family::ipv4 ? 40 : 60; }

// Both ends of a hop.
struct Path {
  MacAddr src_mac, dst_mac;
  Endpoint src, dst;
};

Bytes make_frame(const Path& path, const Segment& segment);

// "Fragmentation needed" (RFC 1191) or "packet too big" (RFC 4443) about a segment of the receiver's own.
struct TooBig {
  Endpoint src, dst;  // of the segment
  uint32_t seq = 0;
  uint32_t mtu_bytes = 0;
};

struct Arrival {
  Path path;
  Segment segment;
  std::optional<TooBig> too_big;  // then there is no segment, and `path` has no ports
  unsigned option_bytes = 0;
  std::string wrong;  // empty: a sound TCP segment or error message
};
Arrival read_frame(const Bytes& frame);

}  // namespace millrace::sim
