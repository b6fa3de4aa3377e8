// tcp_state.h: the TCP state table of a NAT (RFC 5382, RFC 7857 section 2), and how long each state may idle.
// Thread: owning worker.      Tests: tests/unit/tcp/tcp_state_test.cpp
#pragma once

#include <cstdint>

#include "dataplane/conn/conn_table.h"
#include "millrace/conn_entry.h"
#include "millrace/messages.h"

namespace millrace {

inline constexpr uint8_t kTcpFin = 0x01;
inline constexpr uint8_t kTcpSyn = 0x02;
inline constexpr uint8_t kTcpRst = 0x04;
inline constexpr uint8_t kTcpPsh = 0x08;
inline constexpr uint8_t kTcpAck = 0x10;

// What a segment means to the state table.
enum class TcpEvent : uint8_t { syn = 0, syn_ack = 1, fin = 2, rst = 3, other = 4 };
TcpEvent tcp_event(uint8_t flags);

// The state after `event` from `direction`. Equal to `state` for everything that changes nothing. An event is
// never refused: a NAT passes on what it does not understand and leaves it to the two ends.
ConnState next_state(ConnState state, Direction direction, TcpEvent event);

// The same where only the client is seen (modes dsr and tunnel): its first segment opens, any other one but a SYN
// establishes, a FIN closes its half. A RST is taken back by what follows: blindly sent ones must not matter.
ConnState next_client_state(ConnState state, TcpEvent event);
// The client has closed its half or reset, so a new SYN of its means that it has left the old connection behind.
bool client_reopens(ConnState state);

// ms that a connection in `state` may be silent. For `established` and `open` (UDP) this is the default of RFC 5382
// REQ-5 and RFC 4787 REQ-5, which holds where the service sets no idle timeout; conn/idle.h puts both together.
// 0 for the states of a proxied handshake, whose Splice says when they end.
uint32_t state_timeout_ms(ConnState state, const SettingsCommand& settings);

// Flags that no stack sends: SYN+FIN, SYN+RST, FIN without ACK, none of SYN, ACK and RST.
constexpr bool impossible_flags(uint8_t flags) {
  if (flags & kTcpSyn) return (flags & (kTcpFin | kTcpRst)) != 0;
  if (flags & kTcpFin) return (flags & kTcpAck) == 0;
  return (flags & (kTcpAck | kTcpRst)) == 0;
}

}  // namespace millrace
