// parse_fuzz.cpp: arbitrary frames through the packet path.
// Input:  frames, each with two bytes before it: flags (kFlag…) and length. They come in one after the other, so that an
//         input can open a connection and misuse it.
// Checks: the readers touch nothing outside a frame (AddressSanitizer, memory of exact size); a whole worker_turn over
//         ring ports keeps the counter equation, sends only sound frames, and in the end has lost no connection and no
//         packet buffer.
#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_mbuf.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <span>
#include <vector>

#include "dataplane/stages/checksum.h"
#include "dataplane/stages/icmp_error.h"
#include "dataplane/stages/link_answers.h"
#include "dataplane/stages/stages.h"
#include "tests/fuzz/worker_bench.h"

namespace millrace {
namespace {

constexpr uint8_t kFlagBackPort = 1;      // comes in by the second port
constexpr uint8_t kFlagFixChecksums = 2;  // the fuzzer need not guess them

BenchOptions options() {
  BenchOptions options;
  options.services = {{.proto = Proto::tcp, .mode = Mode::fullnat, .port = 80},
                      {.proto = Proto::udp, .mode = Mode::fullnat, .port = 80},
                      {.proto = Proto::tcp, .mode = Mode::nat, .port = 81},
                      {.proto = Proto::udp, .mode = Mode::nat, .port = 81}};
  options.silent_backends = {"10.0.0.2", "fd00::2"};
  options.snat_ports = 1;      // since where the walk of a pool begins is random
  options.mtu_bytes[1] = 200;  // smaller than the largest input
  return options;
}

// The readers alone, over memory that ends where the frame ends.
void read_frame(std::span<const uint8_t> bytes) {
  const std::unique_ptr<uint8_t[]> memory(new uint8_t[bytes.size()]);
  std::copy(bytes.begin(), bytes.end(), memory.get());
  rte_mbuf mbuf{};
  mbuf.buf_addr = memory.get();
  mbuf.buf_len = mbuf.data_len = static_cast<uint16_t>(bytes.size());
  mbuf.pkt_len = static_cast<uint32_t>(bytes.size());
  mbuf.nb_segs = 1;
  PacketInfo info;
  FlowKey4 key4;
  FlowKey6 key6;
  parse_frame(mbuf, info, key4, key6);
  IpAddr target;
  IcmpError error;
  if (info.kind == PacketKind::arp) read_arp(mbuf, target);
  if (info.kind != PacketKind::icmp) return;
  read_icmp_error(mbuf, error);
  if (info.family == Family::ipv6) read_solicitation(mbuf, target);
}

// Makes the checksums of a frame right as far as its headers make sense.
void fix_checksums(std::vector<uint8_t>& frame) {
  constexpr size_t kL3 = sizeof(rte_ether_hdr);
  if (frame.size() < kL3 + sizeof(rte_ipv6_hdr)) return;
  const bool ipv4 = frame[12] == 0x08 && frame[13] == 0x00;
  auto& ip4 = *reinterpret_cast<rte_ipv4_hdr*>(&frame[kL3]);
  const auto& ip6 = *reinterpret_cast<const rte_ipv6_hdr*>(&frame[kL3]);
  const size_t header_bytes = ipv4 ? ip4.ihl * 4u : sizeof ip6;
  const size_t ip_bytes = ipv4 ? Be16{ip4.total_length}.host() : sizeof ip6 + Be16{ip6.payload_len}.host();
  if (header_bytes < sizeof ip4 || ip_bytes < header_bytes || kL3 + ip_bytes > frame.size()) return;
  if (ipv4) ip4.hdr_checksum = ipv4_header_checksum(ip4);
  const uint8_t proto = ipv4 ? ip4.next_proto_id : ip6.proto;
  uint8_t* l4 = &frame[kL3] + header_bytes;
  const auto l4_bytes = static_cast<uint16_t>(ip_bytes - header_bytes);
  const size_t field_at = proto == IPPROTO_TCP ? 16 : proto == IPPROTO_UDP ? 6 : 2;
  if (l4_bytes < field_at + sizeof(uint16_t)) return;
  std::memset(l4 + field_at, 0, sizeof(uint16_t));
  uint16_t sum = checksum_sum(l4, l4_bytes);
  if (proto != IPPROTO_ICMP)
    sum = checksum_add(sum, ipv4 ? pseudo_header_sum(ip4, proto, l4_bytes) : pseudo_header_sum(ip6, proto, l4_bytes));
  const auto field = static_cast<uint16_t>(~sum);
  std::memcpy(l4 + field_at, &field, sizeof field);
}

}  // namespace
}  // namespace millrace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace millrace;
  static WorkerBench& bench = *new WorkerBench(options());
  for (size_t at = 0; at + 2 <= size;) {
    const uint8_t flags = data[at];
    const size_t bytes = std::min<size_t>(data[at + 1], size - at - 2);
    std::vector<uint8_t> frame(data + at + 2, data + at + 2 + bytes);
    at += 2 + bytes;
    if (flags & kFlagFixChecksums) fix_checksums(frame);
    read_frame(frame);
    bench.send(flags & kFlagBackPort, frame);
  }
  bench.end_input();
  return 0;
}
