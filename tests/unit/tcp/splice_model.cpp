#include "tests/unit/tcp/splice_model.h"

#include <algorithm>
#include <memory>

#include "dataplane/stages/checksum.h"
#include "dataplane/tcp/tcp_options.h"

namespace millrace {

using wire::Bytes;
using wire::joined;

namespace {

void set32(Bytes& bytes, size_t at, uint32_t value) {
  wire::set16(bytes, at, value >> 16);
  wire::set16(bytes, at + 2, value & 0xffff);
}
Bytes be32(uint32_t value) {
  Bytes out(4);
  set32(out, 0, value);
  return out;
}

// The addresses that splice_translate() does not see, and does not change.
Bytes pseudo_header(const Bytes& segment) {
  return wire::pseudo_header(wire::addr("192.0.2.10"), wire::addr("203.0.113.10"), 6, segment.size());
}
void set_checksum(Bytes& segment) {
  wire::set16(segment, kChecksumAt, 0);
  wire::set16(segment, kChecksumAt, wire::checksum(joined(pseudo_header(segment), segment)));
}

// What a direction does to the numbers of its segments.
struct Rules {
  uint32_t seq_plus, ack_minus, value_plus, echo_minus;
  int shift;
  bool timestamps, sack;  // the receiver knows them
};
Rules rules_of(const Splice& splice, Direction direction) {
  if (direction == Direction::forward)
    return {splice.forward_seq_delta,
            splice.reverse_seq_delta,
            splice.forward_ts_delta,
            splice.reverse_ts_delta,
            splice.forward_window_shift,
            (splice.backend_has & kSpliceTimestamps) != 0,
            (splice.backend_has & kSpliceSack) != 0};
  return {splice.reverse_seq_delta,
          splice.forward_seq_delta,
          splice.reverse_ts_delta,
          splice.forward_ts_delta,
          splice.reverse_window_shift,
          (splice.client_has & kSpliceTimestamps) != 0,
          (splice.client_has & kSpliceSack) != 0};
}

void model_option(Bytes& segment, size_t at, const Rules& rules) {
  const uint8_t kind = segment[at], bytes = segment[at + 1];
  const bool is_timestamps = kind == 8 && bytes == 10, is_sack = kind == 5;
  if ((is_timestamps && !rules.timestamps) || (is_sack && !rules.sack)) {
    for (size_t i = at; i < at + bytes; ++i) segment[i] = 1;
  } else if (is_timestamps) {
    set32(segment, at + 2, get32(segment, at + 2) + rules.value_plus);
    if ((segment[kFlagsAt] & 0x10) != 0) set32(segment, at + 6, get32(segment, at + 6) - rules.echo_minus);
  } else if (is_sack) {
    for (size_t edge = at + 2; edge + 4 <= at + bytes; edge += 4)
      set32(segment, edge, get32(segment, edge) - rules.ack_minus);
  }
}

}  // namespace

Bytes segment_of(const Fields& fields, Bytes options, const Bytes& payload) {
  while (options.size() % 4 != 0) options.push_back(kOptionNop);
  Bytes out = {0x0f, 0xa0, 0, 80};
  out = joined(joined(out, be32(fields.seq)), be32(fields.ack));
  wire::put16(out, static_cast<uint32_t>((kHeaderBytes + options.size()) / 4 << 12 | fields.flags));
  wire::put16(out, fields.window);
  wire::put16(out, 0);
  wire::put16(out, fields.urgent);
  out = joined(joined(out, options), payload);
  set_checksum(out);
  return out;
}

Bytes timestamps(uint32_t value, uint32_t echo) { return joined(joined({8, 10}, be32(value)), be32(echo)); }

Bytes sack(const std::vector<uint32_t>& edges) {
  Bytes out = {5, static_cast<uint8_t>(2 + 4 * edges.size())};
  for (const uint32_t edge : edges) out = joined(out, be32(edge));
  return out;
}

bool checksum_is_right(const Bytes& segment) { return wire::checksum(joined(pseudo_header(segment), segment)) == 0; }

Bytes modelled(Bytes segment, const Splice& splice, Direction direction) {
  const Rules rules = rules_of(splice, direction);
  set32(segment, kSeqAt, get32(segment, kSeqAt) + rules.seq_plus);
  if ((segment[kFlagsAt] & 0x10) != 0) set32(segment, kAckAt, get32(segment, kAckAt) - rules.ack_minus);
  if ((segment[kFlagsAt] & 0x02) == 0) {
    uint64_t window = wire::get16(segment, kWindowAt);
    for (int i = 0; i < rules.shift; ++i) window *= 2;
    for (int i = 0; i > rules.shift; --i) window /= 2;
    wire::set16(segment, kWindowAt, static_cast<uint32_t>(std::min<uint64_t>(window, 0xffff)));
  }
  const size_t end = (segment[12] >> 4) * 4u;
  for (size_t at = kHeaderBytes; at < end && segment[at] != 0;) {
    if (segment[at] == 1) {
      ++at;
      continue;
    }
    if (at + 1 == end || segment[at + 1] < 2 || at + segment[at + 1] > end) break;
    const size_t bytes = segment[at + 1];
    model_option(segment, at, rules);
    at += bytes;
  }
  set_checksum(segment);
  return segment;
}

// In memory that ends with the segment and begins, as behind Ethernet and IP headers, at half a word.
Bytes translated(const Bytes& segment, const Splice& splice, Direction direction) {
  const std::unique_ptr<uint8_t[]> memory(new uint8_t[2 + segment.size()]);
  std::copy(segment.begin(), segment.end(), memory.get() + 2);
  auto& tcp = *reinterpret_cast<rte_tcp_hdr*>(memory.get() + 2);
  const uint16_t delta = splice_translate(tcp, splice, direction);
  tcp.cksum = apply_delta(tcp.cksum, delta);
  return {memory.get() + 2, memory.get() + 2 + segment.size()};
}

}  // namespace millrace
