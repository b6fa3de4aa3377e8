// direct_bench.cpp: the whole worker path for what clients say in modes dsr and tunnel (IP in IPv4), poll to transmit.
// Nothing comes back: backends answer clients themselves.

#include <netinet/in.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "dataplane/tcp/tcp_state.h"
#include "perf/micro/bed.h"
#include "perf/micro/benches.h"
#include "perf/micro/facts.h"
#include "perf/micro/measure.h"
#include "perf/micro/random_order.h"

namespace millrace::perf {
namespace {

constexpr size_t kEtherBytes = 14;
constexpr size_t kOuterBytes = 20;
constexpr uint32_t kFramesMin = 4096;  // so that bursts of one flow are as long as any

// The client's frames, in random order.
FrameDeck traffic_of(const Bed& bed, const BedOptions& options) {
  FrameDeck deck(options.family, options.proto);
  const uint32_t frames = std::max(options.flows, kFramesMin);
  const RandomOrder order(frames, 1);
  deck.reserve(frames);
  for (uint32_t place = 0; place < frames; ++place)
    deck.add(bed.fields_of(bed.plan().from_client(order[place] % options.flows), kTcpAck, options.frame_bytes));
  return deck;
}

// What came out, without the outer header; which backend it went to.
std::vector<uint8_t> unwrapped(const Bed& bed, Mode mode, const uint8_t* frame, uint16_t data_bytes,
                               unsigned& backend) {
  std::vector<uint8_t> bytes(frame, frame + data_bytes);
  if (mode == Mode::dsr) {
    backend = frame[5];
    return bytes;
  }
  Be32 dst;
  std::memcpy(&dst.raw, frame + kEtherBytes + 16, sizeof dst.raw);
  const auto number = bed.plan().number_of_backend(IpAddr::from_ipv4(dst));
  if (!number || frame[kEtherBytes + 9] != IPPROTO_IPIP) wrong("no tunnel to a backend");
  backend = *number;
  bytes.erase(bytes.begin() + kEtherBytes, bytes.begin() + kEtherBytes + kOuterBytes);
  return bytes;
}

// Plays the deck once; every packet must come out, as it was but for MACs, TTL and tunnel.
void check(Bed& bed, const BedOptions& options, const FrameDeck& deck) {
  size_t seen = 0;
  bed.play_through(deck, 0, [&](const uint8_t* frame, uint16_t data_bytes) {
    unsigned backend = 0;
    const std::vector<uint8_t> bytes = unwrapped(bed, options.mode, frame, data_bytes, backend);
    const uint8_t* sent = deck.slot(seen);
    check_frame(bytes.data(), static_cast<uint16_t>(bytes.size()),
                {.tuple = read_tuple(sent),
                 .dst_mac = backend_mac(backend),
                 .src_mac = kOwnMac,
                 .ttl = 63,
                 .tcp_flags = read_tcp_flags(sent),
                 .data_bytes = deck.data_bytes(seen)});
    ++seen;
  });
  if (seen != deck.size()) wrong(std::to_string(deck.size()) + " packets in, " + std::to_string(seen) + " out");
  bed.check_nothing_lost();
  if (bed.counted(&WorkerCounters::connections_opened) != options.flows) wrong("not one entry a flow");
}

Report run(const BedOptions& options) {
  Bed& bed = bed_for(options);
  const FrameDeck deck = traffic_of(bed, options);
  check(bed, options, deck);
  Macswap macswap(deck);
  memory_port().queue(0).play(endless(deck));
  Report report;
  report.samples = measure(macswap, [&] { return worker_slice(bed.worker()); });
  check(bed, options, deck);
  return report;
}

}  // namespace

void register_direct_benches() {
  for (const Mode mode : {Mode::dsr, Mode::tunnel})
    for (const uint32_t flows : flow_counts({1, 1024, 65'536, 1'048'576})) {
      const BedOptions options{.mode = mode, .flows = flows, .opened = false, .room = usual_room(flows)};
      register_path(facts_of("established", options), [options] { return run(options); });
    }
}

}  // namespace millrace::perf
