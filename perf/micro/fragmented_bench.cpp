// fragmented_bench.cpp: datagrams of 8 KiB in six fragments, in order, of open connections: the first one goes the way of
// any packet, the others follow it. The figure is per fragment.

#include <array>
#include <cstring>

#include "perf/micro/bed.h"
#include "perf/micro/benches.h"
#include "perf/micro/facts.h"
#include "perf/micro/measure.h"

namespace millrace::perf {
namespace {

constexpr uint16_t kDatagramBytes = 8192;  // UDP header and payload
constexpr uint16_t kPieceBytes = 1480;     // of each fragment but the last
constexpr size_t kIp = 14;
constexpr size_t kIpBytes = 20;
constexpr uint32_t kFrameBytes = kIp + kIpBytes + kPieceBytes + kFcsBytes;

void set16(uint8_t* at, unsigned value) {
  at[0] = static_cast<uint8_t>(value >> 8);
  at[1] = static_cast<uint8_t>(value);
}

unsigned header_sum(const uint8_t* ip) {
  unsigned sum = 0;
  for (size_t i = 0; i < kIpBytes; i += 2) sum += static_cast<unsigned>(ip[i] << 8 | ip[i + 1]);
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  return sum;
}

// The fragment that begins at `from`; of the whole datagram's frame, whose headers are all that is looked at.
void add_fragment(FrameDeck& deck, const FrameFields& whole, uint16_t id, uint16_t from) {
  std::array<uint8_t, 64> frame{};
  write_headers(frame.data(), whole);
  const bool more = from + kPieceBytes < kDatagramBytes;
  const auto data_bytes = static_cast<uint16_t>(more ? kPieceBytes : kDatagramBytes - from);
  uint8_t* ip = &frame[kIp];
  set16(ip + 2, kIpBytes + data_bytes);
  set16(ip + 4, id);
  set16(ip + 6, from / 8u | (more ? 0x2000u : 0u));
  set16(ip + 10, 0);
  set16(ip + 10, ~header_sum(ip) & 0xffffu);
  if (from != 0) std::memset(ip + kIpBytes, 0, frame.size() - kIp - kIpBytes);
  deck.add_headers(frame, static_cast<uint16_t>(kIp + kIpBytes + data_bytes));
}

FrameDeck make_deck(const Bed& bed, uint32_t flows) {
  FrameDeck deck(Family::ipv4, Proto::udp);
  for (uint32_t flow = 0; flow < flows; ++flow) {
    const FrameFields whole =
        bed.fields_of(bed.plan().from_client(flow), 0, kIp + kIpBytes + kDatagramBytes + kFcsBytes);
    for (uint16_t from = 0; from < kDatagramBytes; from = static_cast<uint16_t>(from + kPieceBytes))
      add_fragment(deck, whole, static_cast<uint16_t>(flow), from);
  }
  return deck;
}

// Every fragment comes out with a sound header and other addresses.
void check_pass(Bed& bed, const FrameDeck& deck) {
  size_t heard = 0;
  bed.play_through(deck, 0, [&](const uint8_t* frame, uint16_t) {
    const Tuple client = bed.plan().from_client(0);
    if (header_sum(frame + kIp) != 0xffff) wrong("the checksum of a fragment's IP header");
    const Be32 vip = client.dst.ipv4();
    if (std::memcmp(frame + kIp + 16, &vip.raw, sizeof vip.raw) == 0) wrong("a fragment that was not translated");
    ++heard;
  });
  if (heard != deck.size()) wrong("fragments got lost");
}

Report run_fragmented(const BedOptions& options) {
  Bed& bed = bed_for(options);
  const FrameDeck deck = make_deck(bed, options.flows);
  check_pass(bed, deck);
  Macswap macswap(deck);
  MemoryQueue& queue = memory_port().queue(0);
  queue.play(endless(deck));
  Report report;
  report.samples = measure(macswap, [&] { return worker_slice(bed.worker()); });
  queue.play({});
  bed.check_nothing_lost();
  return report;
}

}  // namespace

void register_fragmented_benches() {
  for (const uint32_t flows : flow_counts({1024, 32'768})) {
    const BedOptions options{.proto = Proto::udp,
                             .family = Family::ipv4,
                             .flows = flows,
                             .frame_bytes = kFrameBytes,
                             .room = usual_room(flows)};
    register_path(facts_of("fragmented", options), [options] { return run_fragmented(options); });
  }
}

}  // namespace millrace::perf
