#include "dataplane/stages/proxy_accept.h"

#include <rte_mbuf.h>

#include <algorithm>
#include <cstring>

#include "dataplane/stages/connection.h"
#include "dataplane/stages/outcome.h"
#include "dataplane/stages/proxy_handshake.h"
#include "dataplane/stages/proxy_say.h"
#include "dataplane/stages/rate_limits.h"
#include "dataplane/stages/tcp_segment.h"
#include "dataplane/tcp/own_segment.h"

namespace millrace {
namespace {

MacAddr mac_of(const rte_ether_addr& addr) {
  MacAddr mac;
  std::memcpy(mac.bytes.data(), addr.addr_bytes, mac.bytes.size());
  return mac;
}

// The client's initial sequence number and what its cookie tells.
struct Proof {
  uint32_t client_isn = 0;
  CookieFacts facts;
};

// Usually the ACK of the handshake or data behind it. Where that ACK was lost, a client that waits for its window to
// open probes with the number before (RFC 9293 section 3.8.6.1).
std::optional<Proof> check_cookie(const Worker& worker, const Tuple& tuple, const TcpSegment& segment) {
  const uint32_t cookie = segment.ack - 1;
  if (const auto facts = worker.cookies.check(tuple, segment.seq - 1, cookie)) return Proof{segment.seq - 1, *facts};
  if (segment.payload_bytes > 1) return std::nullopt;
  if (const auto facts = worker.cookies.check(tuple, segment.seq, cookie)) return Proof{segment.seq, *facts};
  return std::nullopt;
}

void fill_client_half(Splice& splice, const TcpSegment& segment, const Proof& proof, uint16_t mss_max) {
  const TcpOptions options = read_tcp_options(*segment.header);
  splice.client_next = proof.client_isn + 1;
  splice.client_acked = segment.ack;
  splice.mss = std::min(proof.facts.mss, mss_max);
  splice.client_window_scale = proof.facts.window_scale;
  splice.client_window = segment.window;
  if (proof.facts.sack) splice.client_has |= kSpliceSack;
  if (!options.timestamps) return;
  splice.client_has |= kSpliceTimestamps;
  splice.client_ts = options.ts_value;
  splice.client_ts_echo = options.ts_echo;
}

}  // namespace

void answer_syn(Worker& worker, Burst& burst, unsigned i, const Tuple& tuple, const ServiceTables& service) {
  rte_mbuf* mbuf = burst.mbufs[i];
  const PacketInfo& info = burst.info[i];
  const TcpSegment syn = tcp_segment(burst, i);
  const TcpOptions offered = read_tcp_options(*syn.header);
  const CookieFacts facts{
      .mss = mss_of(offered, info.family), .window_scale = offered.window_scale, .sack = offered.sack_permitted};
  SynAnswer answer{.syn = tuple, .client_isn = syn.seq};
  answer.cookie = worker.cookies.make(tuple, syn.seq, facts);
  answer.ts_echo = offered.ts_value;
  // Nothing may come before there is a backend to take it, but the ClientHello that chooses it.
  answer.window = service.hosts ? kHelloWindowBytes : 0;
  answer.port = info.port;
  answer.scales = offered.window_scale != kNoWindowScale;
  answer.sack = offered.sack_permitted;
  answer.timestamps = offered.timestamps;
  const rte_ether_hdr received = *rte_pktmbuf_mtod(mbuf, const rte_ether_hdr*);
  answer.own_mac = mac_of(received.dst_addr);
  answer.client_mac = mac_of(received.src_addr);

  burst.info[i].kind = PacketKind::done;
  if (!write_segment(*mbuf, segment_of(worker, answer))) return drop_packet(worker, mbuf, DropReason::no_mbuf);
  auto& ether = *rte_pktmbuf_mtod(mbuf, rte_ether_hdr*);
  ether.src_addr = received.dst_addr;
  ether.dst_addr = received.src_addr;
  worker.counters.cookies_sent.add(1);
  worker.syn_answers.once.add(answer, worker.clock.now32_ms());
  transmit_packet(worker, mbuf, info.port);
}

void accept_client(Worker& worker, Burst& burst, unsigned i, const Tuple& tuple, const ServiceTables& service) {
  rte_mbuf* mbuf = burst.mbufs[i];
  const TcpSegment segment = tcp_segment(burst, i);
  burst.info[i].kind = PacketKind::done;
  if (!segment.has(kTcpAck) || segment.has(kTcpSyn | kTcpRst))
    return drop_packet(worker, mbuf, DropReason::no_connection);
  const std::optional<Proof> proof = check_cookie(worker, tuple, segment);
  if (!proof) return drop_packet(worker, mbuf, DropReason::bad_cookie);
  // It says its data again, and its cookie is good for a while.
  if (const auto over = limit_connection(worker, service, tuple.src)) return drop_packet(worker, mbuf, *over);
  worker.counters.cookies_accepted.add(1);
  ConnIndex index{};
  if (const auto refused = open_client_half(worker, tuple, service, index)) return drop_packet(worker, mbuf, *refused);
  fill_client_half(worker.splice(index), segment, *proof, own_mss(worker, burst.info[i].family));
  begin_handshake(worker, index, service, segment);
  absorb_packet(worker, burst, i);
}

}  // namespace millrace
