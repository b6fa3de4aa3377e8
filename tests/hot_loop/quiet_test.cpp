// quiet_test.cpp: 10,000 turns of the real workers over traffic of every kind, without a system call, an allocation or
// a lock. Two workers, both ports; between watched turns the test plays clients, backends and neighbours.
#include <gtest/gtest.h>
#include <rte_cycles.h>

#include <vector>

#include "tests/hot_loop/disturbance.h"
#include "tests/unit/stages/tcp_talk.h"

namespace millrace {
namespace {

using wire::Bytes;

constexpr uint64_t kTurns = 10'000;
constexpr unsigned kPerRound = 20;  // new connections of each family and protocol

std::vector<TestService> services() {
  TestService udp{.proto = Proto::udp, .client_idle_ms = 2000, .backend_idle_ms = 2000};
  TestService nat{.mode = Mode::nat, .binds = {"203.0.113.10:81"}, .backends = {"10.0.0.2:8081"}};
  TestService proxied{
      .mode = Mode::proxy, .binds = {"203.0.113.10:82", "[2001:db8:2::10]:82"}, .proxy_protocol = ProxyProtocol::v2};
  // Nobody answers for this backend's address: its packets are held, then dropped.
  TestService silent{.proto = Proto::udp, .binds = {"203.0.113.10:54"}, .backends = {"10.0.0.9:54"}};
  return {TestService{}, udp, nat, proxied, silent};
}

class QuietWorkers : public testing::Test {
 protected:
  QuietWorkers() : bed_(TestbedOptions{.workers = 2, .connections = 8192, .services = services()}) {}

  void from_clients(const Bytes& packet) { bed_.send(kFront, from_client(packet), next_queue()); }
  void from_backends(const Bytes& packet) { bed_.send(kBack, from_backend(packet), next_queue()); }
  // Packets come to either worker, whoever owns them.
  uint16_t next_queue() { return static_cast<uint16_t>(queue_++ % 2); }

  // Turns of both workers until nothing is left to take, and some more: watched.
  void turn() {
    if (HasFatalFailure()) return;  // one report is enough
    uint64_t turns = 0;
    const Disturbance seen = watch([&] {
      for (unsigned taken = 1, empty = 0; empty < 4; empty = taken == 0 ? empty + 1 : 0) {
        taken = worker_turn(bed_.worker(0)) + worker_turn(bed_.worker(1));
        turns += 2;
      }
    });
    ASSERT_TRUE(seen.none()) << seen.text();
    turns_ += turns;
  }
  // Time passes; in each of the turns a new millisecond begins, so that house is kept as often as it may have to.
  void pass(uint32_t ms) {
    for (unsigned i = 0; i < 20; ++i) {
      for (unsigned w = 0; w < bed_.worker_count(); ++w) {
        WorkerClock& clock = bed_.worker(w).clock;
        clock.anchor(rte_rdtsc(), clock.now_ms() + (i == 0 ? ms : 1));
      }
      turn();
    }
  }
  // The clocks are moved to the system's again, as once a second.
  void age_anchors() {
    for (unsigned w = 0; w < bed_.worker_count(); ++w) {
      WorkerClock& clock = bed_.worker(w).clock;
      clock.anchor(rte_rdtsc() - bed_.state().tsc_hz, clock.now_ms());
    }
    turn();
  }
  // What came out by `port` as TCP or UDP, turned round: the tuples of the answers.
  std::vector<wire::Flow> answers(PortIndex port, uint8_t proto) {
    std::vector<wire::Flow> flows;
    for (const Bytes& frame : bed_.received(port)) {
      const uint16_t type = wire::get16(frame, 12);
      const bool ip = type == 0x0800 || type == 0x86dd;
      if (!ip || frame.at(type == 0x0800 ? 23 : 20) != proto) continue;
      const Seen at = seen(frame);
      flows.push_back({at.dst, at.src, at.dst_port, at.src_port});
    }
    return flows;
  }
  std::vector<Talk> talks(PortIndex port);
  void forget_output() {
    bed_.received(kFront);
    bed_.received(kBack);
    bed_.notes();
  }

  void tcp_lives(unsigned round);
  void proxied_lives(unsigned round);
  void udp_exchanges(unsigned round);
  void slow_path(unsigned round);

  Testbed bed_;
  uint64_t turns_ = 0;
  unsigned queue_ = 0;
};

wire::Flow tcp_client(const FamilyCase& family, unsigned round, unsigned i, uint16_t port) {
  return flow(family.client, static_cast<uint16_t>(1024 + (round % 1000) * kPerRound + i), family.vip, port);
}

// From SYN to the last FIN, in modes fullnat and nat; every fourth is reset by its backend instead.
void QuietWorkers::tcp_lives(unsigned round) {
  std::vector<wire::Flow> clients;
  for (const FamilyCase& family : {kIpv4Case, kIpv6Case})
    for (unsigned i = 0; i < kPerRound; ++i) clients.push_back(tcp_client(family, round, i, 80));
  for (unsigned i = 0; i < kPerRound; ++i) clients.push_back(tcp_client(kIpv4Case, round, i, 81));
  for (const wire::Flow& client : clients) from_clients(tcp_packet(client, kSyn));
  turn();
  const std::vector<wire::Flow> backends = answers(kBack, 6);
  ASSERT_EQ(backends.size(), clients.size());
  for (const uint8_t flags : {kSynAck, kAck}) {
    for (const wire::Flow& backend : backends) from_backends(tcp_packet(backend, flags));
    turn();
    for (const wire::Flow& client : clients) from_clients(tcp_packet(client, kAck));
    turn();
  }
  for (size_t i = 0; i < backends.size(); ++i) from_backends(tcp_packet(backends[i], i % 4 == 0 ? kRst : kFinAck));
  turn();
  for (const wire::Flow& client : clients) from_clients(tcp_packet(client, kFinAck));
  turn();
  for (const wire::Flow& backend : backends) from_backends(tcp_packet(backend, kAck));
  turn();
  forget_output();
}

// What came out by `port` as TCP.
std::vector<Talk> QuietWorkers::talks(PortIndex port) {
  std::vector<Talk> heard;
  for (const Bytes& frame : bed_.received(port)) {
    const uint16_t type = wire::get16(frame, 12);
    if ((type == 0x0800 && frame.at(23) == 6) || (type == 0x86dd && frame.at(20) == 6))
      heard.push_back(read_talk(frame));
  }
  return heard;
}

// The segment that answers `talk`.
Talk answer_to(const Talk& talk, uint8_t flags, uint32_t seq) {
  const uint32_t length = static_cast<uint32_t>(talk.payload.size()) + ((talk.flags & (kSyn | 1)) != 0 ? 1 : 0);
  return {.flow = {talk.flow.dst, talk.flow.src, talk.flow.dst_port, talk.flow.src_port},
          .seq = seq,
          .ack = talk.seq + length,
          .flags = flags,
          .window = 1000};
}

// SYN cookie, backend, header, data with timestamps and SACK, close. Some backends refuse, some never answer.
void QuietWorkers::proxied_lives(unsigned round) {
  constexpr uint32_t kClientIsn = 100, kBackendIsn = 500;
  std::vector<Talk> syns;
  for (const FamilyCase& family : {kIpv4Case, kIpv6Case})
    for (unsigned i = 0; i < kPerRound; ++i) {
      Talk syn{.flow = tcp_client(family, round, i, 82), .seq = kClientIsn, .flags = kSyn, .window = 1000};
      syn.options = {.mss = 1400, .window_scale = 5, .sack_permitted = true, .timestamps = true, .ts_value = round};
      syns.push_back(syn);
    }
  for (const Talk& syn : syns) from_clients(packet_of(syn));
  turn();
  const std::vector<Talk> cookies = talks(kFront);
  ASSERT_EQ(cookies.size(), syns.size());
  for (const Talk& cookie : cookies) {
    from_clients(packet_of(answer_to(cookie, kAck, kClientIsn + 1)));
    from_clients(packet_of(answer_to({.flow = cookie.flow, .seq = 1}, kAck, 9)));  // bad_cookie, or a challenge
  }
  turn();
  std::vector<Talk> to_backends = talks(kBack);
  for (size_t i = 0; i < to_backends.size(); ++i) {
    if (i % 8 == 0) continue;
    Talk answer = answer_to(to_backends[i], i % 8 == 1 ? kRstAck : kSynAck, kBackendIsn);
    answer.options = {.mss = 1300, .window_scale = 7, .sack_permitted = true, .timestamps = true, .ts_value = 5};
    from_backends(packet_of(answer));
  }
  turn();
  for (const Talk& header : talks(kBack))
    if (!header.payload.empty()) from_backends(packet_of(answer_to(header, kAck, kBackendIsn + 1)));
  turn();
  for (const Talk& opened : talks(kFront)) {
    if ((opened.flags & kRst) != 0) continue;
    Talk data = answer_to(opened, kAck, kClientIsn + 1);
    data.payload = {1, 2, 3};
    data.options.sack = {{opened.seq + 5, opened.seq + 9}};
    from_clients(packet_of(data));
    data.seq += 3;
    data.payload = {};
    data.flags = kFinAck;
    from_clients(packet_of(data));
  }
  turn();
  for (const Talk& end : talks(kBack))
    if ((end.flags & 1) != 0) from_backends(packet_of(answer_to(end, kFinAck, kBackendIsn + 1)));
  turn();
  pass(600);  // backends that have not answered are asked again
  forget_output();
}

// With answers; then silence, until they expire.
void QuietWorkers::udp_exchanges(unsigned round) {
  for (const FamilyCase& family : {kIpv4Case, kIpv6Case})
    for (unsigned i = 0; i < kPerRound; ++i) from_clients(udp_packet(tcp_client(family, round, i, 80)));
  turn();
  for (const wire::Flow& backend : answers(kBack, 17)) from_backends(udp_packet(backend));
  from_clients(udp_packet(tcp_client(kIpv4Case, round, 0, 54)));
  turn();
  pass(5000);
  forget_output();
}

// Ping, ARP, ICMP errors about connections, what is the kernel's, and drops.
void QuietWorkers::slow_path(unsigned round) {
  const wire::Flow client = tcp_client(kIpv4Case, round, kPerRound - 1, 80);
  from_clients(tcp_packet(client, kSyn));
  turn();
  const std::vector<wire::Flow> backends = answers(kBack, 6);
  ASSERT_EQ(backends.size(), 1u);
  const wire::Flow& at_backend = backends[0];
  // The backend's network says that our packet did not arrive.
  const wire::Flow quoted{at_backend.dst, at_backend.src, at_backend.dst_port, at_backend.src_port};
  from_backends(wire::ip(wire::addr("10.0.0.1"), at_backend.dst, 1,
                         wire::icmp(wire::addr("10.0.0.1"), at_backend.dst, 3, 1, 0, tcp_packet(quoted, kSyn))));
  from_clients(wire::ip(client.src, client.dst, 1, wire::icmp(client.src, client.dst, 8, 0, 1, {1, 2, 3})));
  bed_.send(kFront,
            wire::ether(MacAddr{{255, 255, 255, 255, 255, 255}}, kClientMac, 0x0806,
                        {0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 1, 1, 192, 0, 2, 10, 0, 0, 0, 0, 0, 0, 203, 0, 113, 10}));
  from_clients(tcp_packet(flow("192.0.2.10", 1, "192.0.2.1", 22), kSyn));            // the kernel's
  from_clients(tcp_packet(flow("192.0.2.10", 1, "203.0.113.10", 9), kSyn));          // no_service
  from_clients(tcp_packet(flow("192.0.2.10", 1, "203.0.113.10", 80), kAck));         // no_connection
  from_clients(tcp_packet(client, kAck, {}, wire::IpSettings{.ttl = 1}));            // ttl_expired
  from_clients(tcp_packet(client, kAck, {}, wire::IpSettings{.fragment = 0x2000}));  // fragment
  bed_.send(kFront, wire::first(from_client(tcp_packet(client, kAck)), 40));         // cut off
  turn();
  forget_output();
}

TEST_F(QuietWorkers, ten_thousand_turns_without_a_disturbance) {
  for (unsigned round = 0; turns_ < kTurns; ++round) {
    tcp_lives(round);
    proxied_lives(round);
    udp_exchanges(round);
    slow_path(round);
    age_anchors();
    if (round % 8 == 0) bed_.configure(services());  // its addresses are announced
    ASSERT_FALSE(HasFatalFailure()) << "round " << round;
  }
  // All of that did happen.
  for (Counter WorkerCounters::*counter :
       {&WorkerCounters::connections_opened, &WorkerCounters::connections_closed, &WorkerCounters::connections_expired,
        &WorkerCounters::handed_in, &WorkerCounters::handed_out, &WorkerCounters::originated, &WorkerCounters::diverted,
        &WorkerCounters::icmp_translated, &WorkerCounters::echo_answered, &WorkerCounters::arp_answered,
        &WorkerCounters::absorbed, &WorkerCounters::cookies_sent, &WorkerCounters::cookies_accepted,
        &WorkerCounters::proxy_retransmits, &WorkerCounters::challenge_acks})
    EXPECT_GT(bed_.total(counter), 10u);
  for (const DropReason reason : {DropReason::no_service, DropReason::no_connection, DropReason::ttl_expired,
                                  DropReason::fragment, DropReason::neighbour_timeout, DropReason::bad_cookie})
    EXPECT_GT(bed_.dropped(reason), 0u) << kDropReasonNames[static_cast<size_t>(reason)];
  uint64_t timed = 0;
  for (unsigned w = 0; w < bed_.worker_count(); ++w) timed += bed_.worker(w).counters.stages[0].packets.read();
  EXPECT_GT(timed, 0u) << "timed turns are watched too";
}

}  // namespace
}  // namespace millrace
