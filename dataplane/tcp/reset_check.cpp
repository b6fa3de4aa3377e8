#include "dataplane/tcp/reset_check.h"

namespace millrace {
namespace {

bool has_acknowledged(ConnState state, Direction side) {
  return side == Direction::reverse || (state != ConnState::syn_sent && state != ConnState::syn_received);
}

uint32_t reach_of(Direction from, bool is_reset) {
  return is_reset && from == Direction::forward ? kClientResetReachBytes : kFinReachBytes;
}

}  // namespace

bool ends_connection(const ConnEntry& entry, Direction from, uint32_t seq, bool is_reset) {
  const Direction other = from == Direction::forward ? Direction::reverse : Direction::forward;
  if (!has_acknowledged(entry.state, other)) return true;
  const uint16_t acked_half = entry.tcp_halves[static_cast<unsigned>(other)];
  const auto ahead = static_cast<uint16_t>(static_cast<uint16_t>(seq >> 16) - acked_half);
  return ahead <= reach_of(from, is_reset) >> 16;
}

bool is_newer_syn(const ConnEntry& entry, uint32_t seq) {
  const uint32_t client_end = static_cast<uint32_t>(entry.tcp_halves[0]) << 16 | entry.tcp_halves[1];
  return static_cast<int32_t>(seq - client_end) >= 0;
}

}  // namespace millrace
