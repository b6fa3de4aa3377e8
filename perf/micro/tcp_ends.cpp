#include "perf/micro/tcp_ends.h"

namespace millrace::perf {
namespace {

constexpr uint8_t kWindowScale = 7;
// As they stand in the headers; that of a SYN is never scaled.
constexpr uint16_t kClientSynWindow = 64'240, kBackendSynWindow = 65'160;
constexpr uint16_t kWindow = 502;

// Any number, always the same for one connection and purpose.
enum class Purpose : uint32_t { client_isn = 1, backend_isn = 2, client_clock = 3, backend_clock = 4 };
uint32_t number(uint32_t connection, Purpose purpose) {
  uint32_t x = connection * 0x9e37'79b1u + static_cast<uint32_t>(purpose) * 0x85eb'ca6bu;
  x = (x ^ x >> 16) * 0x7feb'352du;
  x = (x ^ x >> 15) * 0x846c'a68bu;
  return x ^ x >> 16;
}
uint32_t client_isn(uint32_t connection) { return number(connection, Purpose::client_isn); }
uint32_t backend_isn(uint32_t connection) { return number(connection, Purpose::backend_isn); }
// When the handshake ends.
uint32_t client_clock(uint32_t connection) { return number(connection, Purpose::client_clock); }
uint32_t backend_clock(uint32_t connection) { return number(connection, Purpose::backend_clock); }

constexpr uint32_t kHandshakeMs = 1;  // from the client's SYN to its ACK

}  // namespace

TcpEnds::TcpEnds(Family family, bool timestamps, uint32_t connections)
    : family_(family), timestamps_(timestamps), shifts_(connections) {}

uint32_t TcpEnds::client_begin(uint32_t connection) const { return client_isn(connection) + 1; }
uint32_t TcpEnds::backend_begin(uint32_t connection) const { return backend_isn(connection) + 1; }

TcpFields TcpEnds::timed(TcpFields tcp, uint32_t ts_value, uint32_t ts_echo) const {
  tcp.timestamps = timestamps_;
  if (!timestamps_) return tcp;
  tcp.ts_value = ts_value;
  tcp.ts_echo = ts_echo;
  return tcp;
}

TcpFields TcpEnds::syn_fields() const {
  const uint16_t mss = family_ == Family::ipv4 ? 1460 : 1440;
  return {.mss = mss, .window_scale = kWindowScale, .sack_permitted = true};
}

TcpFields TcpEnds::client_syn(uint32_t connection) const {
  TcpFields tcp = syn_fields();
  tcp.seq = client_isn(connection);
  tcp.window = kClientSynWindow;
  return timed(tcp, client_clock(connection) - kHandshakeMs, 0);
}

TcpFields TcpEnds::client_ack(uint32_t connection) const { return from_client(connection, {}); }

TcpFields TcpEnds::backend_syn_ack(uint32_t connection) const {
  TcpFields tcp = syn_fields();
  tcp.seq = backend_isn(connection);
  tcp.ack = client_begin(connection) + shifts_[connection].forward_seq;
  tcp.window = kBackendSynWindow;
  return timed(tcp, backend_clock(connection), client_clock(connection) + shifts_[connection].forward_ms);
}

TcpFields TcpEnds::own_syn_ack(uint32_t connection) const {
  TcpFields tcp = syn_fields();
  tcp.seq = backend_isn(connection) + shifts_[connection].reverse_seq;
  tcp.ack = client_begin(connection);
  return timed(tcp, backend_clock(connection) + shifts_[connection].reverse_ms,
               client_clock(connection) - kHandshakeMs);
}

TcpFields TcpEnds::own_syn(uint32_t connection, unsigned backend) const {
  TcpFields tcp = syn_fields();
  // A backend without timestamps would leave no room for those that its client is owed.
  if (timestamps_ && !heard_[backend]) tcp.mss = static_cast<uint16_t>(tcp.mss - kTimestampBytes);
  tcp.seq = client_isn(connection) + shifts_[connection].forward_seq;
  tcp.window = kWindow << kWindowScale;
  return timed(tcp, client_clock(connection) + shifts_[connection].forward_ms, 0);
}

TcpFields TcpEnds::own_ack_to_backend(uint32_t connection) const {
  return seen_by_backend(connection, client_ack(connection));
}

TcpFields TcpEnds::own_ack_to_client(uint32_t connection) const {
  TcpFields tcp = seen_by_client(connection, from_backend(connection, {}));
  tcp.window = kBackendSynWindow >> kWindowScale;
  return tcp;
}

void TcpEnds::learn_syn_ack(uint32_t connection, const TcpFields& own) {
  shifts_[connection].reverse_seq = own.seq - backend_isn(connection);
  shifts_[connection].reverse_ms = own.ts_value - backend_clock(connection);
}

void TcpEnds::learn_syn(uint32_t connection, const TcpFields& own) {
  shifts_[connection].forward_seq = own.seq - client_isn(connection);
  shifts_[connection].forward_ms = own.ts_value - client_clock(connection);
}

void TcpEnds::heard(unsigned backend) { heard_[backend] = true; }

// What the backend said, the client knows by the balancer's translation alone; likewise the other way round.
TcpFields TcpEnds::from_client(uint32_t connection, const Said& said) const {
  const Shift& shift = shifts_[connection];
  const TcpFields tcp{.seq = client_begin(connection) + said.client_bytes,
                      .ack = backend_begin(connection) + shift.reverse_seq + said.backend_bytes,
                      .window = kWindow};
  return timed(tcp, client_clock(connection) + said.client_ms,
               backend_clock(connection) + shift.reverse_ms + said.backend_ms);
}

TcpFields TcpEnds::from_backend(uint32_t connection, const Said& said) const {
  const Shift& shift = shifts_[connection];
  const TcpFields tcp{.seq = backend_begin(connection) + said.backend_bytes,
                      .ack = client_begin(connection) + shift.forward_seq + said.client_bytes,
                      .window = kWindow};
  return timed(tcp, backend_clock(connection) + said.backend_ms,
               client_clock(connection) + shift.forward_ms + said.client_ms);
}

TcpFields TcpEnds::translated(uint32_t connection, bool from_client, const TcpFields& sent) const {
  return from_client ? seen_by_backend(connection, sent) : seen_by_client(connection, sent);
}

TcpFields TcpEnds::seen_by_backend(uint32_t connection, TcpFields sent) const {
  const Shift& shift = shifts_[connection];
  sent.seq += shift.forward_seq;
  sent.ack -= shift.reverse_seq;
  return sent.timestamps ? timed(sent, sent.ts_value + shift.forward_ms, sent.ts_echo - shift.reverse_ms) : sent;
}

TcpFields TcpEnds::seen_by_client(uint32_t connection, TcpFields sent) const {
  const Shift& shift = shifts_[connection];
  sent.seq += shift.reverse_seq;
  sent.ack -= shift.forward_seq;
  return sent.timestamps ? timed(sent, sent.ts_value + shift.reverse_ms, sent.ts_echo - shift.forward_ms) : sent;
}

}  // namespace millrace::perf
