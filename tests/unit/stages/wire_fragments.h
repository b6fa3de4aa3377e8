// wire_fragments.h: packets in pieces, and whole again, for tests.
#pragma once

#include <algorithm>
#include <map>
#include <optional>

#include "tests/unit/stages/wire.h"

namespace millrace::wire {

inline constexpr size_t kEther = 14;
inline constexpr uint8_t kFragmentHeader = 44;

inline bool is_ipv4(const Bytes& packet) { return packet.at(0) >> 4 == 4; }
// Of an IPv4 packet; an IPv6 packet's fixed header.
inline size_t ip_header_bytes(const Bytes& packet) { return is_ipv4(packet) ? (packet.at(0) & 15) * 4u : 40u; }

inline Bytes slice(const Bytes& bytes, size_t from, size_t to) {
  return {bytes.begin() + static_cast<long>(from), bytes.begin() + static_cast<long>(to)};
}

// Lengths and IPv4 checksum made right after a change.
inline void fix_ip_header(Bytes& packet) {
  if (!is_ipv4(packet)) return set16(packet, 4, static_cast<uint32_t>(packet.size() - 40));
  set16(packet, 2, static_cast<uint32_t>(packet.size()));
  set16(packet, 10, 0);
  set16(packet, 10, checksum(first(packet, ip_header_bytes(packet))));
}

// The part of an IP packet from `from` to `to`, counted behind its header, as a fragment.
inline Bytes fragment(const Bytes& packet, size_t from, size_t to, uint32_t id, bool more) {
  const size_t header_bytes = ip_header_bytes(packet);
  Bytes out = first(packet, header_bytes);
  const uint32_t place = static_cast<uint32_t>(from / 8);
  if (is_ipv4(packet)) {
    set16(out, 4, id);
    set16(out, 6, place | (more ? 0x2000u : 0u));
  } else {
    const uint8_t next = packet.at(6);
    out[6] = kFragmentHeader;
    put16(out, static_cast<uint32_t>(next << 8));
    put16(out, place << 3 | (more ? 1u : 0u));
    put16(out, id >> 16);
    put16(out, id & 0xffff);
  }
  out = joined(out, slice(packet, header_bytes + from, header_bytes + to));
  fix_ip_header(out);
  return out;
}

// All of it, each piece with `piece_bytes`, a multiple of 8.
inline std::vector<Bytes> fragments(const Bytes& packet, size_t piece_bytes, uint32_t id) {
  std::vector<Bytes> out;
  const size_t data_bytes = packet.size() - ip_header_bytes(packet);
  for (size_t from = 0; from < data_bytes; from += piece_bytes) {
    const size_t to = std::min(from + piece_bytes, data_bytes);
    out.push_back(fragment(packet, from, to, id, to < data_bytes));
  }
  return out;
}

// The packet, as an Ethernet frame, that these frames are the fragments of; nothing when one is missing or overlaps.
inline std::optional<Bytes> reassembled(const std::vector<Bytes>& frames) {
  std::map<size_t, Bytes> pieces;
  Bytes head;
  size_t end = 0;
  for (const Bytes& frame : frames) {
    const Bytes packet = slice(frame, kEther, frame.size());
    const bool ipv4 = is_ipv4(packet);
    if (!ipv4 && packet.at(6) != kFragmentHeader) return std::nullopt;
    const uint16_t place = get16(packet, ipv4 ? 6 : 42);
    const size_t from = ipv4 ? (place & 0x1fff) * 8u : place & 0xfff8u;
    const bool more = ipv4 ? (place & 0x2000) != 0 : (place & 1) != 0;
    const size_t data_at = ip_header_bytes(packet) + (ipv4 ? 0u : 8u);
    if (!pieces.emplace(from, slice(packet, data_at, packet.size())).second) return std::nullopt;
    if (from == 0) {
      head = first(frame, kEther + ip_header_bytes(packet));
      if (!ipv4) head[kEther + 6] = packet.at(40);
    }
    if (!more) end = from + packet.size() - data_at;
  }
  Bytes data;
  for (const auto& [from, piece] : pieces) {
    if (from != data.size()) return std::nullopt;
    data = joined(data, piece);
  }
  if (head.empty() || data.size() != end) return std::nullopt;
  Bytes packet = joined(slice(head, kEther, head.size()), data);
  if (is_ipv4(packet)) set16(packet, 6, 0);
  fix_ip_header(packet);
  return joined(first(head, kEther), packet);
}

}  // namespace millrace::wire
