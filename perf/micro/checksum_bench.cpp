// checksum_bench.cpp: what following a rewrite costs, beside computing the checksum anew; and translating a header.

#include <rte_ip.h>
#include <rte_udp.h>

#include <cstring>
#include <vector>

#include "dataplane/stages/checksum.h"
#include "perf/micro/benches.h"
#include "perf/micro/flow_plan.h"
#include "perf/micro/frame.h"
#include "perf/micro/results.h"

namespace millrace::perf {
namespace {

constexpr size_t kIpOffset = 14;
constexpr size_t kFrames = 256;  // stay in the L1 cache: the arithmetic is measured, not memory

std::vector<uint8_t> frames_of(uint32_t frame_bytes) {
  const FlowPlan plan{Proto::udp, Family::ipv4};
  const uint16_t data_bytes = data_bytes_of(Family::ipv4, Proto::udp, frame_bytes);
  std::vector<uint8_t> frames(kFrames * data_bytes);
  for (uint32_t i = 0; i < kFrames; ++i)
    write_headers(&frames[i * data_bytes], {.tuple = plan.from_client(i), .data_bytes = data_bytes});
  return frames;
}

// The whole L4 checksum, as for the first packet of a connection.
void run_verify(benchmark::State& state, uint32_t frame_bytes) {
  const std::vector<uint8_t> frames = frames_of(frame_bytes);
  const size_t stride = frames.size() / kFrames;
  const auto l4_bytes = static_cast<uint16_t>(stride - kIpOffset - sizeof(rte_ipv4_hdr));
  uint64_t valid = 0;
  for (auto _ : state)
    for (size_t i = 0; i < kFrames; ++i) {
      const uint8_t* ip = &frames[i * stride + kIpOffset];
      valid += l4_checksum_valid(*reinterpret_cast<const rte_ipv4_hdr*>(ip), IPPROTO_UDP, ip + sizeof(rte_ipv4_hdr),
                                 l4_bytes);
    }
  const auto packets = static_cast<uint64_t>(state.iterations()) * kFrames;
  if (valid != packets) state.SkipWithError("a right checksum was refused");
  report_operations(state, packets);
}

// What rewrite_burst does to an IPv4 UDP header: six fields and two checksums.
void run_rewrite(benchmark::State& state) {
  std::vector<uint8_t> frames = frames_of(64);
  const size_t stride = frames.size() / kFrames;
  ConnEntry entry{};
  entry.family = Family::ipv4;
  entry.client4 = Be32::from_host(0xc612'0001), entry.client_port = Be16::from_host(1024);
  entry.vip4 = Be32::from_host(0xcb00'710a), entry.vip_port = Be16::from_host(80);
  entry.snat4 = Be32::from_host(0x0a48'000a), entry.snat_port = Be16::from_host(2000);
  entry.backend4 = Be32::from_host(0x0a48'0101), entry.backend_port = Be16::from_host(8080);
  set_checksum_deltas(entry);
  for (auto _ : state)
    for (size_t i = 0; i < kFrames; ++i) {
      auto& ip = *reinterpret_cast<rte_ipv4_hdr*>(&frames[i * stride + kIpOffset]);
      auto& udp = *reinterpret_cast<rte_udp_hdr*>(&ip + 1);
      ip.src_addr = entry.snat4.raw;
      ip.dst_addr = entry.backend4.raw;
      --ip.time_to_live;
      ip.hdr_checksum = apply_delta(ip.hdr_checksum, checksum_add(entry.l3_delta, kTtlDelta));
      udp.src_port = entry.snat_port.raw;
      udp.dst_port = entry.backend_port.raw;
      udp.dgram_cksum = apply_udp_delta(udp.dgram_cksum, entry.l4_delta);
      benchmark::ClobberMemory();
    }
  report_operations(state, static_cast<uint64_t>(state.iterations()) * kFrames);
}

}  // namespace

void register_checksum_benches() {
  for (const uint32_t frame_bytes : {64u, 1518u})
    register_part({.name = "checksum_verify", .proto = "udp", .family = "ipv4", .frame_bytes = frame_bytes},
                  [=](auto& state) { run_verify(state, frame_bytes); });
  register_part({.name = "checksum_rewrite", .proto = "udp", .family = "ipv4", .frame_bytes = 64},
                [](auto& state) { run_rewrite(state); });
}

}  // namespace millrace::perf
