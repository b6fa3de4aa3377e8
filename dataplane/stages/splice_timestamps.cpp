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

// Both lengths of the packet, and the IPv4 header's checksum.
void grow_ip(uint8_t* l3, Family family) {
  if (family == Family::ipv4) {
    auto& ip = *reinterpret_cast<rte_ipv4_hdr*>(l3);
    const uint16_t before = ip.total_length;
    ip.total_length = Be16::from_host(static_cast<uint16_t>(Be16{before}.host() + kTimestampOptionBytes)).raw;
    ip.hdr_checksum = apply_delta(ip.hdr_checksum, checksum_delta(before, ip.total_length));
  } else {
    auto& ip = *reinterpret_cast<rte_ipv6_hdr*>(l3);
    ip.payload_len = Be16::from_host(static_cast<uint16_t>(Be16{ip.payload_len}.host() + kTimestampOptionBytes)).raw;
  }
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

// Right behind the fixed header; what is before it moves up into the headroom.
bool put_timestamps(Worker& worker, const Splice& splice, rte_mbuf& mbuf, PacketInfo& info) {
  const size_t front_bytes = info.l4_offset + sizeof(rte_tcp_hdr);
  auto* data = reinterpret_cast<uint8_t*>(rte_pktmbuf_prepend(&mbuf, kTimestampOptionBytes));
  if (data == nullptr) return false;
  std::memmove(data, data + kTimestampOptionBytes, front_bytes);
  auto& tcp = *reinterpret_cast<rte_tcp_hdr*>(data + info.l4_offset);
  uint8_t* option = data + front_bytes;
  write_option(worker, splice, option);
  uint16_t before, after;
  std::memcpy(&before, &tcp.data_off, sizeof before);
  tcp.data_off = static_cast<uint8_t>(tcp.data_off + (kTimestampOptionBytes / 4 << 4));
  std::memcpy(&after, &tcp.data_off, sizeof after);
  // The pseudo-header's length grows, too.
  uint16_t delta = checksum_add(checksum_delta(before, after), Be16::from_host(kTimestampOptionBytes).raw);
  delta = checksum_add(delta, checksum_sum(option, kTimestampOptionBytes));
  tcp.cksum = apply_delta(tcp.cksum, delta);
  grow_ip(data + sizeof(rte_ether_hdr), info.family);
  info.ip_bytes = static_cast<uint16_t>(info.ip_bytes + kTimestampOptionBytes);
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
  // A reset needs none. With four SACK blocks there is no room for it.
  const bool has_room =
      tcp_header_bytes(*segment.header) + kTimestampOptionBytes <= sizeof(rte_tcp_hdr) + kOptionBytesMax;
  if (options.timestamps || segment.has(kTcpRst) || !has_room) return true;
  if (put_timestamps(worker, splice, *burst.mbufs[i], burst.info[i])) return true;
  burst.info[i].kind = PacketKind::done;
  drop_packet(worker, burst.mbufs[i], DropReason::no_mbuf);
  return false;
}

}  // namespace millrace
