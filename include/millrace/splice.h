// splice.h: what a proxied connection has beside its ConnEntry: how the numbers of its two TCP connections translate,
// and how far its handshake with the backend is. One cache line; entry i of the section belongs to slab entry i.
// Writer: the owning worker. Readers: the control plane, by read_conn_splice.
// Numbering: client_… counts as the client sees the connection, backend_… as the backend does. A delta is added on the
//         way to the other side (mod 2^32), and subtracted from acknowledgments and echoes that come back.
#pragma once

#include <atomic>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "millrace/conn_entry.h"
#include "millrace/ids.h"

namespace millrace {

inline constexpr uint8_t kNoWindowScale = 0xff;  // the side did not offer the option

// What both TCP connections can do; bits of Splice::client_has and Splice::backend_has.
inline constexpr uint8_t kSpliceTimestamps = 1;
inline constexpr uint8_t kSpliceSack = 2;

struct alignas(64) Splice {
  uint32_t forward_seq_delta;  // client's sequence number to what the backend sees
  uint32_t reverse_seq_delta;  // backend's sequence number to what the client sees
  uint32_t forward_ts_delta;   // likewise for TSval (RFC 7323)
  uint32_t reverse_ts_delta;
  // The highest that was seen, so that a reset can be told from a blind one (RFC 5961).
  uint32_t client_next;         // end of what the client sent
  uint32_t client_acked;        // of what we sent, by the client
  uint32_t backend_next;        // end of what the backend sent
  uint32_t backend_acked;       // of what we sent, by the backend
  int8_t forward_window_shift;  // window fields are shifted left by so much on their way, right when negative
  int8_t reverse_window_shift;
  uint8_t client_has;  // kSplice…
  uint8_t backend_has;
  uint8_t client_window_scale;  // kNoWindowScale
  uint8_t tries;                // backends tried
  uint16_t mss;                 // the client's; once the backend has answered, the lesser of both
  // Until established.
  uint16_t client_window;   // as the client wrote it
  uint16_t backend_window;  // as the backend wrote it
  uint8_t retransmits;      // of what we last said to the backend
  ProxyProtocol proxy_protocol;
  uint16_t first_said;      // bytes of what we say first to the backend that were said
  uint32_t client_ts;       // the client's last TSval of its handshake
  uint32_t client_ts_echo;  // what that echoed: our TSval to the client until then
  uint32_t deadline_ms;     // CLOCK_MONOTONIC: the state's end
  uint32_t due_ms;          // when the timer has something to do
};
static_assert(sizeof(Splice) == 64 && std::is_standard_layout_v<Splice>);

// As read_conn, both parts of one connection. `splice_copy` counts when copy.spliced is 1.
inline bool read_conn_splice(const ConnEntry& entry, const Splice& splice, ConnEntry& copy, Splice& splice_copy) {
  if (!read_conn(entry, copy)) return false;
  std::memcpy(static_cast<void*>(&splice_copy), static_cast<const void*>(&splice), sizeof splice_copy);
  std::atomic_thread_fence(std::memory_order_acquire);
  return entry.generation.load(std::memory_order_relaxed) == copy.generation.load(std::memory_order_relaxed);
}

}  // namespace millrace
