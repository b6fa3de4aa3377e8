#include "dataplane/stages/splice_timestamps.h"

#include <rte_ip.h>
#include <rte_mbuf.h>

#include <cstring>

#include "dataplane/stages/checksum.h"
#include "dataplane/stages/outcome.h"
#include "dataplane/stages/tcp_segment.h"
#include "dataplane/stages/worker_context.h"

namespace millrace {
namespace {

// The packet's length changes by `bytes`, and with it the IPv4 header's checksum.
void resize_ip(uint8_t* l3, Family family, int bytes) {
  const auto resized = [bytes](uint16_t raw) {
    return Be16::from_host(static_cast<uint16_t>(Be16{raw}.host() + bytes)).raw;
  };
  if (family == Family::ipv4) {
    auto& ip = *reinterpret_cast<rte_ipv4_hdr*>(l3);
    const uint16_t before = ip.total_length;
    ip.total_length = resized(before);
    ip.hdr_checksum = apply_delta(ip.hdr_checksum, checksum_delta(before, ip.total_length));
  } else {
    auto& ip = *reinterpret_cast<rte_ipv6_hdr*>(l3);
    ip.payload_len = resized(ip.payload_len);
  }
}

rte_tcp_hdr& tcp_of(rte_mbuf& mbuf, const PacketInfo& info) {
  return *rte_pktmbuf_mtod_offset(&mbuf, rte_tcp_hdr*, info.l4_offset);
}

void add_to_header_bytes(rte_tcp_hdr& tcp, int bytes) {
  tcp.data_off = static_cast<uint8_t>(tcp.data_off + (bytes / 4) * 16);
}

// The values are such that translation makes the right ones of them.
void write_option(const Worker& worker, const Splice& splice, uint8_t* at) {
  at[0] = at[1] = kOptionNop;
  at[2] = kOptionTimestamps;
  at[3] = 10;
  const Be32 value = Be32::from_host(worker.clock.now32_ms() - splice.reverse_ts_delta);
  const Be32 echo = Be32::from_host(splice.client_ts + splice.forward_ts_delta);
  std::memcpy(at + 4, &value.raw, sizeof value.raw);
  std::memcpy(at + 8, &echo.raw, sizeof echo.raw);
}

// With four SACK blocks there is no room for timestamps: the last one, which was told before (RFC 2018 section 4), goes.
// What is before it moves up.
void drop_sack_block(rte_mbuf& mbuf, const PacketInfo& info) {
  constexpr uint16_t kBlockBytes = 8;
  rte_tcp_hdr& tcp = tcp_of(mbuf, info);
  TcpOptionWalk walk(tcp);
  while (walk.next()) {
    auto* option = const_cast<uint8_t*>(walk.option());
    if (option[0] != kOptionSack || walk.bytes() < 2 + 2 * kBlockBytes) continue;
    option[1] = static_cast<uint8_t>(option[1] - kBlockBytes);
    add_to_header_bytes(tcp, -int{kBlockBytes});
    auto* data = rte_pktmbuf_mtod(&mbuf, uint8_t*);
    std::memmove(data + kBlockBytes, data, static_cast<size_t>(option + option[1] - data));
    rte_pktmbuf_adj(&mbuf, kBlockBytes);
    return;
  }
}

// Right behind the fixed header; what is before it moves down into the headroom.
bool put_timestamps(Worker& worker, const Splice& splice, rte_mbuf& mbuf, PacketInfo& info) {
  constexpr unsigned kHeaderBytesMax = sizeof(rte_tcp_hdr) + kOptionBytesMax;
  const uint32_t frame_bytes = mbuf.pkt_len;
  const rte_tcp_hdr& received = tcp_of(mbuf, info);
  const uint16_t sum = checksum_sum(&received, tcp_header_bytes(received));
  if (tcp_header_bytes(received) + kTimestampOptionBytes > kHeaderBytesMax) drop_sack_block(mbuf, info);
  if (tcp_header_bytes(tcp_of(mbuf, info)) + kTimestampOptionBytes > kHeaderBytesMax) return true;
  const size_t front_bytes = info.l4_offset + sizeof(rte_tcp_hdr);
  auto* data = reinterpret_cast<uint8_t*>(rte_pktmbuf_prepend(&mbuf, kTimestampOptionBytes));
  if (data == nullptr) return false;
  std::memmove(data, data + kTimestampOptionBytes, front_bytes);
  write_option(worker, splice, data + front_bytes);
  rte_tcp_hdr& tcp = tcp_of(mbuf, info);
  add_to_header_bytes(tcp, kTimestampOptionBytes);
  const int grown = static_cast<int>(mbuf.pkt_len) - static_cast<int>(frame_bytes);
  // The pseudo-header's length grows, too.
  const uint16_t header_delta = checksum_delta(sum, checksum_sum(&tcp, tcp_header_bytes(tcp)));
  tcp.cksum = apply_delta(tcp.cksum, checksum_add(header_delta, Be16::from_host(static_cast<uint16_t>(grown)).raw));
  resize_ip(data + sizeof(rte_ether_hdr), info.family, grown);
  info.ip_bytes = static_cast<uint16_t>(info.ip_bytes + grown);
  return true;
}

}  // namespace

bool bridge_timestamps(Worker& worker, Burst& burst, unsigned i) {
  const ConnRef& ref = burst.conns[i];
  Splice& splice = worker.splice(ref.index);
  const TcpSegment segment = tcp_segment(burst, i);
  const TcpOptions options = read_tcp_options(*segment.header);
  if (ref.direction == Direction::forward) {
    if (options.timestamps && !seq_before(options.ts_value, splice.client_ts)) splice.client_ts = options.ts_value;
    return true;
  }
  // A reset needs none.
  if (options.timestamps || segment.has(kTcpRst)) return true;
  // A fragment that grows would overlap the next one.
  const bool is_fragment = burst.info[i].fragment != FragmentPart::none;
  if (!is_fragment && put_timestamps(worker, splice, *burst.mbufs[i], burst.info[i])) return true;
  drop_packet(worker, burst, i, is_fragment ? DropReason::fragment : DropReason::no_mbuf);
  return false;
}

}  // namespace millrace
