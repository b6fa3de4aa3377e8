// proxy_splice.h: what the dataplane remembers of a spliced connection's sequence numbers, and what it lets change the
// connection's state. The two ends judge every segment by themselves (RFC 5961), so nothing is dropped here; but a reset
// or FIN that was sent blindly must not end what the ends go on with.
// Route:  act_burst > act_on_settled > track_segment; act_on_flow > act_on_spliced
// Thread: owning worker.
// Tests:  tests/unit/stages/proxy_test.cpp, tests/tcp
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "dataplane/stages/tcp_segment.h"
#include "dataplane/stages/worker_context.h"
#include "dataplane/tcp/splice_translate.h"

namespace millrace {

// How far a sequence number may lie from the last one that was seen: the widest windows in use.
inline constexpr uint32_t kPlausibleDistance = 1u << 24;

inline bool is_near(uint32_t a, uint32_t b) { return a - b + kPlausibleDistance <= 2 * kPlausibleDistance; }

// What is remembered of one side.
struct SideNumbers {
  uint32_t next;   // Splice::client_next or backend_next
  uint32_t acked;  // of the peer's, by this side
};
static_assert(offsetof(Splice, client_acked) == offsetof(Splice, client_next) + offsetof(SideNumbers, acked));
static_assert(offsetof(Splice, backend_next) == offsetof(Splice, client_next) + sizeof(SideNumbers));
static_assert(offsetof(Splice, backend_acked) == offsetof(Splice, backend_next) + offsetof(SideNumbers, acked));

inline SideNumbers numbers_of(const Splice& splice, Direction sender) {
  return field_of<SideNumbers>(splice, offsetof(Splice, client_next), sender);
}
inline void set_numbers(Splice& splice, Direction sender, const SideNumbers& numbers) {
  const size_t offset = offsetof(Splice, client_next) + static_cast<size_t>(sender) * sizeof numbers;
  std::memcpy(reinterpret_cast<uint8_t*>(&splice) + offset, &numbers, sizeof numbers);
}

constexpr uint32_t later_of(uint32_t a, uint32_t b) { return seq_before(a, b) ? b : a; }

// False: it was sent blindly, and nothing is remembered of it.
inline bool track_segment(Splice& splice, Direction from, const TcpSegment& segment) {
  SideNumbers numbers = numbers_of(splice, from);
  if (!is_near(segment.seq, numbers.next)) return false;
  if (segment.has(kTcpAck)) {
    const Direction peer = opposite(from);
    if (!is_near(segment.ack, numbers_of(splice, peer).next + seq_delta_of(splice, peer))) return false;
    numbers.acked = later_of(numbers.acked, segment.ack);
  }
  numbers.next = later_of(numbers.next, segment.end());
  set_numbers(splice, from, numbers);
  return true;
}

// For a settled segment of a spliced connection. False: it counts as no sign of life, or is done.
bool pass_spliced(Worker& worker, Burst& burst, unsigned i);

enum class SpliceVerdict : uint8_t {
  done,    // the packet has ended here
  pass,    // on to the other side; it changes nothing
  decide,  // the state table has the word
};
// For a TCP packet of a spliced connection.
SpliceVerdict act_on_spliced(Worker& worker, Burst& burst, unsigned i);

}  // namespace millrace
