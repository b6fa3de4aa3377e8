// proxy_fuzz.cpp: clients and backends that say anything at all to proxied services, at any time.
// Input:  moves (struct Move), each a segment, an ICMP error, a while that passes, or another configuration. A segment's
//         numbers are told by how much they differ from the right ones, which are taken from what was heard: an input
//         of few bits speaks TCP. Checksums are right unless a move says otherwise.
// Checks: those of worker_bench.h; what leaves fits its port's MTU and, as long as nothing wrong came in, has right
//         checksums; a frame makes the worker say no more than kSaidMax.
#include <rte_tcp.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "dataplane/tcp/tcp_options.h"
#include "dataplane/tcp/tcp_state.h"
#include "tests/fuzz/worker_bench.h"
#include "tests/unit/stages/wire.h"

namespace millrace {
namespace {

using wire::Bytes;
using wire::get16;

constexpr unsigned kFront = 0, kBack = 1;
constexpr uint16_t kMtuBytes[2] = {1500, 1300};
constexpr uint16_t kServicePort = 80;
constexpr uint16_t kClientPort = 4000;
constexpr size_t kBackendFlowsMax = 32;
constexpr size_t kPayloadBytesMax = 1800;
// A held ClientHello in the smallest segments that a backend can ask for, and some.
constexpr unsigned kSaidMax = 128;
constexpr unsigned kBurstFramesMax = 16;

struct Move {
  uint8_t who;           // kWho…
  uint8_t flags;         // of TCP, or kFlagBurst; kWhoTime: ms / 16; kWhoRouter: type and code
  int8_t seq_off;        // from the right number; kFar: very wrong
  int8_t ack_off;        // likewise
  uint8_t window;        // in units of 256 bytes, and as many
  uint8_t options;       // kSay…
  uint8_t payload;       // in units of 8 bytes
  uint8_t bytes_follow;  // of the input: options with kSayRaw, else the beginning of the payload
};
static_assert(sizeof(Move) == 8);

constexpr uint8_t kWhoBackend = 1;  // else a client
constexpr uint8_t kWhoIpv6 = 2;     // of a client
constexpr uint8_t kWhoService = 7;  // of a client, at bit 2
constexpr uint8_t kWhoPort = 3;     // of a client, at bit 5
constexpr uint8_t kWhoFlow = 31;    // of a backend, at bit 2: which, the last first
constexpr uint8_t kWhoOther = 128;  // neither, but one of these:
constexpr uint8_t kWhoTime = 0;
constexpr uint8_t kWhoRouter = 1;  // behind which port, at bit 2: does not like what was heard there last
constexpr uint8_t kWhoNoServices = 2;
constexpr uint8_t kWhoServices = 3;
constexpr uint8_t kFlagBurst = 0x80;  // comes in together with the next frame
constexpr int8_t kFar = -128;

constexpr uint8_t kSayTimestamps = 1;
constexpr uint8_t kSayMss = 2;  // the last byte of the window's
constexpr uint8_t kSayScale = 4;
constexpr uint8_t kSaySackPermitted = 8;
constexpr uint8_t kSaySack = 16;
constexpr uint8_t kSayOdd = 32;  // a NOP before all of them
constexpr uint8_t kSayRaw = 64;
constexpr uint8_t kSayWrongChecksum = 128;

BenchOptions options() {
  constexpr Proto kTcp = Proto::tcp;
  BenchOptions options;
  options.services = {
      {.proto = kTcp, .mode = Mode::proxy},
      {.proto = kTcp, .mode = Mode::proxy, .proxy_protocol = ProxyProtocol::v1},
      {.proto = kTcp, .mode = Mode::proxy, .proxy_protocol = ProxyProtocol::v2},
      {.proto = kTcp, .mode = Mode::proxy, .proxy_protocol = ProxyProtocol::v2, .names = {"a.example"}},
      {.proto = kTcp, .mode = Mode::fullnat, .syn_proxy = SynProxy::on},
      {.proto = kTcp, .mode = Mode::nat, .syn_proxy = SynProxy::on},
      {.proto = kTcp, .mode = Mode::fullnat, .syn_proxy = SynProxy::automatic, .syn_rate = 10},
      {.proto = kTcp, .mode = Mode::proxy, .names = {"a.example"}, .takes_unexpected_names = true},
  };
  for (uint16_t i = 0; i < options.services.size(); ++i)
    options.services[i].port = static_cast<uint16_t>(kServicePort + i);
  options.silent_backends = {"10.0.0.2"};
  options.snat_ports = 4;
  options.mtu_bytes[kFront] = kMtuBytes[kFront];
  options.mtu_bytes[kBack] = kMtuBytes[kBack];
  return options;
}

// One end of a TCP connection, as far as a fuzzer needs one.
struct End {
  Endpoint self;
  Endpoint peer;
  uint32_t next = 0;       // what it says next: what the other side wants to hear
  uint32_t peer_next = 0;  // what it expects
  uint32_t clock = 0;
  uint32_t peer_clock = 0;
};

class Conversation {
 public:
  void play(std::span<const uint8_t> input);

 private:
  End& client(const Move& move);
  End* backend(const Move& move);
  void say(unsigned port, End& end, const Move& move, std::span<const uint8_t> follow);
  void send(unsigned port, const Bytes& frame, bool in_burst);
  void other(const Move& move);
  void hear(unsigned port, std::span<const uint8_t> bytes);
  void hear_segment(unsigned port, const Bytes& frame);
  End& listener(unsigned port, const End& ends, bool is_syn);

  WorkerBench bench_{options()};
  std::map<uint8_t, End> clients_;  // by the bits of Move::who
  std::vector<End> backends_;       // the last one heard of last
  Bytes heard_last_[2];             // by port
  bool all_right_ = true;           // no checksum was wrong
  unsigned said_ = 0;
  unsigned waiting_ = 0;  // frames of the next turn
};

void put32(Bytes& out, uint32_t value) {
  wire::put16(out, value >> 16);
  wire::put16(out, value & 0xffff);
}
uint32_t get32(const Bytes& bytes, size_t at) { return uint32_t{get16(bytes, at)} << 16 | get16(bytes, at + 2); }

uint32_t off(uint32_t right, int8_t by) { return by == kFar ? right + 0x4000'0000 : right + static_cast<uint32_t>(by); }

Bytes option_bytes(const End& end, const Move& move, std::span<const uint8_t> follow) {
  Bytes out;
  const auto put = [&out](const Bytes& option) { out = wire::joined(out, option); };
  const auto scale = static_cast<uint8_t>(move.window & 15);
  if (move.options & kSayOdd) put({kOptionNop});
  if (move.options & kSayMss) put({kOptionMss, 4, scale, move.window});
  if (move.options & kSaySackPermitted) put({kOptionSackPermitted, 2});
  if (move.options & kSayTimestamps) {
    if (out.empty()) put({kOptionNop, kOptionNop});
    put({kOptionTimestamps, 10});
    put32(out, end.clock);
    put32(out, end.peer_clock);
  }
  if (move.options & kSayScale) put({kOptionWindowScale, 3, scale});
  if (move.options & kSaySack) {
    put({kOptionSack, 10});
    put32(out, end.peer_next + 10);
    put32(out, end.peer_next + 20);
  }
  if (move.options & kSayRaw) put({follow.begin(), follow.end()});
  while (out.size() % 4 != 0) put({kOptionNop});
  out.resize(std::min(out.size(), kOptionBytesMax));
  return out;
}

Bytes payload_bytes(const Move& move, std::span<const uint8_t> follow) {
  Bytes out;
  if ((move.options & kSayRaw) == 0) out.assign(follow.begin(), follow.end());
  out.resize(std::clamp<size_t>(size_t{move.payload} * 8, out.size(), kPayloadBytesMax), 'x');
  return out;
}

Bytes frame_around(const IpAddr& src, const IpAddr& dst, uint8_t proto, const Bytes& l4) {
  return wire::ether({{2, 0, 0, 0, 0, 1}}, {{2, 0, 0, 0, 1, 1}}, wire::ip(src, dst, proto, l4));
}

Bytes frame_of(const End& end, const Move& move, std::span<const uint8_t> follow) {
  const Bytes options = option_bytes(end, move, follow);
  const uint8_t flags = move.flags & static_cast<uint8_t>(~kFlagBurst);
  Bytes tcp;
  for (const Be16 port : {end.self.port, end.peer.port}) wire::put16(tcp, port.host());
  put32(tcp, off(end.next, move.seq_off));
  put32(tcp, (flags & kTcpAck) != 0 ? off(end.peer_next, move.ack_off) : 0);
  wire::put16(tcp, static_cast<uint32_t>((sizeof(rte_tcp_hdr) + options.size()) / 4 << 12 | flags));
  wire::put16(tcp, move.window * 257u);
  put32(tcp, 0);
  tcp = wire::joined(wire::joined(tcp, options), payload_bytes(move, follow));
  const Bytes pseudo = wire::pseudo_header(end.self.addr, end.peer.addr, IPPROTO_TCP, tcp.size());
  const uint16_t error = (move.options & kSayWrongChecksum) != 0 ? 1 : 0;
  wire::set16(tcp, 16, wire::checksum(wire::joined(pseudo, tcp)) ^ error);
  return frame_around(end.self.addr, end.peer.addr, IPPROTO_TCP, tcp);
}

IpAddr addr(const char* text) { return parse_ip(text).value(); }

// Source or destination of a frame; the port lies `port_at` behind the IP header.
Endpoint end_of(const Bytes& frame, size_t addr_at4, size_t addr_at6, size_t port_at) {
  const bool ipv4 = get16(frame, 12) == 0x0800;
  Endpoint end;
  if (ipv4)
    end.addr = IpAddr::from_ipv4(Be32::from_host(get32(frame, addr_at4)));
  else
    std::copy_n(frame.begin() + static_cast<long>(addr_at6), end.addr.bytes.size(), end.addr.bytes.begin());
  end.port = Be16::from_host(get16(frame, (ipv4 ? 34 : 54) + port_at));
  return end;
}
Endpoint source_of(const Bytes& frame) { return end_of(frame, 26, 22, 0); }
Endpoint destination_of(const Bytes& frame) { return end_of(frame, 30, 38, 2); }

// An ICMP error of a router that does not like the frame.
Bytes error_about(const Bytes& frame, const Move& move) {
  const IpAddr sender = source_of(frame).addr;
  const IpAddr router = addr(sender.is_ipv4() ? "198.51.100.1" : "2001:db8:9::1");
  const Bytes packet(frame.begin() + 14, frame.end());
  const Bytes quote = wire::first(packet, std::min(packet.size(), size_t{move.payload} * 8));
  const uint8_t type = move.flags >> 4, code = move.flags & 15;
  const Bytes icmp = wire::icmp(router, sender, type, code, 1280u + move.window, quote);
  return frame_around(router, sender, sender.is_ipv4() ? uint8_t{IPPROTO_ICMP} : uint8_t{IPPROTO_ICMPV6}, icmp);
}

End& Conversation::client(const Move& move) {
  const auto [found, is_new] = clients_.try_emplace(move.who);
  if (is_new) {
    const bool ipv6 = (move.who & kWhoIpv6) != 0;
    const unsigned service = move.who >> 2 & kWhoService, port = move.who >> 5 & kWhoPort;
    found->second = {.self = {addr(ipv6 ? "2001:db8:1::10" : "192.0.2.10"),
                              Be16::from_host(static_cast<uint16_t>(kClientPort + port))},
                     .peer = {addr(ipv6 ? "2001:db8:2::10" : "203.0.113.10"),
                              Be16::from_host(static_cast<uint16_t>(kServicePort + service))},
                     .next = 0xffff'fff0 + move.who,
                     .clock = 0xffff'ffff};
  }
  return found->second;
}

End* Conversation::backend(const Move& move) {
  if (backends_.empty()) return nullptr;
  return &backends_[backends_.size() - 1 - (move.who >> 2 & kWhoFlow) % backends_.size()];
}

void Conversation::say(unsigned port, End& end, const Move& move, std::span<const uint8_t> follow) {
  const Bytes frame = frame_of(end, move, follow);
  ++end.clock;
  if (move.options & kSayWrongChecksum) all_right_ = false;
  send(port, frame, (move.flags & kFlagBurst) != 0);
}

void Conversation::send(unsigned port, const Bytes& frame, bool in_burst) {
  bench_.put(port, frame);
  if (++waiting_ < kBurstFramesMax && in_burst) return;
  said_ = 0;
  bench_.turn();
  REQUIRE(said_ <= kSaidMax * waiting_);
  waiting_ = 0;
}

// Who hears it; a backend comes into being with the SYN to it.
End& Conversation::listener(unsigned port, const End& ends, bool is_syn) {
  static End nobody;
  if (port == kFront) {
    for (auto& [who, end] : clients_)
      if (end.self == ends.self && end.peer == ends.peer) return end;
    return nobody;
  }
  const auto same = [&](const End& end) { return end.self == ends.self && end.peer == ends.peer; };
  const auto found = std::ranges::find_if(backends_, same);
  if (!is_syn) return found == backends_.end() ? nobody : *found;
  if (found != backends_.end()) backends_.erase(found);
  if (backends_.size() == kBackendFlowsMax) backends_.erase(backends_.begin());
  backends_.push_back(ends);
  backends_.back().next = 0x7fff'fff0;
  return backends_.back();
}

void Conversation::hear_segment(unsigned port, const Bytes& frame) {
  const bool ipv4 = get16(frame, 12) == 0x0800;
  const Bytes l4(frame.begin() + (ipv4 ? 34 : 54), frame.end());
  const auto& tcp = *reinterpret_cast<const rte_tcp_hdr*>(l4.data());
  const bool is_syn = (tcp.tcp_flags & kTcpSyn) != 0, is_fin = (tcp.tcp_flags & kTcpFin) != 0;
  End& end = listener(port, {.self = destination_of(frame), .peer = source_of(frame)},
                      is_syn && (tcp.tcp_flags & kTcpAck) == 0);
  end.peer_next = get32(l4, 4) + static_cast<uint32_t>(l4.size() - tcp_header_bytes(tcp)) + is_syn + is_fin;
  if (tcp.tcp_flags & kTcpAck) end.next = get32(l4, 8);
  const TcpOptions options = read_tcp_options(tcp);
  if (options.timestamps) end.peer_clock = options.ts_value;
}

void Conversation::hear(unsigned port, std::span<const uint8_t> bytes) {
  ++said_;
  const Bytes frame(bytes.begin(), bytes.end());
  const bool ipv4 = get16(frame, 12) == 0x0800;
  const size_t ip_bytes = ipv4 ? get16(frame, 16) : 40u + get16(frame, 18);
  REQUIRE(frame.size() == 14 + ip_bytes);
  REQUIRE(ip_bytes <= kMtuBytes[port]);
  REQUIRE(!all_right_ || wire::wrong_checksum(frame).empty());
  if (frame[ipv4 ? 23 : 20] == IPPROTO_TCP) hear_segment(port, frame);
  heard_last_[port] = frame;
}

void Conversation::other(const Move& move) {
  switch (move.who & 3) {
    case kWhoTime:
      return bench_.pass(move.flags * 16u);
    case kWhoRouter:
      if (const Bytes& heard = heard_last_[move.who >> 2 & 1]; !heard.empty())
        send(move.who >> 2 & 1, error_about(heard, move), false);
      return;
    case kWhoNoServices:
    case kWhoServices:
      return bench_.configure((move.who & 3) == kWhoServices);
  }
}

void Conversation::play(std::span<const uint8_t> input) {
  clients_.clear();
  backends_.clear();
  for (Bytes& heard : heard_last_) heard.clear();
  all_right_ = true;
  waiting_ = 0;
  bench_.on_sent = [this](unsigned port, std::span<const uint8_t> frame) { hear(port, frame); };
  while (input.size() >= sizeof(Move)) {
    Move move;
    std::memcpy(&move, input.data(), sizeof move);
    input = input.subspan(sizeof move);
    if (move.who & kWhoOther) {
      other(move);
      continue;
    }
    const std::span<const uint8_t> follow = input.first(std::min<size_t>(move.bytes_follow, input.size()));
    input = input.subspan(follow.size());
    if ((move.who & kWhoBackend) == 0)
      say(kFront, client(move), move, follow);
    else if (End* end = backend(move))
      say(kBack, *end, move, follow);
  }
  bench_.end_input();
}

}  // namespace
}  // namespace millrace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static millrace::Conversation& conversation = *new millrace::Conversation;
  conversation.play({data, size});
  return 0;
}
