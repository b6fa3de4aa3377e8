// keepalived_test.cpp: samples of keepalived.conf as people write them.
#include "tests/unit/import/imported_file.h"

namespace millrace::importing {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

ImportedFile import_conf(const std::string& text, const std::vector<std::string>& snat = {}) {
  return import_sample(Kind::keepalived, text, snat);
}

// A virtual server with two backends, and what is to be tried.
std::string server(const std::string& settings, const std::string& real_server = "") {
  return "virtual_server 203.0.113.10 80 {\n" + settings + "\nreal_server 10.0.0.1 80 {\n" + real_server +
         "\n}\nreal_server 10.0.0.2 80 {\n" + real_server + "\n}\n}\n";
}

TEST(Keepalived, NatService_TcpChecks_CarriedOverWhole) {
  const ImportedFile file = import_conf(R"(! Configuration File for keepalived
global_defs {
   notification_email {
     admin@example.com
   }
   router_id LVS_1   # a name
}
virtual_server 203.0.113.10 80 {
    delay_loop 6
    lb_algo wrr
    lb_kind NAT
    protocol TCP
    real_server 10.0.0.1 80 {
        weight 3
        inhibit_on_failure
        TCP_CHECK {
            connect_timeout 3
        }
    }
    real_server 10.0.0.2 8080 {
        weight 1
        TCP_CHECK {
            connect_timeout 3
        }
    }
}
)");
  EXPECT_THAT(file.left_out, IsEmpty());
  const config::ServiceConfig& service = file.service(0);
  EXPECT_EQ(service.name, "tcp-203-0-113-10-80");
  EXPECT_EQ(service.mode, Mode::nat);
  EXPECT_EQ(service.balance, Balance::weight);
  EXPECT_THAT(file.binds(0), ElementsAre("203.0.113.10:80"));
  EXPECT_THAT(file.backends(0), ElementsAre("10.0.0.1:80", "10.0.0.2:8080"));
  EXPECT_EQ(service.backends[0].weight, 3);
  EXPECT_EQ(service.healthcheck.kind, config::CheckKind::ping);
  EXPECT_EQ(service.healthcheck.interval_ms, 6000u);
  EXPECT_EQ(service.healthcheck.timeout_ms, 3000u);
  EXPECT_EQ(service.healthcheck.fails, 2);
}

TEST(Keepalived, Comments_SayWhereEachPartCameFrom) {
  const ImportedFile file = import_conf(server("lb_algo rr\nlb_kind NAT"));
  EXPECT_THAT(file.toml, HasSubstr("# Line 1: virtual_server 203.0.113.10 80\n"));
  EXPECT_THAT(file.toml, HasSubstr("\"10.0.0.1:80\",  # line 4\n"));
}

TEST(Keepalived, DirectRouting_IsDsrByMaglev) {
  const ImportedFile file = import_conf(server("lb_kind DR\nlb_algo mh\nmh-port"));
  EXPECT_EQ(file.service(0).mode, Mode::dsr);
  EXPECT_THAT(file.left_out, IsEmpty());
}

TEST(Keepalived, DirectRoutingByLeastConnections_SaysThatMaglevChooses) {
  EXPECT_THAT(import_conf(server("lb_kind DR\nlb_algo wlc")).left_out, ElementsAre(HasSubstr("3: the scheduler")));
}

TEST(Keepalived, Tunnel_NeedsSourceAddress) {
  const std::string text = server("lvs_method TUN type gue port 6081\nlb_algo mh\nmh-port");
  EXPECT_THAT(import_conf(text).left_out, ElementsAre(HasSubstr("--snat ADDRESS")));
  const ImportedFile file = import_conf(text, {"10.0.0.200"});
  EXPECT_THAT(file.left_out, IsEmpty());
  EXPECT_EQ(file.service(0).mode, Mode::tunnel);
  EXPECT_EQ(file.service(0).encapsulation, Encapsulation::gue);
  EXPECT_EQ(file.service(0).gue_port, 6081);
}

TEST(Keepalived, Schedulers_HaveTheirOwnNames) {
  const std::pair<const char*, Balance> kPairs[] = {
      {"rr", Balance::roundrobin}, {"wrr", Balance::weight}, {"lc", Balance::leastconn}, {"wlc", Balance::leastconn},
      {"sh", Balance::iphash1},    {"mh", Balance::iphash1}, {"twos", Balance::p2c}};
  for (const auto& [scheduler, balance] : kPairs) {
    const ImportedFile file = import_conf(server(std::string("lvs_sched ") + scheduler));
    EXPECT_EQ(file.service(0).balance, balance) << scheduler;
    EXPECT_THAT(file.left_out, IsEmpty()) << scheduler;
  }
  EXPECT_THAT(import_conf(server("lb_algo dh")).left_out, ElementsAre(HasSubstr("by destination")));
  EXPECT_THAT(import_conf(server("lb_algo fancy")).left_out, ElementsAre(HasSubstr("\"fancy\" is not known")));
}

TEST(Keepalived, Failover_WeightsBecomePriorities) {
  const ImportedFile file = import_conf(
      "virtual_server 203.0.113.10 80 {\nlb_algo fo\nreal_server 10.0.0.1 80 { weight 10 }\n"
      "real_server 10.0.0.2 80 { weight 30 }\nreal_server 10.0.0.3 80 { weight 10 }\n}\n");
  EXPECT_EQ(file.service(0).backends[0].priority, 1);
  EXPECT_EQ(file.service(0).backends[1].priority, 0);
  EXPECT_EQ(file.service(0).backends[2].priority, 1);
}

TEST(Keepalived, Persistence_KeepsClientsByTheirAddress) {
  const ImportedFile file = import_conf(server("lb_algo wlc\npersistence_timeout 50"));
  EXPECT_EQ(file.service(0).balance, Balance::iphash1);
  EXPECT_THAT(file.left_out, IsEmpty());
  EXPECT_THAT(import_conf(server("lb_kind DR\nlb_algo mh\npersistence_timeout 50")).left_out,
              ElementsAre(HasSubstr("by the client's address and port")));
}

TEST(Keepalived, SorryServer_IsBackup) {
  const ImportedFile file = import_conf(server("sorry_server 10.0.0.99 80"));
  ASSERT_THAT(file.backends(0), ElementsAre("10.0.0.1:80", "10.0.0.2:80", "10.0.0.99:80"));
  EXPECT_EQ(file.service(0).backends[2].priority, 1);
}

TEST(Keepalived, Group_EveryAddressIsBound) {
  const ImportedFile file = import_conf(
      "virtual_server_group WEB {\n 203.0.113.10 80\n 203.0.113.20-22 80\n 203.0.113.32/30 443\n fwmark 3\n}\n"
      "virtual_server group WEB {\n lb_algo rr\n real_server 10.0.0.1 80 { }\n}\n");
  EXPECT_THAT(file.binds(0),
              ElementsAre("203.0.113.10:80", "203.0.113.20:80", "203.0.113.21:80", "203.0.113.22:80",
                          "203.0.113.32:443", "203.0.113.33:443", "203.0.113.34:443", "203.0.113.35:443"));
  EXPECT_EQ(file.service(0).name, "WEB");
  EXPECT_THAT(file.left_out, ElementsAre(HasSubstr("5: the firewall mark")));
}

TEST(Keepalived, GroupForTcpAndUdp_AreTwoServices) {
  const ImportedFile file = import_conf(
      "virtual_server_group DNS {\n203.0.113.10 53\n}\n"
      "virtual_server group DNS {\nprotocol TCP\nlb_algo rr\nreal_server 10.0.0.1 53 { }\n}\n"
      "virtual_server group DNS {\nprotocol UDP\nlb_algo rr\nops\nreal_server 10.0.0.1 53 { }\n}\n");
  EXPECT_THAT(file.left_out, IsEmpty());
  ASSERT_EQ(file.config.services.size(), 2u);
  EXPECT_EQ(file.service(1).name, "DNS-udp");
  EXPECT_EQ(file.service(1).udp_requests_max, 1);
}

TEST(Keepalived, HttpGet_PathCodesHostAndRetries) {
  const ImportedFile file = import_conf(server("delay_loop 10\nvirtualhost www.example.com", R"(HTTP_GET {
        url {
          path /health?full=1
          status_code 200-204 301
        }
        connect_port 8081
        connect_timeout 2.5
        retry 4
        delay_before_retry 2
      })"));
  EXPECT_THAT(file.left_out, IsEmpty());
  const config::HealthcheckConfig& check = file.service(0).healthcheck;
  EXPECT_EQ(check.kind, config::CheckKind::http);
  EXPECT_EQ(check.http.path, "/health?full=1");
  EXPECT_EQ(check.http.host, "www.example.com");
  ASSERT_EQ(check.http.expect.size(), 2u);
  EXPECT_EQ(check.http.expect[0].last, 204);
  EXPECT_EQ(check.port, 8081);
  EXPECT_EQ(check.timeout_ms, 2500u);
  EXPECT_EQ(check.fails, 5);
}

TEST(Keepalived, SslGet_LooksAtNoCertificateAndSaysThatDigestIsLost) {
  const ImportedFile file = import_conf(
      "virtual_server 203.0.113.10 443 {\nreal_server 10.0.0.1 443 {\nSSL_GET {\nurl {\npath /\n"
      "digest 9b3a0c85a887a256d6939da88aabd8cd\n}\n}\n}\n}\n");
  EXPECT_THAT(file.left_out, ElementsAre(HasSubstr("6: the digest of a page")));
  EXPECT_TRUE(file.service(0).healthcheck.tls.enabled);
  EXPECT_FALSE(file.service(0).healthcheck.tls.verify);
  EXPECT_EQ(file.service(0).healthcheck.http.expect.at(0).last, 299);
}

TEST(Keepalived, MiscCheck_AddressAndPortAreNotSaidTwice) {
  const ImportedFile file = import_conf(
      "virtual_server 203.0.113.10 80 {\n"
      "real_server 10.0.0.1 80 {\nMISC_CHECK {\nmisc_path \"/usr/local/bin/check web 10.0.0.1 80\"\nmisc_timeout "
      "5\n}\n}\n"
      "real_server 10.0.0.2 80 {\nMISC_CHECK {\nmisc_path \"/usr/local/bin/check web 10.0.0.2 80\"\nmisc_timeout "
      "5\n}\n}\n"
      "}\n");
  EXPECT_THAT(file.left_out, IsEmpty());
  EXPECT_THAT(file.service(0).healthcheck.exec.command, ElementsAre("/usr/local/bin/check", "web"));
  EXPECT_EQ(file.service(0).healthcheck.timeout_ms, 5000u);
  EXPECT_EQ(file.service(0).healthcheck.fails, 1);
}

TEST(Keepalived, MiscCheckWithoutAddress_SaysThatOneComes) {
  EXPECT_THAT(import_conf("virtual_server 203.0.113.10 80 {\nreal_server 10.0.0.1 80 {\n"
                          "MISC_CHECK {\nmisc_path /bin/check\nmisc_dynamic\n}\n}\n}\n")
                  .left_out,
              ElementsAre(HasSubstr("4: the command gets"), HasSubstr("5: weights by the exit status")));
}

TEST(Keepalived, PingCheck_IsIcmp) {
  EXPECT_EQ(import_conf(server("", "PING_CHECK { }")).service(0).healthcheck.kind, config::CheckKind::icmp);
}

TEST(Keepalived, ChecksThatDiffer_TheFirstIsForAll) {
  const ImportedFile file = import_conf(
      "virtual_server 203.0.113.10 80 {\nreal_server 10.0.0.1 80 {\nTCP_CHECK { }\n}\n"
      "real_server 10.0.0.2 80 {\nTCP_CHECK { connect_port 81 }\n}\nreal_server 10.0.0.3 80 { }\n}\n");
  EXPECT_THAT(file.left_out, ElementsAre(HasSubstr("6: another check than that of line 3"),
                                         HasSubstr("8: a backend without a check")));
}

TEST(Keepalived, ChecksThatAreNot_CountAsUp) {
  for (const char* check : {"SMTP_CHECK", "DNS_CHECK", "UDP_CHECK", "BFD_CHECK", "FILE_CHECK"}) {
    const ImportedFile file = import_conf("virtual_server 203.0.113.10 53 {\nreal_server 10.0.0.1 53 {\n" +
                                          std::string(check) + " { }\n}\n}\n");
    EXPECT_THAT(file.left_out, ElementsAre(HasSubstr(std::string(check) + ": without it"))) << check;
    EXPECT_FALSE(file.service(0).healthcheck.enabled());
  }
}

TEST(Keepalived, Vrrp_IsLeftOutWithTheWordAboutBgp) {
  const ImportedFile file = import_conf(
      "vrrp_script chk {\n script \"/bin/true\"\n}\nvrrp_instance VI_1 {\n state MASTER\n virtual_ipaddress {\n"
      "  203.0.113.10/24 dev eth0\n }\n}\n" +
      server("lb_algo rr"));
  EXPECT_THAT(file.left_out, ElementsAre(HasSubstr("1: vrrp_script \"chk\""),
                                         testing::AllOf(HasSubstr("4: vrrp_instance"), HasSubstr("BGP"))));
  EXPECT_EQ(file.config.services.size(), 1u);
}

TEST(Keepalived, WhatHasNoPlaceHere_IsNamed) {
  const ImportedFile file = import_conf(
      "include /etc/keepalived/conf.d/*.conf\n$VIP=203.0.113.10\n" +
      server("quorum 2\nhysteresis 1\nquorum_up \"/bin/up now\"\n@main lb_algo wrr\npersistence_granularity "
             "255.255.255.0\nsomething_new 5"));
  EXPECT_THAT(
      file.left_out,
      ElementsAre(HasSubstr("1: the files that"), HasSubstr("2: the variable"), HasSubstr("4: \"quorum\""),
                  HasSubstr("5: \"hysteresis\""), HasSubstr("6: \"quorum_up\""), HasSubstr("7: the conditional"),
                  HasSubstr("8: \"persistence_granularity\""), HasSubstr("9: \"something_new\"")));
}

TEST(Keepalived, FirewallMarkAndSctpAndEveryPort_AreLeftOut) {
  const ImportedFile file = import_conf(
      "virtual_server fwmark 1 {\n}\n"
      "virtual_server 203.0.113.10 80 {\nprotocol SCTP\nreal_server 10.0.0.1 80 { }\n}\n"
      "virtual_server 203.0.113.11 0 {\npersistence_timeout 50\nreal_server 10.0.0.1 0 { }\n}\n");
  EXPECT_THAT(file.left_out, ElementsAre(HasSubstr("firewall mark"), HasSubstr("SCTP"), HasSubstr("for every port")));
  EXPECT_THAT(file.config.services, IsEmpty());
}

TEST(Keepalived, RealServersInTwoWays_TheSecondIsLeftOut) {
  EXPECT_THAT(import_conf("virtual_server 203.0.113.10 80 {\nlb_kind NAT\nreal_server 10.0.0.1 80 { }\n"
                          "real_server 10.0.0.2 80 {\nlvs_method DR\n}\n}\n")
                  .left_out,
              ElementsAre(HasSubstr("5: a real server with a way of forwarding of its own")));
}

TEST(Keepalived, Ipv6_AddressesStandWithoutBrackets) {
  const ImportedFile file =
      import_conf("virtual_server 2001:db8::10 443 {\nlb_algo rr\nreal_server fd00::1 8443 { weight 2 }\n}\n");
  EXPECT_THAT(file.binds(0), ElementsAre("[2001:db8::10]:443"));
  EXPECT_THAT(file.backends(0), ElementsAre("[fd00::1]:8443"));
}

TEST(Keepalived, BracesOnLinesOfTheirOwn_QuotesAndOneLineBlocks) {
  const ImportedFile file = import_conf(
      "virtual_server 203.0.113.10 80\n{\n  lb_algo \"rr\" ! comment } here\n  real_server 10.0.0.1 80\n  {\n"
      "    TCP_CHECK { connect_timeout 3 }\n  }\n}\n");
  EXPECT_THAT(file.left_out, IsEmpty());
  EXPECT_EQ(file.service(0).balance, Balance::roundrobin);
  EXPECT_EQ(file.service(0).healthcheck.timeout_ms, 3000u);
}

TEST(Keepalived, BraceMissingOrTooMany_IsSaid) {
  EXPECT_THAT(import_conf("virtual_server 203.0.113.10 80 {\nreal_server 10.0.0.1 80 {\n}\n").left_out,
              ElementsAre(HasSubstr("1: the block of \"virtual_server\" has no end")));
  EXPECT_THAT(import_conf("}\n").left_out, ElementsAre(HasSubstr("1: a closing brace")));
}

}  // namespace
}  // namespace millrace::importing
