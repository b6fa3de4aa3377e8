// port_open_test.cpp: every kind of port that needs no NIC; what is refused, and how that is said.
#include "dataplane/ports/port_open.h"

#include <gmock/gmock.h>
#include <net/if.h>
#include <rte_log.h>
#include <rte_ring.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "dataplane/ports/test_ports.h"
#include "tests/unit/ports/open_ports_fixture.h"
#include "tests/unit/ports/veth_pair.h"

namespace millrace {
namespace {

using testing::AllOf;
using testing::HasSubstr;

TEST_F(OpenPorts, Queues_AreDealtRoundRobinOverAllPorts) {
  open({wanted("ring", "", 2), wanted("null", "", 1), wanted("ring", "", 2)}, 3);
  ASSERT_EQ(ports.size(), 3u);
  EXPECT_EQ(ports[0].queue_owner[0], WorkerIndex{0});
  EXPECT_EQ(ports[0].queue_owner[1], WorkerIndex{1});
  EXPECT_EQ(ports[1].queue_owner[0], WorkerIndex{2});
  EXPECT_EQ(ports[2].queue_owner[0], WorkerIndex{0});
  EXPECT_EQ(ports[2].queue_owner[1], WorkerIndex{1});
  for (uint8_t i = 0; i < 3; ++i) EXPECT_EQ(ports[i].index, PortIndex{i});
  EXPECT_NE(ports[0].mac, ports[2].mac);
}

TEST_F(OpenPorts, Ring_TestFillsAndEmptiesIt) {
  open({wanted("ring", "", 2)});
  rte_ring* in = rte_ring_lookup(ring_port_name(PortIndex{0}, 1, true).c_str());
  rte_ring* out = rte_ring_lookup(ring_port_name(PortIndex{0}, 1, false).c_str());
  ASSERT_NE(in, nullptr);
  ASSERT_NE(out, nullptr);
  rte_mbuf* packet = rte_pktmbuf_alloc(pool);
  ASSERT_EQ(rte_ring_enqueue(in, packet), 0);
  rte_mbuf* got = nullptr;
  EXPECT_EQ(rte_eth_rx_burst(ports[0].dpdk_port, 0, &got, 1), 0) << "the other queue";
  ASSERT_EQ(rte_eth_rx_burst(ports[0].dpdk_port, 1, &got, 1), 1);
  EXPECT_EQ(got, packet);
  ASSERT_EQ(rte_eth_tx_burst(ports[0].dpdk_port, 1, &got, 1), 1);
  void* sent = nullptr;
  ASSERT_EQ(rte_ring_dequeue(out, &sent), 0);
  EXPECT_EQ(sent, packet);
  rte_pktmbuf_free(packet);
}

TEST_F(OpenPorts, Null_ReceivesNothingAndForgets) {
  open({wanted("null", "")});
  EXPECT_EQ(receive(
                ports[0], [](const std::string&) { return true; }, 50),
            "");
  EXPECT_TRUE(transmit(ports[0], marked_frame("x")));
  EXPECT_EQ(ports[0].mtu_bytes, 1500);
  EXPECT_FALSE(ports[0].kernel_sees_all);
}

TEST_F(OpenPorts, Pcap_RecordsWhatAnotherPlays) {
  const std::string file = testing::TempDir() + "millrace-" + std::to_string(getpid()) + ".pcap";
  open({wanted("pcap", "tx=" + file)});
  EXPECT_TRUE(transmit(ports[0], marked_frame("played")));
  close();
  open({wanted("pcap", "rx=" + file + ",tx=" + file + ".out")});
  EXPECT_NE(receive(ports[0], is_marked("played")), "");
  close();
  std::filesystem::remove(file);
  std::filesystem::remove(file + ".out");
}

TEST_F(OpenPorts, Memif_ServerAndClientExchangeFrames) {
  const std::string path = testing::TempDir() + "millrace-" + std::to_string(getpid()) + ".sock";
  open({wanted("memif", path), wanted("memif", path + ",client")});
  // They have to find each other first, and the client's polling is what gives the server room to send.
  const auto exchange = [&](const Port& from, const Port& to, const std::string& text) {
    for (unsigned i = 0; i < 200 && !transmit(from, marked_frame(text)); ++i) receive(to, is_marked(""), 10);
    return receive(to, is_marked(text)) != "";
  };
  EXPECT_TRUE(exchange(ports[1], ports[0], "over"));
  EXPECT_TRUE(exchange(ports[0], ports[1], "back"));
}

// DPDK takes the second end down by itself when the first closes.
TEST_F(OpenPorts, Memif_BothEndsOfOneProcess_AreFreedOnce) {
  char* said = nullptr;
  size_t bytes = 0;
  FILE* log = open_memstream(&said, &bytes);
  rte_openlog_stream(log);
  const std::string path = testing::TempDir() + "millrace-ends-" + std::to_string(getpid()) + ".sock";
  for (int i = 0; i < 10; ++i) {
    open({wanted("memif", path), wanted("memif", path + ",client")});
    for (int tries = 0; tries < 200 && !transmit(ports[1], marked_frame("connected")); ++tries)
      receive(ports[0], is_marked(""), 5);
    close();
  }
  rte_openlog_stream(nullptr);
  std::fclose(log);
  EXPECT_STREQ(said, "");
  std::free(said);
}

TEST_F(OpenPorts, BadTestPorts_AreRefusedWithTheRightForm) {
  EXPECT_THAT(refusal({wanted("pcap", "rx=/nonexistent.pcap")}), HasSubstr("/nonexistent.pcap does not exist"));
  EXPECT_THAT(refusal({wanted("pcap", "")}), HasSubstr("write \"pcap:rx=FILE,tx=FILE\""));
  EXPECT_THAT(refusal({wanted("pcap", "xx=/tmp/a")}), HasSubstr("write \"pcap:rx=FILE,tx=FILE\""));
  EXPECT_THAT(refusal({wanted("pcap", "tx=/tmp/a", 2)}), HasSubstr("queues = 1"));
  EXPECT_THAT(refusal({wanted("memif", "")}), HasSubstr("write \"memif:PATH[,client|server]\""));
  EXPECT_THAT(refusal({wanted("memif", "/tmp/a,boss")}), HasSubstr("write \"memif:PATH[,client|server]\""));
  EXPECT_THAT(refusal({wanted("ethernet", "eth0")}), HasSubstr("no device kind \"ethernet\""));
}

TEST_F(OpenPorts, ImpossibleCounts_AreRefused) {
  EXPECT_THAT(refusal({}), HasSubstr("[[dataplane.port]]"));
  EXPECT_THAT(refusal({wanted("ring", "", 0)}), HasSubstr("`queues`"));
  EXPECT_THAT(refusal({wanted("ring", "", kQueueMax + 1)}), HasSubstr("`queues`"));
  EXPECT_THAT(refusal(std::vector(kPortMax + 1, wanted("null", ""))), HasSubstr("at most 16 ports"));
}

TEST_F(OpenPorts, Pci_WithoutDevice_NamesTheTool) {
  EXPECT_THAT(refusal({wanted("pci", "0000:fe:1f.7")}), AllOf(HasSubstr("0000:fe:1f.7"), HasSubstr("dpdk-devbind.py")));
}

TEST_F(OpenPorts, AfterARefusal_TheSamePortsOpen) {
  EXPECT_NE(refusal({wanted("ring", ""), wanted("pcap", "")}), "");
  open({wanted("ring", "")});
  EXPECT_EQ(ports.size(), 1u);
}

TEST_F(OpenPorts, Interface_MissingOrDown_NamesTheCommand) {
  const VethPair net;
  for (const char* kind : {"af_xdp", "af_packet"}) {
    EXPECT_THAT(refusal({wanted(kind, "nosuch0")}), AllOf(HasSubstr("nosuch0 does not exist"), HasSubstr("ip link")));
    EXPECT_THAT(refusal({wanted(kind, "lo")}), HasSubstr("lo is no Ethernet interface"));
  }
  net.run("ip link set here down");
  for (const char* kind : {"af_xdp", "af_packet"})
    EXPECT_THAT(refusal({wanted(kind, "here")}), HasSubstr("`ip link set dev here up`"));
}

TEST_F(OpenPorts, Interface_WithTooLargeMtu_NamesTheLimit) {
  const VethPair net;
  net.run("ip link set here mtu 1779");
  EXPECT_THAT(refusal({wanted("af_xdp", "here")}), AllOf(HasSubstr("takes 1778"), HasSubstr("mtu 1500")));
  net.run("ip link set here mtu 1969");
  EXPECT_THAT(refusal({wanted("af_packet", "here")}), AllOf(HasSubstr("1969"), HasSubstr("mtu 1500")));
}

class AfPacket : public OpenPorts {
 protected:
  ~AfPacket() override { close(); }  // before the interfaces go

  VethPair net;
};

TEST_F(AfPacket, Frames_GoBothWays) {
  open({wanted("af_packet", "here")});
  EXPECT_TRUE(ports[0].kernel_sees_all);
  EXPECT_NE(ports[0].kernel_ifindex, 0u);
  net.in_there([&] {
    const RawSocket peer(VethPair::kThere);
    peer.send(marked_frame("in"));
    EXPECT_NE(receive(ports[0], is_marked("in")), "");
    EXPECT_TRUE(transmit(ports[0], marked_frame("out")));
    EXPECT_NE(peer.receive(2000, is_marked("out")), "");
  });
}

config::PortConfig with_vlan(config::PortConfig config, uint16_t vlan, const std::string& interface = {}) {
  config.name = "vlan" + std::to_string(vlan);
  config.vlan = vlan;
  config.interface = interface;
  return config;
}

TEST_F(OpenPorts, PortsOfOneDevice_ShareItAndItsQueues) {
  open({wanted("ring", "", 2), wanted("null", ""), with_vlan(wanted("ring", "", 2), 100)}, 2);
  ASSERT_EQ(ports.size(), 3u);
  EXPECT_EQ(ports[2].dpdk_port, ports[0].dpdk_port);
  EXPECT_EQ(ports[2].queue_owner, ports[0].queue_owner);
  EXPECT_EQ(ports[2].mac, ports[0].mac);
  EXPECT_EQ(ports[2].vlan, 100);
  EXPECT_EQ(raw(ports[2].index), 2);
  EXPECT_EQ(ports[0].vlan, 0);
  EXPECT_NE(ports[1].dpdk_port, ports[0].dpdk_port);
}

// The kernel's side of a VLAN: here a veth of any name, for not every kernel has VLANs.
TEST_F(AfPacket, Vlan_HasTheKernelsInterfaceOfItsOwn) {
  net.run("ip link add tagged type veth peer name taggedfar");
  net.run("ip link set tagged address 02:00:00:00:77:01 mtu 1400 up");
  open({with_vlan(wanted("af_packet", "here"), 100, "tagged"), wanted("af_packet", "here")});
  EXPECT_EQ(ports[0].kernel_ifindex, if_nametoindex("tagged"));
  EXPECT_EQ(ports[0].mac, (MacAddr{{2, 0, 0, 0, 0x77, 1}}));
  EXPECT_EQ(ports[0].mtu_bytes, 1400);
  EXPECT_EQ(ports[1].kernel_ifindex, if_nametoindex("here"));
  EXPECT_EQ(ports[1].mtu_bytes, 1500);
  EXPECT_EQ(ports[1].dpdk_port, ports[0].dpdk_port);
}

TEST_F(AfPacket, VlanThatTheKernelLacks_NamesTheCommand) {
  EXPECT_THAT(refusal({with_vlan(wanted("af_packet", "here"), 100)}),
              AllOf(HasSubstr("port vlan100"), HasSubstr("ip link add link here name here.100 type vlan id 100")));
  EXPECT_THAT(refusal({with_vlan(wanted("af_xdp", "here"), 100, "nosuch0")}), HasSubstr("nosuch0 does not exist"));
}

// The kernel takes the tag out of what it gives to packet sockets, and the driver puts it in again.
TEST_F(AfPacket, Tags_AreInTheFrames) {
  open({wanted("af_packet", "here")});
  std::string frame = marked_frame("tagged");
  frame.insert(12, std::string("\x81\x00\x60\x64", 4));
  const auto is_it = [&](const std::string& got) { return got == frame; };
  net.in_there([&] {
    const RawSocket peer(VethPair::kThere);
    peer.send(frame);
    EXPECT_NE(receive(ports[0], is_it), "");
  });
}

TEST_F(AfPacket, LargestFrame_ArrivesWhole) {
  net.run("ip link set here mtu 1968");
  net.run_there("ip link set there mtu 1968");
  open({wanted("af_packet", "here")});
  const std::string fill(1968 + 14 - 64, 'm');
  net.in_there([&] {
    const RawSocket peer(VethPair::kThere);
    peer.send(marked_frame(fill));
    EXPECT_NE(receive(ports[0], is_marked(fill)), "");
    EXPECT_TRUE(transmit(ports[0], marked_frame(fill)));
    EXPECT_NE(peer.receive(2000, is_marked(fill)), "");
  });
}

// What this host sends would otherwise come back as received, and be forwarded again.
TEST_F(AfPacket, OwnPackets_AreNotReceived) {
  for (const uint16_t queues : {1, 2}) {
    open({wanted("af_packet", "here", queues)});
    EXPECT_TRUE(transmit(ports[0], marked_frame("by the port")));
    RawSocket("here").send(marked_frame("by the host"));
    net.in_there([&] { RawSocket("there").send(marked_frame("the end")); });
    std::vector<std::string> seen;
    receive(ports[0], [&](const std::string& frame) {
      seen.push_back(frame.size() > 64 ? frame.substr(64) : "");
      return is_marked("the end")(frame);
    });
    EXPECT_THAT(seen, testing::Contains("the end"));
    EXPECT_THAT(seen, testing::Not(testing::Contains("by the port")));
    EXPECT_THAT(seen, testing::Not(testing::Contains("by the host")));
    close();
  }
}

}  // namespace
}  // namespace millrace
