#include "dataplane/tcp/mss_clamp.h"

#include <cstring>

#include "dataplane/stages/checksum.h"
#include "dataplane/tcp/tcp_options.h"

namespace millrace {
namespace {

constexpr size_t kMssOptionBytes = 4;  // kind, length, value (RFC 9293 section 3.2)

// Of a value in the header, whose bytes may lie across two words of the sum.
uint16_t delta_of(Be16 before, Be16 after, bool odd) {
  if (!odd) return checksum_delta(before.raw, after.raw);
  return checksum_delta(__builtin_bswap16(before.raw), __builtin_bswap16(after.raw));
}

}  // namespace

bool clamp_mss(rte_tcp_hdr& tcp, uint16_t mss_max) {
  auto* header = reinterpret_cast<uint8_t*>(&tcp);
  for (TcpOptionWalk walk(tcp); walk.next();) {
    if (*walk.option() != kOptionMss || walk.bytes() != kMssOptionBytes) continue;
    const size_t offset = static_cast<size_t>(walk.option() + 2 - header);
    Be16 before;
    std::memcpy(&before.raw, header + offset, sizeof before.raw);
    if (before.host() <= mss_max) return false;
    const Be16 after = Be16::from_host(mss_max);
    std::memcpy(header + offset, &after.raw, sizeof after.raw);
    tcp.cksum = apply_delta(tcp.cksum, delta_of(before, after, offset % 2 != 0));
    return true;
  }
  return false;
}

}  // namespace millrace
