// load_test.cpp: what load_config and parse_config make of good files, and of files that are none.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "controlplane/config/config.h"
#include "millrace/limits.h"
#include "millrace/segment.h"

namespace millrace::config {
namespace {

Config load_good(const std::string& name) {
  LoadResult result = load_config(std::string(MR_SOURCE_DIR) + "/tests/config/good/" + name);
  std::string errors;
  for (const ConfigError& error : result.errors) errors += format_error(error) + "\n";
  EXPECT_TRUE(result.config.has_value()) << errors;
  return result.config.value_or(Config{});
}

IpAddr ip(const char* text) { return parse_ip(text).value(); }
Endpoint endpoint(const char* text) { return parse_endpoint(text).value(); }

TEST(Load_config, minimal_has_every_default) {
  const Config config = load_good("minimal.toml");
  EXPECT_FALSE(config.dataplane.workers.empty());
  EXPECT_FALSE(config.dataplane.idle_adaptive);
  EXPECT_EQ(config.dataplane.connections, 262'144u);
  EXPECT_TRUE(config.dataplane.proxy);
  EXPECT_EQ(config.dataplane.segment, kDefaultSegmentPath);
  EXPECT_TRUE(config.dataplane.reta.empty());
  ASSERT_EQ(config.dataplane.ports.size(), 1u);
  EXPECT_EQ(config.dataplane.ports[0].device_kind, "null");
  EXPECT_EQ(config.dataplane.ports[0].queues, 1);
  ASSERT_EQ(config.snat_pools.size(), 1u);
  ASSERT_EQ(config.snat_pools[0].ranges.size(), 1u);
  EXPECT_EQ(config.snat_pools[0].ranges[0].port_first, 1024);
  EXPECT_EQ(config.snat_pools[0].ranges[0].port_last, 65535);
  ASSERT_EQ(config.services.size(), 1u);
  const ServiceConfig& web = config.services[0];
  EXPECT_EQ(web.proto, Proto::tcp);
  EXPECT_EQ(web.mode, Mode::fullnat);
  EXPECT_EQ(web.balance, Balance::weight);
  EXPECT_EQ(web.pool, "lan") << "the only pool";
  EXPECT_EQ(web.client_idle_timeout_ms, 7'440'000u) << "RFC 5382 REQ-5";
  EXPECT_EQ(web.backend_idle_timeout_ms, 7'440'000u);
  EXPECT_EQ(web.connect_timeout_ms, 0u);
  EXPECT_FALSE(web.healthcheck.enabled());
  EXPECT_EQ(web.backends, std::vector<BackendConfig>{{.endpoint = endpoint("10.0.0.1:80")}});
  EXPECT_TRUE(config.api.enabled);
  EXPECT_EQ(config.api.socket, "/run/millrace.sock");
  EXPECT_EQ(config.logging.level, LogLevel::info);
  EXPECT_EQ(config.settings.syn_sent_timeout_ms, SettingsCommand{}.syn_sent_timeout_ms);
}

TEST(Load_config, ports_of_one_device_by_vlan) {
  const std::vector<PortConfig> ports = load_good("vlans.toml").dataplane.ports;
  ASSERT_EQ(ports.size(), 4u);
  EXPECT_EQ(ports[0].vlan, 0);
  EXPECT_EQ(ports[1].vlan, 1);
  EXPECT_EQ(ports[1].interface, "");
  EXPECT_EQ(ports[2].vlan, 4094);
  EXPECT_EQ(ports[2].interface, "br0");
  EXPECT_TRUE(ports[1].shares_device(ports[0]));
  EXPECT_TRUE(ports[2].shares_device(ports[0]));
  EXPECT_FALSE(ports[3].shares_device(ports[0]));
  EXPECT_EQ(ports[3].vlan, 7);
  EXPECT_EQ(ports[3].routes.size(), 1u);
}

// The dataplane makes these, so they have names as soon as the file is read.
TEST(Load_config, interfaces_of_a_card_with_vlans) {
  const std::vector<PortConfig> ports = load_good("vlans_pci.toml").dataplane.ports;
  ASSERT_EQ(ports.size(), 5u);
  for (size_t i = 0; i < 3; ++i) EXPECT_EQ(ports[i].tap, "front") << "wherever it stands in the file";
  EXPECT_EQ(ports[0].interface, "front.100");
  EXPECT_EQ(ports[1].interface, "");
  EXPECT_EQ(ports[2].interface, "backends");
  for (size_t i = 3; i < 5; ++i) EXPECT_EQ(ports[i].tap, "trunk");
  EXPECT_EQ(ports[3].interface, "trunk.5");
  EXPECT_EQ(ports[4].interface, "trunk.6");
}

TEST(Load_config, every_key_of_dataplane_arrives) {
  const DataplaneConfig dataplane = load_good("every_key.toml").dataplane;
  EXPECT_EQ(dataplane.workers, (std::vector<unsigned>{3, 1, 2}));
  EXPECT_TRUE(dataplane.idle_adaptive);
  EXPECT_EQ(dataplane.connections, 1024u);
  EXPECT_FALSE(dataplane.proxy);
  EXPECT_EQ(dataplane.punt_rate, 70'000u);
  EXPECT_EQ(dataplane.segment, "/dev/shm/other.segment");
  EXPECT_EQ(dataplane.reta, (std::vector<uint8_t>{0, 2, 1}));
  ASSERT_EQ(dataplane.ports.size(), 9u);
  const PortConfig& mem = dataplane.ports[0];
  EXPECT_EQ(mem.name, "mem");
  EXPECT_EQ(mem.device_kind, "memif");
  EXPECT_EQ(mem.device_arg, "/run/m.sock,client");
  EXPECT_EQ(mem.queues, 2);
  ASSERT_EQ(mem.neighbours.size(), 2u);
  EXPECT_EQ(mem.neighbours[0].addr, ip("10.0.0.254"));
  EXPECT_EQ(mem.neighbours[0].mac, (MacAddr{{0x02, 0, 0, 0, 0, 0xfe}}));
  ASSERT_EQ(mem.routes.size(), 3u);
  EXPECT_EQ(mem.routes[0].prefix, ip("0.0.0.0"));
  EXPECT_EQ(mem.routes[0].prefix_bits, 0);
  EXPECT_EQ(mem.routes[0].gateway, ip("10.0.0.254"));
  EXPECT_EQ(mem.routes[1].prefix_bits, 8);
  EXPECT_EQ(mem.routes[2].prefix, ip("10.0.0.0"));
  EXPECT_EQ(mem.routes[2].gateway, std::nullopt);
  EXPECT_EQ(dataplane.ports[1].device_arg, "0000:3b:00.0");
  EXPECT_EQ(dataplane.ports[1].steering, SteeringWish::rss);
  EXPECT_EQ(mem.steering, SteeringWish::automatic);
  const PortConfig& emulated = dataplane.ports[4];
  EXPECT_EQ(emulated.emulation, NicEmulation::wrong_key);
  EXPECT_EQ(emulated.device_kind, "af_packet");
  EXPECT_EQ(emulated.device_arg, "veth1");
  EXPECT_EQ(emulated.steering, SteeringWish::handover);
  EXPECT_EQ(emulated.device(), "emulated_nic:wrong_key,af_packet:veth1");
  EXPECT_EQ(mem.device(), "memif:/run/m.sock,client");
  EXPECT_EQ(dataplane.ports[5].device_arg, "rx=a b.pcap,tx=/tmp/b.pcap");
  EXPECT_EQ(dataplane.ports[7].device_arg, "");
}

TEST(Load_config, every_key_of_services_arrives_in_file_order) {
  const Config config = load_good("every_key.toml");
  ASSERT_EQ(config.services.size(), 2u);
  const ServiceConfig& zeta = config.services[0];
  EXPECT_EQ(zeta.name, "zeta");
  EXPECT_EQ(zeta.binds, (std::vector<Endpoint>{endpoint("203.0.113.10:80"), endpoint("[2001:db8::10]:80")}));
  EXPECT_EQ(zeta.balance, Balance::leastconn);
  EXPECT_EQ(zeta.pool, "b");
  EXPECT_EQ(zeta.client_idle_timeout_ms, 5'400'000u);
  EXPECT_EQ(zeta.backend_idle_timeout_ms, 7'440'000u) << "\"0\" overrides [defaults]";
  EXPECT_EQ(zeta.connect_timeout_ms, 500u);
  EXPECT_EQ(zeta.connections_max, 0u) << "0 overrides [defaults]";
  EXPECT_EQ(zeta.slow_start_ms, 60'000u);
  EXPECT_EQ(zeta.healthcheck, (HealthcheckConfig{CheckKind::ping, 5000, 5000, 3, 4, false}))
      << "timeout 0 is the interval";
  EXPECT_EQ(zeta.passive_health,
            (PassiveHealthConfig{true, 0.25, 100, 30'000, true, 2'000, 60'000, 0.05, 10, 1.0, true}));
  EXPECT_EQ(zeta.backends, (std::vector<BackendConfig>{{endpoint("10.0.0.1:80"), 5, 1, ProxyProtocol::none, 100},
                                                       {endpoint("10.0.0.2:80"), 256, 255},
                                                       {endpoint("[fd00::1]:80"), 0, 0}}));
  const ServiceConfig& alpha = config.services[1];
  EXPECT_EQ(alpha.name, "alpha.1_x-y");
  EXPECT_EQ(alpha.binds, (std::vector<Endpoint>{endpoint("0.0.0.0:53"), endpoint("[::]:53")}));
  EXPECT_EQ(alpha.proto, Proto::udp);
  EXPECT_EQ(alpha.mode, Mode::nat) << "transparent";
  EXPECT_EQ(alpha.passive_health, PassiveHealthConfig{});
  EXPECT_EQ(alpha.balance, Balance::leastbandwidth);
  EXPECT_EQ(alpha.connections_max, UINT32_MAX) << "from [defaults]";
  EXPECT_EQ(alpha.udp_requests_max, 65535u);
  EXPECT_EQ(alpha.udp_responses_max, 1u);
  EXPECT_EQ(alpha.pool, "");
  EXPECT_EQ(alpha.client_idle_timeout_ms, 300'000u) << "from [defaults]";
  EXPECT_EQ(alpha.backend_idle_timeout_ms, 360'000u);
  EXPECT_EQ(alpha.connect_timeout_ms, 7000u);
  EXPECT_FALSE(alpha.healthcheck.enabled());
}

TEST(Load_config, every_key_of_health_checks_arrives) {
  using namespace std::string_literals;
  const Config config = load_good("healthchecks.toml");
  ASSERT_EQ(config.services.size(), 10u);
  const auto check = [&](size_t i) -> const HealthcheckConfig& { return config.services[i].healthcheck; };
  HealthcheckConfig redis{.kind = CheckKind::probe, .interval_ms = 5000, .timeout_ms = 2000, .port = 6379};
  redis.probe = {.send = "PING\r\n\0\377\""s, .starts_with = "+PONG\r\n", .answer_bytes = 7};
  EXPECT_EQ(check(0), redis);
  EXPECT_EQ(check(1).probe.protocol, ProbeProtocol::udp);
  EXPECT_EQ(check(1).probe.send, "\0\1"s);
  EXPECT_EQ(check(1).probe.answer_bytes, kAnswerBytesMax);
  EXPECT_TRUE(check(1).probe.matches.matches("\0\1x"s));
  EXPECT_EQ(check(2).probe.send, "a1 NOOP\r\n");
  EXPECT_EQ(check(2).tls, (CheckTls{true, false, "", "imap.example.com", {"imap", "x"}}));
  EXPECT_EQ(check(3).exec, (ExecCheck{{"/usr/local/bin/check", "--fast"}, "1", "0"}));
  EXPECT_EQ(check(4).kind, CheckKind::http);
  EXPECT_EQ(check(4).tls, CheckTls{.enabled = true}) << "https";
  EXPECT_EQ(check(4).http.path, "/health?full=1");
  EXPECT_EQ(check(4).http.host, "www.example.com");
  EXPECT_EQ(check(4).http.expect, (std::vector<StatusRange>{{200, 200}, {204, 299}}));
  EXPECT_EQ(check(4).http.body_contains, "\"ok\"");
  EXPECT_TRUE(check(4).http.body_matches.matches("{\"queue\":  17}"));
  EXPECT_EQ(check(5), (HealthcheckConfig{.kind = CheckKind::http,
                                         .http = {.method = "HEAD", .expect = {StatusRange{404, 404}}}}));
  EXPECT_EQ(check(6),
            (HealthcheckConfig{.kind = CheckKind::grpc, .grpc_service = "shop.v1.Cart", .tls = {.enabled = true}}));
  EXPECT_EQ(check(7), HealthcheckConfig{.kind = CheckKind::icmp});
  EXPECT_EQ(check(8), (HealthcheckConfig{.kind = CheckKind::ping, .port = 8080})) << "gobetween ignores the others";
  EXPECT_EQ(check(9).probe.starts_with, "PONG\xAA\n");
  EXPECT_EQ(check(9).timeout_ms, 2000u) << "0: the interval";
}

TEST(Load_config, every_key_of_proxied_services_arrives) {
  const Config config = load_good("proxied.toml");
  ASSERT_EQ(config.services.size(), 5u);
  const ServiceConfig& names = config.services[0];
  EXPECT_EQ(names.mode, Mode::proxy);
  EXPECT_EQ(names.syn_proxy, SynProxy::off) << "the mode says it";
  EXPECT_EQ(names.pool, "lan");
  EXPECT_EQ(names.connect_timeout_ms, 60'000u) << "from [defaults]";
  EXPECT_EQ(names.host_matching, HostMatching::exact);
  EXPECT_EQ(names.unexpected_host, UnexpectedHost::any);
  EXPECT_EQ(names.hello_timeout_ms, 1500u);
  EXPECT_EQ(names.backends,
            (std::vector<BackendConfig>{{endpoint("10.0.0.1:443"), 3, 0, ProxyProtocol::v2, 0, "www.example.com"},
                                        {endpoint("10.0.0.2:443"), 1, 0, ProxyProtocol::v1, 0, "api_1.example.com"},
                                        {endpoint("10.0.0.3:443"), 1, 0, ProxyProtocol::none, 0, ""}}));
  const ServiceConfig& patterns = config.services[1];
  EXPECT_EQ(patterns.connect_timeout_ms, 3000u) << "\"0\" is the default";
  EXPECT_EQ(patterns.host_matching, HostMatching::regexp);
  EXPECT_EQ(patterns.unexpected_host, UnexpectedHost::reject);
  EXPECT_EQ(patterns.hello_timeout_ms, 10u);
  EXPECT_EQ(patterns.backends[0].host, "^(?P<Which>www|api)\\.example\\.(com|org)$");
  EXPECT_EQ(patterns.backends[0].proxy_protocol, ProxyProtocol::none);
  const ServiceConfig& shielded = config.services[2];
  EXPECT_EQ(shielded.syn_proxy, SynProxy::automatic);
  EXPECT_EQ(shielded.syn_rate, 123'456u);
  EXPECT_EQ(shielded.connect_timeout_ms, 10u);
  EXPECT_TRUE(shielded.may_proxy());
  EXPECT_FALSE(shielded.always_proxies());
  const ServiceConfig& direct = config.services[3];
  EXPECT_EQ(direct.syn_proxy, SynProxy::on);
  EXPECT_EQ(direct.syn_rate, 0u);
  EXPECT_EQ(direct.backends[0].proxy_protocol, ProxyProtocol::v1);
  EXPECT_FALSE(config.services[4].may_proxy());
}

TEST(Load_config, rates_arrive) {
  const Config config = load_good("rates.toml");
  const ServiceConfig& all = config.services[0];
  EXPECT_EQ(all.connection_rate, 1'000'000'000u);
  EXPECT_EQ(all.packet_rate, 1u);
  EXPECT_EQ(all.source_connection_rate, 20u);
  EXPECT_EQ(all.source_packet_rate, 3'000u);
  EXPECT_EQ(all.source_prefix4, 24);
  EXPECT_EQ(all.source_prefix6, 56);
  const ServiceConfig& usual = config.services[1];
  EXPECT_EQ(usual.connection_rate, 0u);
  EXPECT_EQ(usual.source_prefix4, 32);
  EXPECT_EQ(usual.source_prefix6, 64);
  EXPECT_EQ(load_good("access.toml").services[0].source_prefix4, 0) << "no source rate";
}

TEST(Load_config, every_key_of_the_other_tables_arrives) {
  const Config config = load_good("every_key.toml");
  ASSERT_EQ(config.snat_pools.size(), 2u);
  ASSERT_EQ(config.snat_pools[1].ranges.size(), 3u);
  const SnatPoolConfig::Range& block = config.snat_pools[1].ranges[1];
  EXPECT_EQ(block.first, ip("10.73.0.0"));
  EXPECT_EQ(block.last, ip("10.73.15.255"));
  EXPECT_EQ(block.port_first, 30001);
  EXPECT_EQ(config.snat_pools[1].ranges[2].last, ip("fd72::13"));
  EXPECT_EQ(config.settings.syn_sent_timeout_ms, 1000u);
  EXPECT_EQ(config.settings.syn_received_timeout_ms, 2000u);
  EXPECT_EQ(config.settings.fin_wait_timeout_ms, 180'000u);
  EXPECT_EQ(config.settings.time_wait_timeout_ms, 14'400'000u);
  EXPECT_EQ(config.settings.closed_timeout_ms, 604'800'000u);
  EXPECT_EQ(config.logging.level, LogLevel::warn);
  EXPECT_EQ(config.logging.output, "/var/log/millrace.log");
  EXPECT_TRUE(config.logging.json);
  EXPECT_FALSE(config.api.enabled);
  EXPECT_EQ(config.api.socket, "/run/other.sock");
}

TEST(Load_config, services_without_a_pool_share_an_automatic_one) {
  const Config config = load_good("automatic_snat.toml");
  ASSERT_EQ(config.snat_pools.size(), 1u);
  EXPECT_EQ(config.snat_pools[0].name, "auto");
  EXPECT_TRUE(config.snat_pools[0].ranges.empty());
  ASSERT_TRUE(config.snat_pools[0].automatic);
  unsigned first = 0;
  unsigned last = 0;
  std::ifstream("/proc/sys/net/ipv4/ip_local_port_range") >> first >> last;
  EXPECT_EQ(config.snat_pools[0].automatic->port_first, last + 1);
  EXPECT_EQ(config.snat_pools[0].automatic->port_last, 65535);
  EXPECT_EQ(config.services[0].pool, "auto");
  EXPECT_EQ(config.services[1].pool, "");
}

TEST(Load_config, an_automatic_pool_may_name_its_ports) {
  const Config config = load_good("automatic_snat_ports.toml");
  ASSERT_EQ(config.snat_pools.size(), 2u);
  ASSERT_TRUE(config.snat_pools[0].automatic);
  EXPECT_EQ(config.snat_pools[0].automatic->port_first, 20000);
  EXPECT_EQ(config.snat_pools[0].automatic->port_last, 29999);
  EXPECT_FALSE(config.snat_pools[1].automatic);
  EXPECT_EQ(config.services[0].pool, "own");
}

TEST(Load_config, an_unreadable_file_is_one_error) {
  for (const char* path : {"/nonexistent/millrace.toml", "/"}) {
    const LoadResult result = load_config(path);
    EXPECT_FALSE(result.config.has_value());
    ASSERT_EQ(result.errors.size(), 1u);
    EXPECT_EQ(result.errors[0].line, 0u);
    EXPECT_EQ(format_error(result.errors[0]).find(std::string(path) + ": cannot be read: "), 0u);
  }
}

TEST(Load_config, an_empty_file_is_read) {
  const std::filesystem::path path = std::filesystem::path(testing::TempDir()) / "millrace_empty.toml";
  std::ofstream(path).close();
  const LoadResult result = load_config(path.string());
  std::filesystem::remove(path);
  ASSERT_EQ(result.errors.size(), 1u);
  EXPECT_EQ(result.errors[0].key, "dataplane");
}

TEST(Parse_config, errors_carry_name_line_and_column) {
  const LoadResult result =
      parse_config("[dataplane]\nworkers = \"x\"\n[[dataplane.port]]\nname=\"a\"\ndevice=\"null\"\n", "F");
  ASSERT_EQ(result.errors.size(), 1u);
  EXPECT_EQ(format_error(result.errors[0]),
            "F:2:11: dataplane.workers: \"x\" is not a list of CPUs "
            "(write CPU numbers, such as \"2-5\" or \"1,3\", or \"auto\")");
}

TEST(Parse_config, bytes_that_are_no_text_are_refused) {
  for (const std::string& text :
       {std::string("\xff\xfe\x00\x01", 4), std::string("a = \"\xc3\x28\"\n"), std::string(3, '\0')}) {
    const LoadResult result = parse_config(text, "F");
    EXPECT_FALSE(result.config.has_value());
    ASSERT_EQ(result.errors.size(), 1u);
    EXPECT_GE(result.errors[0].line, 1u);
  }
}

TEST(Parse_config, one_service_too_many) {
  std::string text = "[dataplane]\nworkers=\"0\"\n[[dataplane.port]]\nname=\"a\"\ndevice=\"null\"\n[servers]\n";
  for (unsigned i = 0; i <= kServiceMax; ++i) {
    const std::string n = std::to_string(i);
    const std::string address =
        "10." + std::to_string(i / 65536) + "." + std::to_string(i / 256 % 256) + "." + std::to_string(i % 256);
    text += "s" + n + "={mode=\"nat\",bind=\"" + address +
            ":80\",discovery={kind=\"static\",static_list=[\"11.0.0.1:80\"]}}\n";
  }
  const LoadResult result = parse_config(text, "F");
  ASSERT_EQ(result.errors.size(), 1u) << format_error(result.errors[0]) << format_error(result.errors[1]);
  EXPECT_EQ(result.errors[0].line, 6u + kServiceMax + 1);
  EXPECT_NE(result.errors[0].remedy.find("16384"), std::string::npos);
}

TEST(Parse_config, one_server_name_too_many) {
  std::string backends;
  for (unsigned i = 0; i <= kHostPatternMax; ++i)
    backends += "\"10.0.0.1:" + std::to_string(i + 1) + " sni=N" + std::to_string(i) + "\",\n";
  const std::string text =
      "[dataplane]\nworkers=\"0\"\n[[dataplane.port]]\nname=\"a\"\ndevice=\"null\"\n"
      "[snat.lan]\naddresses=[\"10.72.0.10\"]\n[servers.web]\nbind=\"203.0.113.1:443\"\nmode=\"proxy\"\n"
      "[servers.web.sni]\nhostname_matching_strategy=\"exact\"\nunexpected_hostname_strategy=\"any\"\n"
      "read_timeout=\"2s\"\n[servers.web.discovery]\nkind=\"static\"\nstatic_list=[\n";
  // The same name a second time is no other one.
  EXPECT_TRUE(parse_config(text + backends.substr(0, backends.rfind("\"10")) + "\"10.0.0.2:1 sni=n0\"]", "F").config);
  const LoadResult result = parse_config(text + backends + "]", "F");
  ASSERT_EQ(result.errors.size(), 1u);
  EXPECT_EQ(result.errors[0].key, "servers.web.discovery.static_list[256]");
  EXPECT_NE(result.errors[0].remedy.find("256"), std::string::npos);
}

TEST(Parse_config, too_many_of_each_list) {
  std::string addresses, binds, backends;
  for (unsigned i = 0; i <= kSnatRangePerPoolMax; ++i) addresses += "\"10.72." + std::to_string(i) + ".1\",";
  for (unsigned i = 0; i <= kBindPerServiceMax; ++i) binds += "\"203.0.113.1:" + std::to_string(i + 1) + "\",";
  for (unsigned i = 0; i <= kBackendPerServiceMax; ++i) backends += "\"10.0.0.1:" + std::to_string(i + 1) + "\",";
  std::string text = "[dataplane]\nworkers=\"0\"\n";
  for (unsigned i = 0; i <= kPortMax; ++i)
    text += "[[dataplane.port]]\nname=\"p" + std::to_string(i) + "\"\ndevice=\"null\"\n";
  for (unsigned i = 0; i <= kSnatPoolMax; ++i)
    text += "[snat.p" + std::to_string(i) + "]\naddresses=\"10.73.0." + std::to_string(i) + "\"\n";
  text += "[snat.wide]\naddresses=[" + addresses + "]\n[servers.web]\nsnat=\"wide\"\nbind=[" + binds +
          "]\n[servers.web.discovery]\nkind=\"static\"\nstatic_list=[" + backends + "]\n";
  const LoadResult result = parse_config(text, "F");
  std::vector<std::string> keys;
  for (const ConfigError& error : result.errors) keys.push_back(error.key);
  EXPECT_EQ(keys, (std::vector<std::string>{"dataplane.port[16]", "snat.p64", "snat.wide.addresses", "servers.web.bind",
                                            "servers.web.discovery.static_list"}));
}

}  // namespace
}  // namespace millrace::config
