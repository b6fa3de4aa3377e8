// emulated_nic_test.cpp: which queue a frame comes to, by the frame and the emulation.
#include "dataplane/ports/emulated_nic.h"

#include <gmock/gmock.h>
#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_udp.h>
#include <unistd.h>

#include <cstring>
#include <optional>
#include <random>

#include "tests/unit/ports/open_ports_fixture.h"

namespace millrace {
namespace {

constexpr unsigned kQueues = 4;

struct Flow {
  IpAddr src, dst;
  Be16 src_port, dst_port;
};

Flow random_flow(std::mt19937& random, Family family) {
  Flow flow;
  for (IpAddr* addr : {&flow.src, &flow.dst}) {
    if (family == Family::ipv4) {
      *addr = IpAddr::from_ipv4(Be32{static_cast<uint32_t>(random())});
    } else {
      for (uint8_t& byte : addr->bytes) byte = static_cast<uint8_t>(random());
      addr->bytes[0] = 0x20;
    }
  }
  flow.src_port.raw = static_cast<uint16_t>(random());
  flow.dst_port.raw = static_cast<uint16_t>(random());
  return flow;
}

template <typename Header>
void append(std::string& frame, const Header& header) {
  frame.append(reinterpret_cast<const char*>(&header), sizeof header);
}

std::string ipv4_frame(const Flow& flow, uint8_t proto, uint16_t fragment_field) {
  std::string frame;
  append(frame, rte_ether_hdr{{}, {}, RTE_BE16(RTE_ETHER_TYPE_IPV4)});
  rte_ipv4_hdr ip{};
  ip.version_ihl = 0x46;  // one word of options
  ip.next_proto_id = proto;
  ip.fragment_offset = rte_cpu_to_be_16(fragment_field);
  ip.src_addr = flow.src.ipv4().raw;
  ip.dst_addr = flow.dst.ipv4().raw;
  append(frame, ip);
  frame.append(4, '\1');
  append(frame, rte_udp_hdr{flow.src_port.raw, flow.dst_port.raw, 0, 0});
  return frame.append(20, 'x');
}

std::string ipv6_frame(const Flow& flow, uint8_t proto) {
  std::string frame;
  append(frame, rte_ether_hdr{{}, {}, RTE_BE16(RTE_ETHER_TYPE_IPV6)});
  rte_ipv6_hdr ip{};
  ip.proto = proto;
  std::memcpy(ip.src_addr, flow.src.bytes.data(), 16);
  std::memcpy(ip.dst_addr, flow.dst.bytes.data(), 16);
  append(frame, ip);
  append(frame, rte_udp_hdr{flow.src_port.raw, flow.dst_port.raw, 0, 0});
  return frame.append(20, 'x');
}

std::string frame_of(const Flow& flow, uint8_t proto, uint16_t fragment_field = 0) {
  return flow.src.is_ipv4() ? ipv4_frame(flow, proto, fragment_field) : ipv6_frame(flow, proto);
}

// Port 0 is the emulated NIC, port 1 the far end of the memif behind it.
class EmulatedNicTest : public OpenPorts {
 protected:
  ~EmulatedNicTest() override { close(); }

  void emulate(config::NicEmulation emulation) {
    const std::string path = testing::TempDir() + "millrace-nic-" + std::to_string(getpid()) + ".sock";
    config::PortConfig near = wanted("memif", path, kQueues);
    near.emulation = emulation;
    open({near, wanted("memif", path + ",client")}, kQueues);
  }
  // Through the memif to whichever queue; both sides must poll until they have found each other.
  std::optional<uint16_t> queue_of(const std::string& frame) const {
    for (int tries = 0; tries < 500; ++tries) {
      const bool sent = transmit(ports[1], frame);
      for (uint16_t queue = 0; queue < kQueues; ++queue)
        for (int turn = 0; turn < 2; ++turn)
          if (poll(queue, frame)) return queue;
      if (!sent) std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    return std::nullopt;
  }
  bool poll(uint16_t queue, const std::string& frame) const {
    rte_mbuf* packet = nullptr;
    if (rte_eth_rx_burst(ports[0].dpdk_port, queue, &packet, 1) != 1) return false;
    const std::string got(rte_pktmbuf_mtod(packet, const char*), rte_pktmbuf_data_len(packet));
    rte_pktmbuf_free(packet);
    return got == frame;
  }
  // How many of 400 flows come to a queue of their owner.
  unsigned home_count() {
    unsigned home = 0;
    for (int i = 0; i < 400; ++i) {
      const Flow flow = random_flow(random, i % 2 == 0 ? Family::ipv4 : Family::ipv6);
      std::string frame = frame_of(flow, i % 4 < 2 ? IPPROTO_TCP : IPPROTO_UDP);
      if (i % 8 < 4) frame.insert(12, std::string("\x81\x00\x00\x64", 4));  // cards look behind a tag
      const std::optional<uint16_t> queue = queue_of(frame);
      EXPECT_TRUE(queue);
      if (queue && ports[0].queue_owner[*queue] == owner.of_fullnat(flow.src, flow.src_port, flow.dst, flow.dst_port))
        ++home;
    }
    return home;
  }

  std::mt19937 random{4711};
  Owner owner{kQueues, {}};
};

TEST_F(EmulatedNicTest, rss_brings_every_flow_to_its_owner) {
  emulate(config::NicEmulation::rss);
  EXPECT_EQ(home_count(), 400u);
}

TEST_F(EmulatedNicTest, others_bring_a_flow_home_by_chance) {
  for (const config::NicEmulation emulation :
       {config::NicEmulation::plain, config::NicEmulation::wrong_key, config::NicEmulation::random}) {
    emulate(emulation);
    const unsigned home = home_count();
    EXPECT_TRUE(home > 60 && home < 140) << home << " by " << config::emulation_name(emulation);
    close();
  }
}

TEST_F(EmulatedNicTest, what_has_no_ports_has_hash_0) {
  emulate(config::NicEmulation::rss);
  for (int i = 0; i < 20; ++i) {
    const Flow flow4 = random_flow(random, Family::ipv4), flow6 = random_flow(random, Family::ipv6);
    EXPECT_EQ(queue_of(frame_of(flow4, IPPROTO_ICMP)), 0);
    EXPECT_EQ(queue_of(frame_of(flow4, IPPROTO_UDP, RTE_IPV4_HDR_MF_FLAG)), 0) << "first fragment";
    EXPECT_EQ(queue_of(frame_of(flow4, IPPROTO_UDP, 7)), 0) << "later fragment";
    EXPECT_EQ(queue_of(frame_of(flow6, IPPROTO_ICMPV6)), 0);
    EXPECT_EQ(queue_of(frame_of(flow6, IPPROTO_UDP).substr(0, 56)), 0) << "cut within the ports";
  }
}

TEST_F(EmulatedNicTest, sends_by_every_queue) {
  emulate(config::NicEmulation::rss);
  ASSERT_TRUE(queue_of(marked_frame("connected")));
  for (uint16_t queue = 0; queue < kQueues; ++queue) {
    const std::string text = "by queue " + std::to_string(queue);
    for (int tries = 0; tries < 200 && !transmit(ports[0], marked_frame(text), queue); ++tries)
      receive(ports[1], is_marked(""), 5);
    EXPECT_NE(receive(ports[1], is_marked(text)), "") << text;
  }
}

}  // namespace
}  // namespace millrace
