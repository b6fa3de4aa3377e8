#include "dataplane/stages/syn_answer.h"

#include <rte_ether.h>
#include <rte_mbuf.h>

#include <cstring>

#include "dataplane/stages/connection.h"
#include "dataplane/stages/outcome.h"
#include "dataplane/stages/proxy_say.h"
#include "dataplane/tcp/own_segment.h"
#include "dataplane/tcp/tcp_state.h"

namespace millrace {
namespace {

constexpr unsigned kRepeatsPerCall = 64;

void say_again(Worker& worker, const SynAnswer& answer) {
  rte_mbuf* mbuf = rte_pktmbuf_alloc(worker.state.mbuf_pool);
  worker.counters.originated.add(1);
  if (mbuf == nullptr || !write_segment(*mbuf, segment_of(worker, answer)))
    return drop_packet(worker, mbuf, DropReason::no_mbuf);
  auto& ether = *rte_pktmbuf_mtod(mbuf, rte_ether_hdr*);
  std::memcpy(ether.dst_addr.addr_bytes, answer.client_mac.bytes.data(), sizeof ether.dst_addr.addr_bytes);
  std::memcpy(ether.src_addr.addr_bytes, answer.own_mac.bytes.data(), sizeof ether.src_addr.addr_bytes);
  worker.counters.cookies_repeated.add(1);
  transmit_packet(worker, mbuf, answer.port);
}

}  // namespace

uint16_t own_mss(const Worker& worker, Family family) {
  const uint32_t headers = family == Family::ipv4 ? 40 : 60;
  return static_cast<uint16_t>(worker.mtu_bytes_min - headers);
}

OwnSegment segment_of(const Worker& worker, const SynAnswer& answer) {
  OwnSegment segment{.src = {answer.syn.dst, answer.syn.dst_port}, .dst = {answer.syn.src, answer.syn.src_port}};
  segment.seq = answer.cookie;
  segment.ack = answer.client_isn + 1;
  segment.flags = kTcpSyn | kTcpAck;
  segment.window = answer.window;
  segment.options.mss = own_mss(worker, answer.syn.dst.family());
  segment.options.window_scale = answer.scales ? kOwnWindowScale : kNoWindowScale;
  segment.options.sack_permitted = answer.sack;
  segment.options.timestamps = answer.timestamps;
  segment.options.ts_value = worker.clock.now32_ms();
  segment.options.ts_echo = answer.ts_echo;
  return segment;
}

void repeat_answers(Worker& worker) {
  const Ms now_ms = worker.clock.now32_ms();
  unsigned left = kRepeatsPerCall;
  while (const SynAnswer* answer = left == 0 ? nullptr : worker.syn_answers.once.take_due(now_ms)) {
    --left;
    if (find_connection(worker, answer->syn).found()) continue;
    say_again(worker, *answer);
    worker.syn_answers.twice.add(*answer, now_ms);
  }
  while (const SynAnswer* answer = left == 0 ? nullptr : worker.syn_answers.twice.take_due(now_ms)) {
    --left;
    if (!find_connection(worker, answer->syn).found()) say_again(worker, *answer);
  }
}

}  // namespace millrace
