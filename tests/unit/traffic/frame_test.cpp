// What the writer writes, the reader takes, and any changed byte that matters is noticed. The checksums are judged by
// the dataplane's functions, which the writer does not use.
#include <gtest/gtest.h>

#include <array>
#include <string>

#include "perf/traffic/frame_reader.h"
#include "perf/traffic/frame_writer.h"

namespace millrace::traffic {
namespace {

constexpr MacAddr kHere{{2, 0, 0, 0, 0, 1}};
constexpr MacAddr kThere{{2, 0, 0, 0, 0, 2}};
constexpr unsigned kBackends = 16;

struct Kind {
  Family family;
  Proto proto;
  uint16_t frame_bytes;
};

class Frame : public testing::TestWithParam<Kind> {
 protected:
  Frame() { parse(GetParam().family == Family::ipv4); }

  void parse(bool ipv4) {
    vip_ = *parse_endpoint(ipv4 ? "203.0.113.10:80" : "[2001:db8:10::10]:80");
    snat_ = *parse_endpoint(ipv4 ? "10.72.0.16:40000" : "[fd72::10]:40000");
    backend_ = *parse_endpoint(ipv4 ? "10.72.16.1:80" : "[fd72:16::1]:80");
    clients_ = ipv4 ? FlowSpace(*parse_ip("198.18.0.0"), 15, 1) : FlowSpace(*parse_ip("2001:2::"), 64, 1);
  }

  FrameReader reader() const { return {GetParam().family, GetParam().proto, clients_, vip_, backend_, kBackends}; }
  unsigned write(const Ends& ends, const Message& message) {
    frame_.fill(0);
    const FrameWriter writer(GetParam().family, GetParam().proto, kThere, kHere);
    return writer.write(frame_.data(), ends, message, GetParam().frame_bytes);
  }
  Ends to_client(uint32_t id) const { return {vip_, clients_.client(id)}; }
  Ends to_backend(unsigned index) const { return {snat_, backend_endpoint(backend_, index)}; }

  Endpoint vip_, snat_, backend_;
  FlowSpace clients_{IpAddr{}, 128, 0};
  alignas(64) std::array<uint8_t, kFrameBytesMax> frame_{};  // as an mbuf has it
};

TEST_P(Frame, ComesBackAsItWasSent) {
  for (uint32_t id = 1; id < 1'000'000; id = id * 3 + 1) {
    const Message sent{.step = Step::response, .id = id, .slot = id / 2, .stamp = uint64_t{id} << 20 | 0x7777};
    const unsigned bytes = write(to_client(id), sent);
    ASSERT_EQ(bytes, GetParam().frame_bytes - kFcsBytes);
    Arrival arrival;
    ASSERT_EQ(reader().read(frame_.data(), bytes, kHere, arrival), Fault::none);
    EXPECT_EQ(reader().check_sums(frame_.data()), Fault::none);
    EXPECT_FALSE(arrival.to_backend);
    EXPECT_EQ(arrival.message.id, id);
    EXPECT_EQ(arrival.message.step, Step::response);
    EXPECT_EQ(arrival.message.stamp, sent.stamp);
    if (GetParam().proto == Proto::tcp) {
      EXPECT_EQ(arrival.message.slot, sent.slot);
    }
  }
}

TEST_P(Frame, KnowsItsBackend) {
  for (const unsigned index : {0u, 1u, kBackends - 1}) {
    const unsigned bytes = write(to_backend(index), {.step = Step::request, .id = 5, .stamp = 1});
    Arrival arrival;
    ASSERT_EQ(reader().read(frame_.data(), bytes, kHere, arrival), Fault::none);
    EXPECT_TRUE(arrival.to_backend);
    EXPECT_EQ(arrival.backend, index);
    EXPECT_EQ(arrival.ends.src, snat_);
  }
}

TEST_P(Frame, EveryChangedByteIsNoticed) {
  const unsigned bytes = write(to_client(5), {.step = Step::request, .id = 5, .stamp = 0x123456789abc});
  const unsigned last = std::min(bytes, payload_offset(GetParam().family, GetParam().proto) + kStampBytes);
  for (unsigned at = sizeof(rte_ether_hdr); at < last; ++at) {
    // Not part of any checksum, and free to change: traffic class, flow label, hop limit.
    const bool free6 = GetParam().family == Family::ipv6 && (at < 18 || at == 21);
    if (free6) continue;
    frame_[at] ^= 0x55;
    Arrival arrival;
    const Fault fault = reader().read(frame_.data(), bytes, kHere, arrival);
    EXPECT_TRUE(fault != Fault::none || reader().check_sums(frame_.data()) != Fault::none) << "byte " << at;
    frame_[at] ^= 0x55;
  }
}

TEST_P(Frame, FaultsHaveNames) {
  Arrival arrival;
  unsigned bytes = write(to_client(5), {.step = Step::request, .id = 5});
  EXPECT_EQ(reader().read(frame_.data(), bytes, kThere, arrival), Fault::wrong_mac);
  EXPECT_EQ(reader().read(frame_.data(), bytes - 1, kHere, arrival), Fault::malformed);
  EXPECT_EQ(reader().read(frame_.data(), 20, kHere, arrival), Fault::foreign);
  frame_[12] ^= 1;
  EXPECT_EQ(reader().read(frame_.data(), bytes, kHere, arrival), Fault::foreign);

  bytes = write(to_client(6), {.step = Step::request, .id = 5});
  EXPECT_EQ(reader().read(frame_.data(), bytes, kHere, arrival), Fault::unknown_flow);
  bytes = write({snat_, clients_.client(5)}, {.step = Step::request, .id = 5});
  EXPECT_EQ(reader().read(frame_.data(), bytes, kHere, arrival), Fault::wrong_source);
  bytes = write(to_backend(kBackends), {.step = Step::request, .id = 5});
  EXPECT_EQ(reader().read(frame_.data(), bytes, kHere, arrival), Fault::wrong_destination);
}

std::string name_of(const testing::TestParamInfo<Kind>& info) {
  return std::string(info.param.family == Family::ipv4 ? "ipv4" : "ipv6") +
         (info.param.proto == Proto::tcp ? "_tcp_" : "_udp_") + std::to_string(info.param.frame_bytes);
}

INSTANTIATE_TEST_SUITE_P(All, Frame,
                         testing::Values(Kind{Family::ipv4, Proto::udp, frame_bytes_min(Family::ipv4, Proto::udp)},
                                         Kind{Family::ipv4, Proto::tcp, frame_bytes_min(Family::ipv4, Proto::tcp)},
                                         Kind{Family::ipv6, Proto::udp, frame_bytes_min(Family::ipv6, Proto::udp)},
                                         Kind{Family::ipv6, Proto::tcp, frame_bytes_min(Family::ipv6, Proto::tcp)},
                                         Kind{Family::ipv4, Proto::udp, 1518}, Kind{Family::ipv6, Proto::tcp, 1517}),
                         name_of);

}  // namespace
}  // namespace millrace::traffic
