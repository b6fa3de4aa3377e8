// proxy_fixture.h: a proxied service, its client and its backend, whose segments a test writes down one by one.
// Holds:  every segment that comes out of the worker has the right checksums.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/unit/stages/tcp_talk.h"

namespace millrace {

inline constexpr uint32_t kClientIsn = 0xffff'ff00;  // its bytes wrap
inline constexpr uint32_t kBackendIsn = 0x8000'0000;
inline constexpr uint32_t kClientClock = 0xffff'fff0;
inline constexpr uint32_t kBackendClock = 77;

inline TestbedOptions proxy_options(TestService service = {}) {
  service.mode = Mode::proxy;
  TestbedOptions options;
  options.services = {service};
  return options;
}

inline const auto kFamilies = testing::Values(kIpv4Case, kIpv6Case);
inline std::string family_name(const testing::TestParamInfo<FamilyCase>& family) { return family.param.name; }

class Proxy : public testing::TestWithParam<FamilyCase> {
 protected:
  explicit Proxy(const TestService& service = {}) : bed_(proxy_options(service)) {}

  wire::Flow to_vip() const { return flow(GetParam().client, 4000, GetParam().vip, 80); }
  // What fits the ports' MTU of 1500.
  uint16_t mss_of_family() const { return GetParam().name == std::string("ipv4") ? 1460 : 1440; }
  static wire::Bytes hello_text() { return {'h', 'e', 'l', 'l', 'o'}; }

  // What came out of a port since the last call; only TCP, checksums right.
  std::vector<Talk> heard(PortIndex port) {
    std::vector<Talk> talks;
    for (const wire::Bytes& frame : bed_.received(port)) {
      EXPECT_EQ(wire::wrong_checksum(frame), "");
      talks.push_back(read_talk(frame));
    }
    return talks;
  }
  Talk heard_one(PortIndex port) {
    const std::vector<Talk> talks = heard(port);
    EXPECT_EQ(talks.size(), 1u);
    return talks.empty() ? Talk{} : talks.front();
  }

  Talk client_talk(uint8_t flags, uint32_t seq, uint32_t ack, const wire::Bytes& payload = {}) const {
    Talk talk{.flow = to_vip(), .seq = seq, .ack = ack, .flags = flags, .window = 512, .payload = payload};
    talk.options.timestamps = true;
    talk.options.ts_value = kClientClock + 5;
    talk.options.ts_echo = cookie_clock_;
    return talk;
  }
  Talk backend_talk(uint8_t flags, uint32_t seq, uint32_t ack, const wire::Bytes& payload = {}) const {
    Talk talk{.flow = reply_, .seq = seq, .ack = ack, .flags = flags, .window = 1000, .payload = payload};
    talk.options.timestamps = true;
    talk.options.ts_value = kBackendClock + 3;
    talk.options.ts_echo = our_clock_;
    return talk;
  }
  void client_says(const Talk& talk) {
    bed_.send(kFront, from_client(packet_of(talk)));
    bed_.run();
  }
  void backend_says(const Talk& talk) {
    bed_.send(kBack, from_backend(packet_of(talk)));
    bed_.run();
  }

  // SYN, cookie. Remembers the cookie and its clock.
  Talk send_syn() {
    Talk syn{.flow = to_vip(), .seq = kClientIsn, .flags = kSyn, .window = 64240};
    syn.options = {
        .mss = 1460, .window_scale = 9, .sack_permitted = true, .timestamps = true, .ts_value = kClientClock};
    client_says(syn);
    const Talk answer = heard_one(kFront);
    cookie_ = answer.seq;
    cookie_clock_ = answer.options.ts_value;
    return answer;
  }
  // The ACK, our SYN to the backend. Remembers where replies go to.
  Talk send_ack() {
    client_says(client_talk(kAck, kClientIsn + 1, cookie_ + 1));
    return take_syn();
  }
  Talk take_syn() {
    const Talk syn = heard_one(kBack);
    reply_ = {syn.flow.dst, syn.flow.src, syn.flow.dst_port, syn.flow.src_port};
    our_isn_ = syn.seq;
    our_clock_ = syn.options.ts_value;
    return syn;
  }
  void send_syn_ack() {
    Talk answer = backend_talk(kSynAck, kBackendIsn, our_isn_ + 1);
    answer.window = 65160;
    answer.options = {.mss = 1400,
                      .window_scale = 7,
                      .sack_permitted = true,
                      .timestamps = true,
                      .ts_value = kBackendClock,
                      .ts_echo = our_clock_};
    backend_says(answer);
  }
  // Up to the splice; nothing is left to hear.
  void splice() {
    send_syn();
    send_ack();
    send_syn_ack();
    heard(kBack);
    heard(kFront);
  }
  ConnState state() const {
    const ConnEntry* entry = bed_.only_connection();
    return entry == nullptr ? ConnState::free : entry->state;
  }

  Testbed bed_;
  wire::Flow reply_;  // from backend to SNAT address
  uint32_t cookie_ = 0, cookie_clock_ = 0, our_isn_ = 0, our_clock_ = 0;
};

}  // namespace millrace
