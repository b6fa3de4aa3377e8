// haproxy_test.cpp: samples of haproxy.cfg, mostly of its layer 4.
#include "tests/unit/import/imported_file.h"

namespace millrace::importing {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

ImportedFile import_cfg(const std::string& text) { return import_sample(Kind::haproxy, text); }

// One listen of TCP with two servers, and what is to be tried.
std::string listen(const std::string& settings, const std::string& words = "check") {
  return "listen web\nbind 203.0.113.10:80\n" + settings + "\nserver a 10.0.0.1:80 " + words +
         "\nserver b 10.0.0.2:80 " + words + "\n";
}

TEST(Haproxy, Listen_CarriedOverWhole) {
  const ImportedFile file = import_cfg(R"(global
    log /dev/log local0
    chroot /var/lib/haproxy
    stats socket /run/haproxy/admin.sock mode 660 level admin
    user haproxy
    daemon
    ssl-default-bind-options ssl-min-ver TLSv1.2

defaults
    log     global
    mode    tcp
    option  tcplog
    option  dontlognull
    timeout connect 5000
    timeout client  50s
    timeout server  1m
    errorfile 503 /etc/haproxy/errors/503.http

listen mysql
    bind 203.0.113.10:3306      # the virtual address
    balance leastconn
    maxconn 2000
    server db1 10.0.0.1:3306 check inter 1s rise 3 fall 4 weight 10 maxconn 500
    server db2 10.0.0.2:3306 check inter 1s rise 3 fall 4 weight 20 backup
)");
  EXPECT_THAT(file.left_out, IsEmpty());
  const config::ServiceConfig& service = file.service(0);
  EXPECT_EQ(service.name, "mysql");
  EXPECT_EQ(service.mode, Mode::fullnat);
  EXPECT_EQ(service.balance, Balance::leastconn);
  EXPECT_EQ(service.connections_max, 2000u);
  EXPECT_EQ(service.client_idle_timeout_ms, 50'000u);
  EXPECT_EQ(service.backend_idle_timeout_ms, 60'000u);
  EXPECT_EQ(service.backends[0].connections_max, 500u);
  EXPECT_EQ(service.backends[0].weight, 10);
  EXPECT_EQ(service.backends[1].priority, 1);
  EXPECT_EQ(service.healthcheck.kind, config::CheckKind::ping);
  EXPECT_EQ(service.healthcheck.interval_ms, 1000u);
  EXPECT_EQ(service.healthcheck.passes, 3);
  EXPECT_EQ(service.healthcheck.fails, 4);
}

TEST(Haproxy, FrontendAndBackend_BecomeOneService) {
  const ImportedFile file = import_cfg(
      "frontend in\nbind :5432\ndefault_backend pg\nbackend pg\nbalance static-rr\n"
      "default-server check port 8008\nserver p1 10.0.0.1:5432\nserver p2 10.0.0.2:5432 disabled\n");
  EXPECT_THAT(file.left_out, IsEmpty());
  EXPECT_THAT(file.binds(0), ElementsAre("0.0.0.0:5432"));
  EXPECT_EQ(file.service(0).name, "in");
  EXPECT_EQ(file.service(0).healthcheck.port, 8008);
  EXPECT_EQ(file.service(0).backends[1].weight, 0);
}

TEST(Haproxy, Binds_ListsRangesAndBothFamilies) {
  const ImportedFile file = import_cfg(
      "listen a\nbind 203.0.113.10:80,203.0.113.11:8000-8002\nbind [2001:db8::1]:80\nbind 2001:db8::2:80\n"
      "server s 10.0.0.1:80\nserver t [fd00::1]:80\n"
      "listen b\nbind :::443 v4v6\nserver s 10.0.0.1:443\nserver t fd00::1:443\n");
  EXPECT_THAT(file.left_out, IsEmpty());
  EXPECT_THAT(file.binds(0), ElementsAre("203.0.113.10:80", "203.0.113.11:8000", "203.0.113.11:8001",
                                         "203.0.113.11:8002", "[2001:db8::1]:80", "[2001:db8::2]:80"));
  EXPECT_THAT(file.binds(1), ElementsAre("[::]:443", "0.0.0.0:443"));
}

TEST(Haproxy, TlsThatEndsAtBind_PointsToTheRecipe) {
  const ImportedFile file = import_cfg(
      "listen web\nbind 203.0.113.10:80\nbind 203.0.113.10:443 ssl crt /etc/ssl/web.pem\nserver a 10.0.0.1:80\n");
  EXPECT_THAT(file.left_out, ElementsAre(AllOf(HasSubstr("3: TLS that ends here"), HasSubstr("docs/tls.md"))));
  EXPECT_THAT(file.binds(0), ElementsAre("203.0.113.10:80"));
}

TEST(Haproxy, TlsTowardsServer_IsLeftOut) {
  EXPECT_THAT(import_cfg("listen web\nbind 203.0.113.10:443\nserver a 10.0.0.1:443 ssl verify none sni str(x)\n"
                         "server b 10.0.0.2:443\n")
                  .left_out,
              ElementsAre(HasSubstr("3: TLS towards the server \"a\"")));
}

TEST(Haproxy, HttpFrontend_IsLeftOutWithItsBackends) {
  const ImportedFile file = import_cfg(
      "defaults\nmode http\nfrontend www\nbind :80\nacl api path_beg /api\nuse_backend api if api\n"
      "default_backend web\nbackend web\nserver a 10.0.0.1:80\nbackend api\nserver a 10.0.0.2:80\n");
  EXPECT_THAT(file.left_out, ElementsAre(AllOf(HasSubstr("3: frontend \"www\" is of HTTP"), HasSubstr("docs/tls.md"))));
  EXPECT_THAT(file.config.services, IsEmpty());
}

TEST(Haproxy, ServerNames_OneEachAreExact) {
  const ImportedFile file = import_cfg(R"(frontend tls
    bind 203.0.113.10:443
    tcp-request inspect-delay 3s
    tcp-request content accept if { req_ssl_hello_type 1 }
    acl is_shop req.ssl_sni -i Shop.example.com
    use_backend www if { req_ssl_sni -i www.example.com }
    use_backend shop if is_shop
    default_backend other
backend www
    server w 10.0.0.1:443
backend shop
    server s 10.0.0.2:443
backend other
    server o 10.0.0.3:443
)");
  EXPECT_THAT(file.left_out, IsEmpty());
  const config::ServiceConfig& service = file.service(0);
  EXPECT_EQ(service.mode, Mode::proxy);
  EXPECT_EQ(service.host_matching, HostMatching::exact);
  EXPECT_EQ(service.unexpected_host, UnexpectedHost::fallback);
  EXPECT_EQ(service.hello_timeout_ms, 3000u);
  EXPECT_EQ(service.backends[0].host, "www.example.com");
  EXPECT_EQ(service.backends[1].host, "shop.example.com");
  EXPECT_EQ(service.backends[2].host, "");
}

TEST(Haproxy, ServerNames_SuffixesAndSeveralAreExpressions) {
  const ImportedFile file = import_cfg(
      "frontend tls\nbind 203.0.113.10:443\nuse_backend a if { req_ssl_sni -m end .example.com }\n"
      "use_backend b if { req_ssl_sni one.test two.test }\nbackend a\nserver a 10.0.0.1:443\n"
      "backend b\nserver b 10.0.0.2:443\n");
  EXPECT_THAT(file.left_out, IsEmpty());
  EXPECT_EQ(file.service(0).host_matching, HostMatching::regexp);
  EXPECT_EQ(file.service(0).unexpected_host, UnexpectedHost::reject);
  EXPECT_EQ(file.service(0).backends[0].host, "[.]example[.]com$");
  EXPECT_EQ(file.service(0).backends[1].host, "^one[.]test$|^two[.]test$");
}

TEST(Haproxy, UseBackendByAnythingElse_IsLeftOut) {
  EXPECT_THAT(import_cfg("frontend f\nbind 203.0.113.10:80\nuse_backend a if { dst_port 81 }\ndefault_backend a\n"
                         "backend a\nserver a 10.0.0.1:80\n")
                  .left_out,
              ElementsAre(HasSubstr("3: use_backend \"a\" by something else")));
}

TEST(Haproxy, AccessRules_KeepTheirOrder) {
  const ImportedFile file = import_cfg(
      listen("acl office src 198.51.100.0/24 2001:db8:1::/48\nacl bad src 192.0.2.0/24\nacl bad src 192.0.3.7\n"
             "tcp-request connection accept if office\ntcp-request connection reject if bad"));
  EXPECT_THAT(file.left_out, IsEmpty());
  const config::ServiceConfig& service = file.service(0);
  EXPECT_EQ(service.access_default, AccessAction::allow);
  ASSERT_TRUE(service.access_rules);
  ASSERT_EQ(service.access_rules->size(), 4u);
  EXPECT_EQ(service.access_rules->at(0).action, AccessAction::allow);
  EXPECT_EQ(service.access_rules->at(2).action, AccessAction::deny);
}

TEST(Haproxy, RejectUnless_LetsThoseAloneIn) {
  for (const char* rule : {"reject if !office", "reject unless office", "reject if !{ src 198.51.100.0/24 }"}) {
    const ImportedFile file =
        import_cfg(listen("acl office src 198.51.100.0/24\ntcp-request connection " + std::string(rule) +
                          "\ntcp-request connection reject if { src 198.51.100.9 }"));
    EXPECT_THAT(file.left_out, IsEmpty()) << rule;
    EXPECT_EQ(file.service(0).access_default, AccessAction::deny);
    ASSERT_EQ(file.service(0).access_rules->size(), 2u);
    EXPECT_EQ(file.service(0).access_rules->at(0).action, AccessAction::deny);
    EXPECT_EQ(file.service(0).access_rules->at(1).action, AccessAction::allow);
  }
}

TEST(Haproxy, RulesThatAreNotUnderstood_AreNamed) {
  EXPECT_THAT(
      import_cfg(listen("acl a src -f /etc/haproxy/blocked\nacl b dst_port 80\ntcp-request connection reject if a\n"
                        "tcp-request connection reject if a b\ntcp-request connection track-sc0 src"))
          .left_out,
      ElementsAre(HasSubstr("5: a rule that rejects clients"), HasSubstr("6: a rule that rejects clients"),
                  HasSubstr("7: tcp-request \"track-sc0\"")));
}

TEST(Haproxy, ProxyHeaders_NeedProxiedConnections) {
  const ImportedFile file = import_cfg(
      "listen w\nbind 203.0.113.10:80\nserver a 10.0.0.1:80 send-proxy\n"
      "server b 10.0.0.2:80 send-proxy-v2\nserver c 10.0.0.3:80\n");
  EXPECT_THAT(file.left_out, IsEmpty());
  EXPECT_EQ(file.service(0).mode, Mode::proxy);
  EXPECT_EQ(file.service(0).backends[0].proxy_protocol, ProxyProtocol::v1);
  EXPECT_EQ(file.service(0).backends[1].proxy_protocol, ProxyProtocol::v2);
  EXPECT_EQ(file.service(0).backends[2].proxy_protocol, ProxyProtocol::none);
}

TEST(Haproxy, Redispatch_NeedsProxiedConnections) {
  const ImportedFile file =
      import_cfg("defaults\nmode tcp\noption redispatch\nretries 3\ntimeout connect 4s\n" + listen(""));
  EXPECT_EQ(file.service(0).mode, Mode::proxy);
  EXPECT_EQ(file.service(0).connect_timeout_ms, 4000u);
}

TEST(Haproxy, HttpCheck_OfEitherSyntax) {
  for (const char* check : {"option httpchk GET /health HTTP/1.1\\r\\nHost:\\ www\nhttp-check expect status 200",
                            "option httpchk\nhttp-check send meth GET uri /health ver HTTP/1.1 hdr Host www\n"
                            "http-check expect status 200"}) {
    const ImportedFile file = import_cfg(listen(check));
    EXPECT_THAT(file.left_out, IsEmpty()) << check;
    const config::HttpCheck& http = file.service(0).healthcheck.http;
    EXPECT_EQ(http.method, "GET");
    EXPECT_EQ(http.path, "/health");
    EXPECT_EQ(http.host, "www");
    EXPECT_EQ(http.expect.at(0).last, 200);
  }
  EXPECT_EQ(import_cfg(listen("option httpchk", "check check-ssl verify none")).service(0).healthcheck.tls.verify,
            false);
  EXPECT_EQ(import_cfg(listen("option httpchk /up")).service(0).healthcheck.http.method, "OPTIONS");
}

TEST(Haproxy, TcpCheck_OneQuestionIsProbe) {
  const ImportedFile file = import_cfg(
      listen("option tcp-check\ntcp-check connect\ntcp-check send AUTH\\ \"x\"\\r\\n\ntcp-check send PING\\r\\n\n"
             "tcp-check expect string +PONG"));
  EXPECT_THAT(file.left_out, IsEmpty());
  EXPECT_EQ(file.service(0).healthcheck.kind, config::CheckKind::probe);
  EXPECT_EQ(file.service(0).healthcheck.probe.send, "AUTH x\r\nPING\r\n");
  EXPECT_EQ(file.service(0).healthcheck.probe.starts_with, "+PONG");
}

TEST(Haproxy, TcpCheckOfMoreSteps_AsksForConnectionAlone) {
  const ImportedFile file =
      import_cfg(listen("option tcp-check\ntcp-check expect string 220\ntcp-check send QUIT\\r\\n"));
  EXPECT_THAT(file.left_out, ElementsAre(HasSubstr("this step of a check by TCP")));
  EXPECT_EQ(file.service(0).healthcheck.kind, config::CheckKind::ping);
}

TEST(Haproxy, ChecksOfProtocols_AskForConnectionAlone) {
  EXPECT_THAT(import_cfg(listen("option mysql-check user haproxy")).left_out,
              ElementsAre(HasSubstr("\"mysql-check\"")));
  EXPECT_EQ(import_cfg(listen("option redis-check")).service(0).healthcheck.probe.starts_with, "+PONG");
}

TEST(Haproxy, Balances_HaveTheirOwnNames) {
  const std::pair<const char*, Balance> kPairs[] = {
      {"balance roundrobin", Balance::weight}, {"balance leastconn", Balance::leastconn},
      {"balance source", Balance::iphash},     {"balance source\nhash-type consistent", Balance::iphash1},
      {"balance random", Balance::p2c},        {"balance random(1)", Balance::random}};
  for (const auto& [text, balance] : kPairs) {
    const ImportedFile file = import_cfg(listen(text));
    EXPECT_EQ(file.service(0).balance, balance) << text;
    EXPECT_THAT(file.left_out, IsEmpty()) << text;
  }
  EXPECT_THAT(import_cfg(listen("balance uri")).left_out, ElementsAre(HasSubstr("3: balance \"uri\"")));
}

TEST(Haproxy, Backups_OneAfterTheOtherOrAllAtOnce) {
  const std::string servers = "\nserver a 10.0.0.1:80\nserver b 10.0.0.2:80 backup\nserver c 10.0.0.3:80 backup\n";
  const ImportedFile one = import_cfg("listen w\nbind 203.0.113.10:80" + servers);
  EXPECT_EQ(one.service(0).backends[1].priority, 1);
  EXPECT_EQ(one.service(0).backends[2].priority, 2);
  const ImportedFile all = import_cfg("listen w\nbind 203.0.113.10:80\noption allbackups" + servers);
  EXPECT_EQ(all.service(0).backends[2].priority, 1);
}

TEST(Haproxy, SlowStartRateAndTunnelTimeout_CarriedOver) {
  const ImportedFile file = import_cfg(listen(
      "timeout client 30s\ntimeout server 30s\ntimeout tunnel 1h\nrate-limit sessions 500", "check slowstart 20s"));
  EXPECT_THAT(file.left_out, IsEmpty());
  EXPECT_EQ(file.service(0).slow_start_ms, 20'000u);
  EXPECT_EQ(file.service(0).connection_rate, 500u);
  EXPECT_EQ(file.service(0).client_idle_timeout_ms, 3'600'000u);
}

TEST(Haproxy, NamedDefaults_AreTheirProxiesOwn) {
  const ImportedFile file = import_cfg(
      "defaults slow\nmode tcp\ntimeout client 1h\ndefaults fast\nmode tcp\ntimeout client 10s\n"
      "listen a from slow\nbind 203.0.113.10:80\nserver s 10.0.0.1:80\nlisten b\nbind 203.0.113.10:81\nserver s "
      "10.0.0.1:81\n");
  EXPECT_EQ(file.service(0).client_idle_timeout_ms, 3'600'000u);
  EXPECT_EQ(file.service(1).client_idle_timeout_ms, 10'000u);
}

TEST(Haproxy, ServersThatCannotBe_AreNamed) {
  const ImportedFile file = import_cfg(
      "listen w\nbind 203.0.113.10:80-81\nserver a web1.example.com:80\nserver b 10.0.0.2\nserver c \"${DB}:80\"\n"
      "server d 127.0.0.1:80\nserver e 10.0.0.5:80 cookie x frobnicate\nserver-template t 3 web.local:80\n");
  EXPECT_THAT(
      file.left_out,
      ElementsAre(HasSubstr("3: \"web1.example.com\" is not an IP address"), HasSubstr("4: \"10.0.0.2\" has a port"),
                  HasSubstr("5: \"${DB}\" holds a variable"), HasSubstr("6: 127.0.0.1:80 is on the loopback"),
                  HasSubstr("7: \"cookie\""), HasSubstr("7: \"frobnicate\""), HasSubstr("8: \"server-template\"")));
  EXPECT_THAT(file.backends(0), ElementsAre("10.0.0.5:80"));
}

TEST(Haproxy, AcceptProxy_IsLeftOut) {
  EXPECT_THAT(import_cfg("listen w\nbind 203.0.113.10:80 accept-proxy\nserver a 10.0.0.1:80\n").left_out,
              ElementsAre(HasSubstr("1: the service \"w\" is left out"), HasSubstr("2: PROXY headers from clients")));
}

TEST(Haproxy, OtherSections_AreNamed) {
  EXPECT_THAT(
      import_cfg("global\nmaxconn 100\npeers p\npeer a 10.0.0.1:1024\nbackend lonely\nserver a 10.0.0.1:80\n").left_out,
      ElementsAre(HasSubstr("2: maxconn"), HasSubstr("3: the section peers"), HasSubstr("5: the backend \"lonely\"")));
}

}  // namespace
}  // namespace millrace::importing
