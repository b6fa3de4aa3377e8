#include "dataplane/tcp/tcp_state.h"

#include <array>

#include "millrace/ids.h"

namespace millrace {

namespace {

constexpr unsigned kDirectionCount = 2;
constexpr unsigned kTcpEventCount = 5;

constexpr uint32_t kEstablishedTimeoutMs = (2 * 60 + 4) * 60 * 1000;  // RFC 5382 REQ-5: at least 2 h 4 min
constexpr uint32_t kOpenTimeoutMs = 5 * 60 * 1000;                    // RFC 4787 REQ-5: 5 min are recommended

struct Transition {
  ConnState from;
  Direction direction;
  TcpEvent event;
  ConnState to;
};

using enum ConnState;
constexpr Direction kClient = Direction::forward;
constexpr Direction kBackend = Direction::reverse;

// What is not listed changes nothing: retransmissions, data, and segments that only the two ends can judge (a SYN
// within a connection is answered by a challenge ACK, RFC 5961 section 4).
constexpr Transition kTransitions[] = {
    // The backend accepts.
    {syn_sent, kBackend, TcpEvent::syn_ack, syn_received},
    // Both sides connect at once (RFC 9293 figure 7; RFC 5382 REQ-2 wants it to work).
    {syn_sent, kBackend, TcpEvent::syn, syn_received},
    // The backend refuses.
    {syn_sent, kBackend, TcpEvent::rst, closed},
    // The client gives up.
    {syn_sent, kClient, TcpEvent::rst, closed},

    // The handshake is complete.
    {syn_received, kClient, TcpEvent::other, established},
    // The same after a simultaneous connect, where the client's ACK carries its SYN again.
    {syn_received, kClient, TcpEvent::syn_ack, established},
    // A client that closes at once; its FIN carries the ACK of the handshake.
    {syn_received, kClient, TcpEvent::fin, client_fin},
    // The backend has the client's ACK, which another path or a loss hid from us, and closes first.
    {syn_received, kBackend, TcpEvent::fin, backend_fin},
    // The client does not want it any more (a port scan ends so).
    {syn_received, kClient, TcpEvent::rst, closed},
    // The backend gives up waiting for the ACK.
    {syn_received, kBackend, TcpEvent::rst, closed},

    // The client closes its half; the backend may go on sending.
    {established, kClient, TcpEvent::fin, client_fin},
    // The backend closes its half; the client may go on sending.
    {established, kBackend, TcpEvent::fin, backend_fin},
    // The client aborts.
    {established, kClient, TcpEvent::rst, closed},
    // The backend aborts.
    {established, kBackend, TcpEvent::rst, closed},

    // The backend closes after the client.
    {client_fin, kBackend, TcpEvent::fin, time_wait},
    // The client drops data that came after its close.
    {client_fin, kClient, TcpEvent::rst, closed},
    // The backend aborts instead of closing.
    {client_fin, kBackend, TcpEvent::rst, closed},

    // The client closes after the backend.
    {backend_fin, kClient, TcpEvent::fin, time_wait},
    // The client aborts instead of closing.
    {backend_fin, kClient, TcpEvent::rst, closed},
    // The backend drops data that came after its close.
    {backend_fin, kBackend, TcpEvent::rst, closed},

    // A SYN that is not newer than the old connection was passed on to the backend, and the backend took it.
    {time_wait, kBackend, TcpEvent::syn_ack, syn_received},

    // Otherwise time_wait and closed have no way out but silence and a new SYN. A RST cannot shorten time_wait
    // (RFC 1337). A RST that its receiver refuses leaves a connection that works as long as it is not silent for
    // closed_timeout_ms; it is not taken back to established, or each segment in flight would count as one more reset.
};

using Table = std::array<std::array<std::array<ConnState, kTcpEventCount>, kDirectionCount>, kConnStateCount>;

constexpr Table expand() {
  Table table{};
  for (unsigned state = 0; state < kConnStateCount; ++state)
    for (auto& by_event : table[state]) by_event.fill(static_cast<ConnState>(state));
  for (const Transition& transition : kTransitions)
    table[raw(transition.from)][static_cast<unsigned>(transition.direction)][static_cast<unsigned>(transition.event)] =
        transition.to;
  return table;
}
constexpr Table kTable = expand();

}  // namespace

TcpEvent tcp_event(uint8_t flags) {
  if (flags & kTcpRst) return TcpEvent::rst;
  if (flags & kTcpSyn) return flags & kTcpAck ? TcpEvent::syn_ack : TcpEvent::syn;
  return flags & kTcpFin ? TcpEvent::fin : TcpEvent::other;
}

ConnState next_state(ConnState state, Direction direction, TcpEvent event) {
  // The state lies in the shared segment, where another process could have spoilt it.
  if (raw(state) >= kConnStateCount) return closed;
  return kTable[raw(state)][static_cast<unsigned>(direction)][static_cast<unsigned>(event)];
}

ConnState next_client_state(ConnState state, TcpEvent event) {
  switch (event) {
    case TcpEvent::rst:
      return closed;
    case TcpEvent::fin:
      return client_fin;
    case TcpEvent::other:
      return state == client_fin ? client_fin : established;
    case TcpEvent::syn:
    case TcpEvent::syn_ack:
      return raw(state) < kConnStateCount ? state : closed;
  }
  return closed;
}

bool client_reopens(ConnState state) { return state == client_fin || state == closed; }

uint32_t state_timeout_ms(ConnState state, const SettingsCommand& settings) {
  switch (state) {
    case syn_sent:
      return settings.syn_sent_timeout_ms;
    case syn_received:
      return settings.syn_received_timeout_ms;
    case established:
      return kEstablishedTimeoutMs;
    case client_fin:
    case backend_fin:
      return settings.fin_wait_timeout_ms;
    case time_wait:
      return settings.time_wait_timeout_ms;
    case closed:
      return settings.closed_timeout_ms;
    case open:
    case counted:
      return kOpenTimeoutMs;
    case hello:
    case connect:
    case header:
    case ConnState::free:
      return 0;
  }
  return 0;
}

}  // namespace millrace
