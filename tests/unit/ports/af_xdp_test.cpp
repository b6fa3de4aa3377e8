// af_xdp_test.cpp: an AF_XDP port on a real veth: what the steering takes arrives, what it does not stays the kernel's;
// a dataplane killed with kill -9 is replaced without the kernel answering in between.
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <gmock/gmock.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <xdp/xsk.h>

#include <array>
#include <atomic>
#include <csignal>

#include "dataplane/bpf/steer_loader.h"
#include "dataplane/ports/kernel_interface.h"
#include "dataplane/ports/steering.h"
#include "tests/unit/ports/open_ports_fixture.h"
#include "tests/unit/ports/veth_pair.h"

namespace millrace {
namespace {

using testing::AllOf;
using testing::HasSubstr;

constexpr uint16_t kServicePort = 80;

IpAddr ip(const char* text) { return parse_ip(text).value(); }

// A service on the kernel's own address 10.77.0.1, one on the address 10.77.0.100 that is wholly ours.
VipTable two_services() {
  VipTable table;
  for (const char* addr : {"10.77.0.1", "10.77.0.100"}) {
    table.add_service({ip(addr), Be16::from_host(kServicePort), Proto::tcp, 0}, ServiceSlot{0});
    table.add_address(ip(addr), {.is_vip = true, .kernel_owned = std::string(addr) == "10.77.0.1"});
  }
  return table;
}

// What became of a SYN from "there" to an address here.
enum class Answer { refused, silence };
Answer try_connect(const char* addr, uint16_t port, int timeout_ms) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(port);
  inet_pton(AF_INET, addr, &to.sin_addr);
  connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof to);
  pollfd ready{fd, POLLOUT, 0};
  const bool answered = poll(&ready, 1, timeout_ms) == 1;
  ::close(fd);
  return answered ? Answer::refused : Answer::silence;  // nobody listens here
}

bool is_syn_to(const std::string& frame, const char* addr) {
  if (frame.size() < 54 || frame.substr(12, 2) != std::string("\x08\x00", 2) || frame[23] != 6) return false;
  const IpAddr to = ip(addr);
  return std::memcmp(frame.data() + 30, to.bytes.data() + 12, 4) == 0 && (frame[47] & 2) != 0;
}

class AfXdp : public OpenPorts {
 protected:
  AfXdp() { net.run_there("ip neigh add 10.77.0.100 lladdr 02:00:00:00:00:64 dev there nud permanent"); }

  ~AfXdp() override { close(); }  // before the interfaces go

  void open_and_steer() {
    open({wanted("af_xdp", "here")});
    steering = std::make_unique<Steering>(ports);
  }
  void apply(const VipTable& table) {
    std::string error;
    ASSERT_TRUE(steering->add(table, error)) << error;
    steering->remove_others(table);
  }
  Answer connect_from_there(const char* addr, uint16_t port, int timeout_ms = 300) {
    Answer answer{};
    net.in_there([&] { answer = try_connect(addr, port, timeout_ms); });
    return answer;
  }
  std::string receive_syn(const char* addr) {
    return receive(
        ports[0], [&](const std::string& frame) { return is_syn_to(frame, addr); }, 500);
  }

  VethPair net;
  std::unique_ptr<Steering> steering;
};

TEST_F(AfXdp, ServicesArrive_TheRestStaysTheKernels) {
  open_and_steer();
  EXPECT_TRUE(ports[0].kernel_sees_all);
  EXPECT_EQ(connect_from_there("10.77.0.1", kServicePort), Answer::refused) << "nothing is steered yet";
  apply(two_services());
  EXPECT_EQ(connect_from_there("10.77.0.1", kServicePort), Answer::silence);
  EXPECT_NE(receive_syn("10.77.0.1"), "");
  EXPECT_EQ(connect_from_there("10.77.0.100", 4711), Answer::silence);
  EXPECT_NE(receive_syn("10.77.0.100"), "");
  EXPECT_EQ(connect_from_there("10.77.0.1", 22), Answer::refused);
  EXPECT_EQ(receive_syn("10.77.0.1"), "");
  net.run_there("ping -c 1 -W 1 10.77.0.1 > /dev/null");
  net.run_there("ping -c 1 -W 1 fd77::1 > /dev/null");
}

// What a waiting worker waits for.
TEST_F(AfXdp, QueueSocket_IsReadableWhileAPacketWaits) {
  open_and_steer();
  apply(two_services());
  pollfd socket{ports[0].queue_socket[0], POLLIN, 0};
  ASSERT_GE(socket.fd, 0);
  EXPECT_EQ(poll(&socket, 1, 0), 0);
  EXPECT_EQ(connect_from_there("10.77.0.100", kServicePort), Answer::silence);
  EXPECT_EQ(poll(&socket, 1, 1000), 1);
  EXPECT_NE(receive_syn("10.77.0.100"), "");
  EXPECT_EQ(poll(&socket, 1, 0), 0);
  EXPECT_EQ(ports[0].queue_socket[1], -1);
}

TEST_F(AfXdp, Transmit_ReachesThePeer) {
  open_and_steer();
  net.in_there([&] {
    const RawSocket peer(VethPair::kThere);
    for (unsigned i = 0; i < 5000; ++i) {  // several times around the rings
      const std::string text = "out" + std::to_string(i);
      ASSERT_TRUE(transmit(ports[0], marked_frame(text))) << i;
      ASSERT_NE(peer.receive(2000, is_marked(text)), "") << i;
    }
  });
}

// The frame's largest size is the driver's headroom away from the mbuf's.
TEST_F(AfXdp, LargestFrame_ArrivesWhole) {
  net.run("ip link set here mtu 1778");
  net.run_there("ip link set there mtu 1778");
  open_and_steer();
  apply(two_services());
  std::string frame(1778 + 14, 'm');
  const std::string head = std::string("\x02\x00\x00\x00\x00\x64\x02\x00\x00\x00\x00\x07\x08\x00\x45\x00\x06\xf2", 18) +
                           std::string("\x00\x00\x00\x00\x40\x11\x00\x00\x0a\x4d\x00\x02\x0a\x4d\x00\x64", 16);
  frame.replace(0, head.size(), head);
  net.in_there([&] {
    const RawSocket peer(VethPair::kThere);
    peer.send(frame);
    EXPECT_EQ(receive(ports[0], [](const std::string& got) { return got.size() > 1700; }), frame);
    EXPECT_TRUE(transmit(ports[0], frame));
    EXPECT_NE(peer.receive(2000, [&](const std::string& got) { return got == frame; }), "");
  });
}

TEST_F(AfXdp, Steering_RemovesOnlyWhatIsGone) {
  open_and_steer();
  apply(two_services());
  VipTable fewer;
  fewer.add_service({ip("10.77.0.100"), Be16::from_host(kServicePort), Proto::tcp, 0}, ServiceSlot{0});
  fewer.add_address(ip("10.77.0.100"), {.is_vip = true});
  std::string error;
  ASSERT_TRUE(steering->add(fewer, error));
  EXPECT_EQ(connect_from_there("10.77.0.1", kServicePort), Answer::silence) << "not before remove_others";
  steering->remove_others(fewer);
  EXPECT_EQ(connect_from_there("10.77.0.1", kServicePort), Answer::refused);
  EXPECT_EQ(connect_from_there("10.77.0.100", kServicePort), Answer::silence);
}

// Between the two halves an address is what it is in either configuration.
TEST_F(AfXdp, Steering_NarrowsOnlyInTheSecondHalf) {
  open_and_steer();
  EXPECT_EQ(connect_from_there("10.77.0.1", 22), Answer::refused);  // and now it knows our MAC
  VipTable whole;
  whole.add_address(ip("10.77.0.1"), {.is_vip = true});
  apply(whole);
  EXPECT_EQ(connect_from_there("10.77.0.1", 22), Answer::silence);
  std::string error;
  ASSERT_TRUE(steering->add(two_services(), error)) << error;
  EXPECT_EQ(connect_from_there("10.77.0.1", 22), Answer::silence);
  steering->remove_others(two_services());
  EXPECT_EQ(connect_from_there("10.77.0.1", 22), Answer::refused);
  EXPECT_EQ(connect_from_there("10.77.0.1", kServicePort), Answer::silence);
}

TEST_F(AfXdp, SnatRangesOfAKernelAddress_AreTaken) {
  open_and_steer();
  VipTable table;
  table.add_address(ip("10.77.0.1"), {.is_snat = true, .kernel_owned = true});
  table.add_snat_range(ip("10.77.0.1"), ip("10.77.0.1"), 30000, 30010);
  apply(table);
  EXPECT_EQ(connect_from_there("10.77.0.1", 30005), Answer::silence);
  EXPECT_EQ(connect_from_there("10.77.0.1", 30011), Answer::refused);
}

TEST_F(AfXdp, TooManySnatRangesOfAKernelAddress_AreRefusedWhole) {
  open_and_steer();
  apply(two_services());
  VipTable table;
  table.add_address(ip("10.77.0.1"), {.is_snat = true, .kernel_owned = true});
  for (uint16_t i = 0; i < 17; ++i)
    table.add_snat_range(ip("10.77.0.1"), ip("10.77.0.1"), static_cast<uint16_t>(30000 + 10 * i),
                         static_cast<uint16_t>(30005 + 10 * i));
  std::string error;
  EXPECT_FALSE(steering->add(table, error));
  EXPECT_THAT(error, AllOf(HasSubstr("10.77.0.1"), HasSubstr("16")));
  EXPECT_EQ(connect_from_there("10.77.0.1", 30001), Answer::refused);
  EXPECT_EQ(connect_from_there("10.77.0.1", kServicePort), Answer::silence) << "what was there stays";
}

TEST_F(AfXdp, NatReplies_AreTakenUnlessForThisHost) {
  open_and_steer();
  VipTable table;
  table.add_nat_backend({ip("10.77.0.2"), Be16::from_host(5000), Proto::udp, 0});
  steering->set_host_addresses({ip("10.77.0.1")});
  apply(table);
  net.run_there("ip route add default via 10.77.0.1");
  const auto send_from_5000 = [&](const char* to) {
    net.in_there([&] {
      const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
      sockaddr_in from{AF_INET, htons(5000), {INADDR_ANY}, {}};
      sockaddr_in dst{AF_INET, htons(9), {}, {}};
      inet_pton(AF_INET, to, &dst.sin_addr);
      ASSERT_EQ(bind(fd, reinterpret_cast<sockaddr*>(&from), sizeof from), 0);
      sendto(fd, "reply", 5, 0, reinterpret_cast<sockaddr*>(&dst), sizeof dst);
      ::close(fd);
    });
  };
  const auto is_reply = [](const std::string& frame) { return frame.find("reply") != std::string::npos; };
  send_from_5000("198.51.100.7");
  EXPECT_NE(receive(ports[0], is_reply, 500), "");
  send_from_5000("10.77.0.1");
  EXPECT_EQ(receive(ports[0], is_reply, 200), "");
}

TEST_F(AfXdp, TwoPorts_ShareTheirSteering) {
  net.run("ip link add third type veth peer name fourth && ip link set third up && ip link set fourth up");
  open({wanted("af_xdp", "here"), wanted("af_xdp", "third")});
  steering = std::make_unique<Steering>(ports);
  apply(two_services());
  const auto map_id = [](int fd) {
    bpf_map_info info{};
    uint32_t bytes = sizeof info;
    EXPECT_EQ(bpf_obj_get_info_by_fd(fd, &info, &bytes), 0);
    return info.id;
  };
  const auto first = find_steer_maps("here");
  const auto second = find_steer_maps("third");
  ASSERT_TRUE(first.has_value() && second.has_value());
  EXPECT_EQ(map_id(first->services), map_id(second->services));
  EXPECT_EQ(map_id(first->addresses), map_id(second->addresses));
  EXPECT_EQ(connect_from_there("10.77.0.100", kServicePort), Answer::silence);
  EXPECT_NE(receive_syn("10.77.0.100"), "");
}

TEST_F(AfXdp, Close_TakesTheProgramOff) {
  open_and_steer();
  steering.reset();
  close();
  net.run("! ip link show here | grep -q xdp");
}

TEST_F(AfXdp, TooManyQueues_NamesTheWaysOut) {
  EXPECT_THAT(refusal({wanted("af_xdp", "here", 2)}),
              AllOf(HasSubstr("1 queue"), HasSubstr("ethtool -L here combined 2"), HasSubstr("af_packet:here")));
}

TEST_F(AfXdp, ForeignProgram_IsNamedAndKept) {
  net.run("ip link set dev here xdp obj /usr/lib/x86_64-linux-gnu/bpf/xsk_def_xdp_prog.o sec xdp");
  EXPECT_THAT(refusal({wanted("af_xdp", "here")}), AllOf(HasSubstr("foreign XDP program"), HasSubstr("xsk_def_prog"),
                                                         HasSubstr("ip link set dev here xdp off")));
  net.run("ip link show here | grep -q xdp");
}

TEST_F(AfXdp, MissingProgramFile_IsOneSentence) {
  const std::string named = getenv("MILLRACE_BPF");
  setenv("MILLRACE_BPF", "/nonexistent/steer.bpf.o", 1);
  EXPECT_THAT(refusal({wanted("af_xdp", "here")}), AllOf(HasSubstr("/nonexistent/steer.bpf.o"), HasSubstr("clang")));
  setenv("MILLRACE_BPF", named.c_str(), 1);
}

TEST_F(AfXdp, InterfaceInUse_IsRefusedAndLeftAlone) {
  const int other = hold_interface("here");
  attach_steer_program("here", steer_object_path(), nullptr);
  EXPECT_THAT(refusal({wanted("af_xdp", "here")}), HasSubstr("another millrace-dataplane"));
  net.run("ip link show here | grep -q xdp");
  ::close(other);
}

// An AF_XDP socket on queue 0 of "here", as of a process that is ending.
class ForeignSocket {
 public:
  ForeignSocket() {
    EXPECT_EQ(xsk_umem__create(&umem_, area_.data(), area_.size(), &fill_, &completion_, nullptr), 0);
    xsk_socket_config config{};
    config.rx_size = config.tx_size = 64;
    config.libbpf_flags = XSK_LIBBPF_FLAGS__INHIBIT_PROG_LOAD;
    EXPECT_EQ(xsk_socket__create(&socket_, "here", 0, umem_, &receive_, &transmit_, &config), 0);
  }
  ~ForeignSocket() {
    xsk_socket__delete(socket_);
    xsk_umem__delete(umem_);
  }

 private:
  alignas(4096) std::array<char, 64 * 4096> area_{};
  xsk_ring_prod fill_{};
  xsk_ring_prod transmit_{};
  xsk_ring_cons completion_{};
  xsk_ring_cons receive_{};
  xsk_umem* umem_ = nullptr;
  xsk_socket* socket_ = nullptr;
};

TEST_F(AfXdp, QueueBusyForAMoment_IsWaitedFor) {
  auto other = std::make_unique<ForeignSocket>();
  std::thread ends([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(120));
    other.reset();
  });
  open_and_steer();
  ends.join();
  apply(two_services());
  EXPECT_EQ(connect_from_there("10.77.0.100", kServicePort), Answer::silence);
  EXPECT_NE(receive_syn("10.77.0.100"), "");
}

TEST_F(AfXdp, QueueBusyForGood_IsRefused) {
  const auto other = std::make_unique<ForeignSocket>();
  EXPECT_THAT(refusal({wanted("af_xdp", "here")}),
              AllOf(HasSubstr("another program has AF_XDP sockets"), HasSubstr("ss --xdp")));
}

// Another process: opens the port, steers, says so on file descriptor 3, and waits for its end.
TEST_F(OpenPorts, DISABLED_HoldAfXdpPortUntilKilled) {
  open({wanted("af_xdp", "here")});
  Steering steering(ports);
  std::string error;
  ASSERT_TRUE(steering.add(two_services(), error)) << error;
  ASSERT_EQ(write(3, "1", 1), 1);
  pause();
}

void kill_a_dataplane() {
  int ready[2];
  ASSERT_EQ(pipe(ready), 0);
  const pid_t child = fork();
  if (child == 0) {
    dup2(ready[1], 3);
    execl("/proc/self/exe", "unit_ports", "--gtest_also_run_disabled_tests",
          "--gtest_filter=OpenPorts.DISABLED_HoldAfXdpPortUntilKilled", nullptr);
    _exit(1);
  }
  ::close(ready[1]);
  char told = 0;
  EXPECT_EQ(read(ready[0], &told, 1), 1) << "the other dataplane did not come up";
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  ::close(ready[0]);
}

TEST_F(AfXdp, KilledDataplane_LeavesSilence_AndTheNextStartsAtOnce) {
  EXPECT_EQ(connect_from_there("10.77.0.1", kServicePort), Answer::refused) << "the kernel would answer";
  kill_a_dataplane();
  EXPECT_EQ(connect_from_there("10.77.0.1", kServicePort), Answer::silence);
  EXPECT_EQ(connect_from_there("10.77.0.1", 22), Answer::refused);

  // SYNs all the time while the next one starts and has no configuration yet.
  std::atomic<bool> stop{false};
  std::atomic<unsigned> refused{0};
  std::atomic<unsigned> tried{0};
  std::thread client([&] {
    net.in_there([&] {
      while (!stop.load()) {
        refused += try_connect("10.77.0.1", kServicePort, 2) == Answer::refused;
        ++tried;
      }
    });
  });
  open_and_steer();
  EXPECT_NE(receive_syn("10.77.0.1"), "");
  apply(two_services());
  EXPECT_NE(receive_syn("10.77.0.1"), "");
  stop = true;
  client.join();
  EXPECT_GE(tried.load(), 3u);
  EXPECT_EQ(refused.load(), 0u);

  apply(VipTable{});  // what the dead one had steered goes as well
  EXPECT_EQ(connect_from_there("10.77.0.1", kServicePort), Answer::refused);
}

}  // namespace
}  // namespace millrace
