// direct_fixture.h: a balancer with one service in mode dsr or tunnel, and what its client and backends see.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "tests/unit/stages/testbed.h"
#include "tests/unit/stages/tunnel_wire.h"

namespace millrace {

// dsr where encapsulation is none; its families are equal then.
inline constexpr TunnelCase kDirectCases[] = {
    {"dsr_4", Family::ipv4, Family::ipv4, Encapsulation::none},
    {"dsr_6", Family::ipv6, Family::ipv6, Encapsulation::none},
    kTunnelCases[0],
    kTunnelCases[1],
    kTunnelCases[2],
    kTunnelCases[3],
    kTunnelCases[4],
    kTunnelCases[5],
    kTunnelCases[6],
    kTunnelCases[7],
};

class DirectBed {
 public:
  explicit DirectBed(const TunnelCase& direct, Proto proto = Proto::tcp, TestbedOptions options = {})
      : direct_(direct), proto_(proto), bed_(with_service(direct, proto, std::move(options))) {
    bed_.resolve(kBack, "fd00::2", kBackendMac);
  }

  static TestService service(const TunnelCase& direct, Proto proto) {
    TestService made{.mode = is_dsr(direct) ? Mode::dsr : Mode::tunnel, .proto = proto};
    const FamilyCase& outer = direct.outer == Family::ipv4 ? kIpv4Case : kIpv6Case;
    made.backends = {backend(outer, 1), backend(outer, 2)};
    made.encapsulation = direct.encapsulation;
    made.balance = Balance::maglev;
    made.gue_port = direct.encapsulation == Encapsulation::gue ? 6080 : 0;
    return made;
  }
  static std::string backend(const FamilyCase& outer, unsigned number) {
    std::string addr = outer.backend;
    addr.back() = static_cast<char>('0' + number);
    return addr.find(':') == addr.npos ? addr + ":80" : "[" + addr + "]:80";
  }
  static bool is_dsr(const TunnelCase& direct) { return direct.encapsulation == Encapsulation::none; }

  const FamilyCase& client_ends() const { return direct_.inner == Family::ipv4 ? kIpv4Case : kIpv6Case; }
  const FamilyCase& outer_ends() const { return direct_.outer == Family::ipv4 ? kIpv4Case : kIpv6Case; }
  wire::Flow client_flow(uint16_t port = 40'000) const {
    return flow(client_ends().client, port, client_ends().vip, 80);
  }
  // What the client sends: a segment with these flags, or a datagram.
  wire::Bytes packet(uint16_t port, uint8_t flags = kAck, size_t payload_bytes = 10,
                     const wire::IpSettings& settings = {}) const {
    const wire::Bytes payload(payload_bytes, 0x42);
    return proto_ == Proto::tcp ? tcp_packet(client_flow(port), flags, payload, settings)
                                : udp_packet(client_flow(port), payload, true, settings);
  }

  // What came out to the backends after a client's packet: exactly one frame, which holds `inner`.
  Unwrapped forwarded(const wire::Bytes& inner) {
    bed_.send(kFront, from_client(inner));
    bed_.run();
    return at_backend();
  }
  Unwrapped at_backend() {
    const std::vector<wire::Bytes> frames = bed_.received(kBack);
    EXPECT_EQ(frames.size(), 1u);
    EXPECT_TRUE(bed_.received(kFront).empty());
    if (frames.size() != 1) return {};
    EXPECT_EQ(seen(frames[0]).dst_mac, kBackendMac);
    EXPECT_EQ(seen(frames[0]).src_mac, kBackMac);
    if (!is_dsr(direct_)) return unwrap(direct_, frames[0]);
    return {.ends = {}, .outer = {}, .inner = wire::Bytes(frames[0].begin() + 14, frames[0].end())};
  }
  // Where the flow's packets go, by the address of its entry, or by the outer packet.
  Unwrapped forwarded(uint16_t port, uint8_t flags = kAck) { return forwarded(packet(port, flags)); }

  Testbed& operator*() { return bed_; }
  Testbed* operator->() { return &bed_; }

 private:
  static TestbedOptions with_service(const TunnelCase& direct, Proto proto, TestbedOptions options) {
    if (options.services.size() == 1 && options.services[0].mode == Mode::fullnat)
      options.services = {service(direct, proto)};
    return options;
  }

  const TunnelCase direct_;
  const Proto proto_;
  Testbed bed_;
};

}  // namespace millrace
