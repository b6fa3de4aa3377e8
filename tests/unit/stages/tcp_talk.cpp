#include "tests/unit/stages/tcp_talk.h"

namespace millrace {
namespace {

void put32(wire::Bytes& out, uint32_t value) {
  wire::put16(out, value >> 16);
  wire::put16(out, value & 0xffff);
}
uint32_t get32(const wire::Bytes& bytes, size_t at) {
  return static_cast<uint32_t>(wire::get16(bytes, at)) << 16 | wire::get16(bytes, at + 2);
}

wire::Bytes option_bytes(const TalkOptions& options) {
  wire::Bytes out;
  if (options.mss != 0)
    out = wire::joined(out, {2, 4, static_cast<uint8_t>(options.mss >> 8), static_cast<uint8_t>(options.mss)});
  if (options.sack_permitted) out = wire::joined(out, {4, 2, 1, 1});
  if (options.timestamps) {
    out = wire::joined(out, {1, 1, 8, 10});
    put32(out, options.ts_value);
    put32(out, options.ts_echo);
  }
  if (options.window_scale >= 0) out = wire::joined(out, {1, 3, 3, static_cast<uint8_t>(options.window_scale)});
  if (!options.sack.empty()) {
    out = wire::joined(out, {1, 1, 5, static_cast<uint8_t>(2 + 8 * options.sack.size())});
    for (const auto& [left, right] : options.sack) {
      put32(out, left);
      put32(out, right);
    }
  }
  return out;
}

void read_option(const wire::Bytes& l4, size_t at, TalkOptions& options) {
  switch (l4.at(at)) {
    case 2:
      options.mss = wire::get16(l4, at + 2);
      return;
    case 3:
      options.window_scale = l4.at(at + 2);
      return;
    case 4:
      options.sack_permitted = true;
      return;
    case 5:
      for (size_t edge = at + 2; edge + 8 <= at + l4.at(at + 1); edge += 8)
        options.sack.emplace_back(get32(l4, edge), get32(l4, edge + 4));
      return;
    case 8:
      options.timestamps = true;
      options.ts_value = get32(l4, at + 2);
      options.ts_echo = get32(l4, at + 6);
      return;
    default:
      return;
  }
}

}  // namespace

wire::Bytes tcp_bytes(const Talk& talk) {
  const wire::Bytes options = option_bytes(talk.options);
  wire::Bytes out;
  wire::put16(out, talk.flow.src_port);
  wire::put16(out, talk.flow.dst_port);
  put32(out, talk.seq);
  put32(out, talk.ack);
  wire::put16(out, static_cast<uint32_t>((20 + options.size()) / 4 << 12 | talk.flags));
  wire::put16(out, talk.window);
  wire::put16(out, 0);
  wire::put16(out, talk.urgent);
  out = wire::joined(wire::joined(out, options), talk.payload);
  wire::set16(out, 16,
              wire::checksum(wire::joined(wire::pseudo_header(talk.flow.src, talk.flow.dst, 6, out.size()), out)));
  return out;
}

Talk read_talk(const wire::Bytes& frame) {
  const Seen packet = seen(frame);
  Talk talk{.flow = {packet.src, packet.dst, packet.src_port, packet.dst_port}};
  talk.seq = get32(packet.l4, 4);
  talk.ack = get32(packet.l4, 8);
  talk.flags = packet.l4.at(13);
  talk.window = wire::get16(packet.l4, 14);
  talk.urgent = wire::get16(packet.l4, 18);
  const size_t header_bytes = (packet.l4.at(12) >> 4) * 4u;
  for (size_t at = 20; at < header_bytes && packet.l4.at(at) != 0;) {
    if (packet.l4.at(at) == 1) {
      ++at;
      continue;
    }
    read_option(packet.l4, at, talk.options);
    at += packet.l4.at(at + 1);
  }
  talk.payload.assign(packet.l4.begin() + static_cast<long>(header_bytes), packet.l4.end());
  return talk;
}

}  // namespace millrace
