// ipvsadm_test.cpp: samples of what ipvsadm-save prints.
#include "tests/unit/import/imported_file.h"

namespace millrace::importing {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

ImportedFile import_rules(const std::string& text, const std::vector<std::string>& snat = {}) {
  return import_sample(Kind::ipvsadm, text, snat);
}

TEST(Ipvsadm, Masquerading_CarriedOverWhole) {
  const ImportedFile file = import_rules(
      "-A -t 203.0.113.10:80 -s wlc\n"
      "-a -t 203.0.113.10:80 -r 10.0.0.1:80 -m -w 3 -x 500\n"
      "-a -t 203.0.113.10:80 -r 10.0.0.2:8080 -m -w 1 -x 0 -y 0\n");
  EXPECT_THAT(file.left_out, IsEmpty());
  EXPECT_EQ(file.service(0).name, "tcp-203-0-113-10-80");
  EXPECT_EQ(file.service(0).mode, Mode::nat);
  EXPECT_EQ(file.service(0).balance, Balance::leastconn);
  EXPECT_THAT(file.backends(0), ElementsAre("10.0.0.1:80", "10.0.0.2:8080"));
  EXPECT_EQ(file.service(0).backends[0].weight, 3);
  EXPECT_EQ(file.service(0).backends[0].connections_max, 500u);
  EXPECT_FALSE(file.service(0).healthcheck.enabled());
}

TEST(Ipvsadm, Gatewaying_IsDsr) {
  const ImportedFile file =
      import_rules("-A -t 203.0.113.10:443 -s mh -b mh-port\n-a -t 203.0.113.10:443 -r 10.0.0.1:443 -g -w 1\n");
  EXPECT_THAT(file.left_out, IsEmpty());
  EXPECT_EQ(file.service(0).mode, Mode::dsr);
}

TEST(Ipvsadm, GatewayingToAnotherPort_IsLeftOut) {
  EXPECT_THAT(
      import_rules("-A -t 203.0.113.10:443 -s mh -b mh-port\n-a -t 203.0.113.10:443 -r 10.0.0.1:8443 -g\n").left_out,
      ElementsAre(HasSubstr("1: the service"), HasSubstr("2: 10.0.0.1:8443 has another port")));
}

TEST(Ipvsadm, Tunnels_IpInIpAndGue) {
  const ImportedFile file = import_rules(
      "-A -t 203.0.113.10:80 -s mh -b mh-port\n-a -t 203.0.113.10:80 -r 10.0.0.1:80 -i -w 1 --tun-type ipip\n"
      "-A -t 203.0.113.11:80 -s mh -b mh-port\n"
      "-a -t 203.0.113.11:80 -r 10.0.0.1:80 -i -w 1 --tun-type gue --tun-port 6080 --tun-nocsum\n"
      "-A -t 203.0.113.12:80 -s mh -b mh-port\n-a -t 203.0.113.12:80 -r 10.0.0.1:80 -i --tun-type gre\n",
      {"10.0.0.250"});
  EXPECT_THAT(file.left_out, ElementsAre(HasSubstr("5: the service"), HasSubstr("6: a tunnel of type \"gre\"")));
  EXPECT_EQ(file.service(0).encapsulation, Encapsulation::ip);
  EXPECT_EQ(file.service(1).encapsulation, Encapsulation::gue);
}

TEST(Ipvsadm, Udp_OnePacketSchedulingIsSessionOfOneRequest) {
  const ImportedFile file =
      import_rules("-A -u 203.0.113.10:53 -s rr --ops\n-a -u 203.0.113.10:53 -r 10.0.0.1:53 -m -w 1\n");
  EXPECT_THAT(file.left_out, IsEmpty());
  EXPECT_EQ(file.service(0).proto, Proto::udp);
  EXPECT_EQ(file.service(0).udp_requests_max, 1);
}

TEST(Ipvsadm, Persistence_WithAndWithoutTime) {
  const ImportedFile file = import_rules(
      "-A -t 203.0.113.10:80 -s rr -p 300\n-a -t 203.0.113.10:80 -r 10.0.0.1:80 -m\n"
      "-A -t 203.0.113.11:80 -p -s rr\n-a -t 203.0.113.11:80 -r 10.0.0.1:80 -m\n");
  EXPECT_THAT(file.left_out, IsEmpty());
  EXPECT_EQ(file.service(0).balance, Balance::iphash1);
  EXPECT_EQ(file.service(1).balance, Balance::iphash1);
}

TEST(Ipvsadm, Ipv6_InBrackets) {
  const ImportedFile file =
      import_rules("-A -t [2001:db8::10]:80 -s wrr -6\n-a -t [2001:db8::10]:80 -r [fd00::1]:80 -m -w 1\n");
  EXPECT_THAT(file.binds(0), ElementsAre("[2001:db8::10]:80"));
  EXPECT_THAT(file.backends(0), ElementsAre("[fd00::1]:80"));
  EXPECT_THAT(file.left_out, IsEmpty());
}

TEST(Ipvsadm, NamesInsteadOfNumbers_RemedyIsTheOption) {
  EXPECT_THAT(import_rules("-A -t www.example.com:http -s rr\n-a -t www.example.com:http -r web1:http -m\n").left_out,
              ElementsAre(HasSubstr("ipvsadm-save -n")));
}

TEST(Ipvsadm, LongOptionsAndProgramName_AsScriptsWriteThem) {
  const ImportedFile file = import_rules(
      "# our balancer\n/sbin/ipvsadm --add-service --tcp-service 203.0.113.10:80 --scheduler wrr\n"
      "ipvsadm --add-server --tcp-service=203.0.113.10:80 --real-server 10.0.0.1:80 --masquerading --weight=7\n");
  EXPECT_THAT(file.left_out, IsEmpty());
  EXPECT_EQ(file.service(0).backends.at(0).weight, 7);
}

TEST(Ipvsadm, HeavyWeights_AreScaledDown) {
  const ImportedFile file = import_rules(
      "-A -t 203.0.113.10:80 -s wrr\n-a -t 203.0.113.10:80 -r 10.0.0.1:80 -m -w 1000\n"
      "-a -t 203.0.113.10:80 -r 10.0.0.2:80 -m -w 500\n-a -t 203.0.113.10:80 -r 10.0.0.3:80 -m -w 1\n"
      "-a -t 203.0.113.10:80 -r 10.0.0.4:80 -m -w 0\n");
  EXPECT_THAT(file.left_out, ElementsAre(HasSubstr("weights up to 1000")));
  EXPECT_EQ(file.service(0).backends[0].weight, 256);
  EXPECT_EQ(file.service(0).backends[1].weight, 128);
  EXPECT_EQ(file.service(0).backends[2].weight, 1);
  EXPECT_EQ(file.service(0).backends[3].weight, 0);
}

TEST(Ipvsadm, WhatHasNoPlaceHere_IsNamed) {
  EXPECT_THAT(import_rules("-A -f 5 -s rr\n-a -f 5 -r 10.0.0.1:0 -g\n-A --sctp-service 203.0.113.10:80 -s rr\n"
                           "-A -t 203.0.113.11:0 -s rr -p 360\n-C\n-a -t 203.0.113.99:80 -r 10.0.0.1:80 -m\n"
                           "-A -u 203.0.113.10:5060 -s rr -p 60 --pe sip -M 255.255.255.0\n"
                           "-a -u 203.0.113.10:5060 -r 10.0.0.1:5060 -m -y 10\n")
                  .left_out,
              ElementsAre(HasSubstr("1: a service of firewall mark"), HasSubstr("3: a service of SCTP"),
                          HasSubstr("4: \"203.0.113.11:0\" stands for every port"), HasSubstr("5: \"-C\""),
                          HasSubstr("6: a real server of \"203.0.113.99:80\""), HasSubstr("7: the persistence engine"),
                          HasSubstr("7: the netmask"), HasSubstr("8: the lower threshold")));
}

TEST(Ipvsadm, MixedForwarding_TheFirstWayIsTheServices) {
  const ImportedFile file = import_rules(
      "-A -t 203.0.113.10:80 -s rr\n-a -t 203.0.113.10:80 -r 10.0.0.1:80 -m\n-a -t 203.0.113.10:80 -r 10.0.0.2:80 "
      "-g\n");
  EXPECT_THAT(file.left_out, ElementsAre(HasSubstr("3: another way of forwarding")));
  EXPECT_THAT(file.backends(0), ElementsAre("10.0.0.1:80"));
}

TEST(Ipvsadm, LoopbackBackend_IsLeftOutWithItsService) {
  EXPECT_THAT(import_rules("-A -t 203.0.113.10:80 -s rr\n-a -t 203.0.113.10:80 -r 127.0.0.1:80 -m\n").left_out,
              ElementsAre(HasSubstr("1: the service"), HasSubstr("2: 127.0.0.1:80 is on the loopback")));
}

}  // namespace
}  // namespace millrace::importing
