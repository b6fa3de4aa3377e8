// parse_bench.cpp: reading the headers of one frame, which is in the cache.

#include <rte_mbuf.h>

#include <cstring>
#include <vector>

#include "dataplane/stages/stages.h"
#include "dataplane/tcp/tcp_state.h"
#include "perf/micro/bed.h"
#include "perf/micro/benches.h"
#include "perf/micro/results.h"

namespace millrace::perf {
namespace {

void run_parse(benchmark::State& state, Family family, Proto proto) {
  const FlowPlan plan{proto, family};
  FrameDeck deck(family, proto);
  for (uint32_t i = 0; i < kBurstMax; ++i)
    deck.add({.tuple = plan.from_client(i), .tcp_flags = kTcpAck, .data_bytes = data_bytes_of(family, proto, 64)});
  rte_mbuf* mbufs[kBurstMax];
  if (rte_pktmbuf_alloc_bulk(packet_pool(), mbufs, kBurstMax) != 0) return state.SkipWithError("no packet buffers");
  for (unsigned i = 0; i < kBurstMax; ++i)
    std::memcpy(rte_pktmbuf_append(mbufs[i], deck.data_bytes(i)), deck.slot(i), deck.data_bytes(i));
  PacketInfo info[kBurstMax];
  FlowKey4 keys4[kBurstMax];
  FlowKey6 keys6[kBurstMax];
  uint64_t flows = 0;
  for (auto _ : state)
    for (unsigned i = 0; i < kBurstMax; ++i) {
      parse_frame(*mbufs[i], info[i], keys4[i], keys6[i]);
      flows += info[i].kind == PacketKind::flow;
    }
  rte_pktmbuf_free_bulk(mbufs, kBurstMax);
  const auto packets = static_cast<uint64_t>(state.iterations()) * kBurstMax;
  if (flows != packets) state.SkipWithError("a sound packet was refused");
  report_operations(state, packets);
}

}  // namespace

void register_parse_benches() {
  for (const Family family : {Family::ipv4, Family::ipv6})
    for (const Proto proto : {Proto::udp, Proto::tcp})
      register_part({.name = "parse",
                     .proto = proto == Proto::tcp ? "tcp" : "udp",
                     .family = family == Family::ipv4 ? "ipv4" : "ipv6",
                     .frame_bytes = 64},
                    [=](auto& state) { run_parse(state, family, proto); });
}

}  // namespace millrace::perf
