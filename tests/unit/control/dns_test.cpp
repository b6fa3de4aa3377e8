// dns_test.cpp: DNS messages as bytes, and sources that ask a server on the loopback by UDP and TCP.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>

#include <boost/asio/ip/udp.hpp>
#include <boost/asio/read.hpp>
#include <map>

#include "controlplane/discovery/dns_source.h"
#include "controlplane/dns/resolver.h"
#include "tests/unit/control/asking.h"
#include "tests/unit/control/loopback_server.h"
#include "tests/unit/control/sample_config.h"

namespace millrace::control {
namespace {

namespace asio = boost::asio;

using asio::ip::udp;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::string be16(unsigned value) { return {static_cast<char>(value >> 8), static_cast<char>(value)}; }
std::string be32(uint32_t value) { return be16(value >> 16) + be16(value & 0xffff); }

std::string encode_name(const std::string& name) {
  std::string encoded;
  for (size_t at = 0; at < name.size();) {
    const size_t dot = std::min(name.find('.', at), name.size());
    encoded += static_cast<char>(dot - at) + name.substr(at, dot - at);
    at = dot + 1;
  }
  return encoded + '\0';
}

std::string record(const std::string& name, unsigned type, uint32_t ttl_s, const std::string& data) {
  return encode_name(name) + be16(type) + be16(1) + be32(ttl_s) + be16(static_cast<unsigned>(data.size())) + data;
}
std::string srv(unsigned priority, unsigned weight, unsigned port, const std::string& target, uint32_t ttl_s = 60) {
  return record("_web._tcp.test", 33, ttl_s, be16(priority) + be16(weight) + be16(port) + encode_name(target));
}
std::string a(const std::string& name, const std::string& addr, uint32_t ttl_s = 60) {
  return record(name, 1, ttl_s, be32(parse_ip(addr)->ipv4().host()));
}
std::string aaaa(const std::string& name, const std::string& addr) {
  const IpAddr parsed = parse_ip(addr).value();
  return record(name, 28, 60, std::string(parsed.bytes.begin(), parsed.bytes.end()));
}

struct Reply {
  std::vector<std::string> answers;
  std::vector<std::string> additional = {};
  unsigned rcode = 0;
};

// What the server says to a question of this type for this name.
using Zone = std::map<std::pair<std::string, unsigned>, Reply>;

// The whole message to `question`; names that are not in the zone do not exist.
std::string answer_to(const Zone& zone, const std::string& question, bool truncated) {
  std::string name;
  size_t at = 12;
  while (question[at] != 0) {
    const auto length = static_cast<size_t>(question[at]);
    name += (name.empty() ? "" : ".") + question.substr(at + 1, length);
    at += length + 1;
  }
  const unsigned type = static_cast<unsigned char>(question[at + 2]);
  const auto found = zone.find({name, type});
  Reply reply = found == zone.end() ? Reply{.answers = {}, .rcode = 3} : found->second;
  if (truncated) reply = {.answers = {}};
  std::string message = question.substr(0, 2) + be16(0x8180 | (truncated ? 0x200 : 0) | reply.rcode) + be16(1) +
                        be16(static_cast<unsigned>(reply.answers.size())) + be16(0) +
                        be16(static_cast<unsigned>(reply.additional.size())) + question.substr(12, at + 5 - 12);
  for (const std::string& one : reply.answers) message += one;
  for (const std::string& one : reply.additional) message += one;
  return message;
}

// A DNS server on one port of UDP and TCP.
class NameServer {
 public:
  explicit NameServer(Zone zone) : zone_(std::move(zone)) {
    udp_.bind({asio::ip::address_v4::loopback(), tcp_.port()});
    thread_ = std::thread([this] { serve_udp(); });
  }
  ~NameServer() {
    stop_ = true;
    thread_.join();
  }
  config::DnsServer at(bool tcp = false) const { return {.host = "127.0.0.1", .port = tcp_.port(), .tcp = tcp}; }

  std::atomic<int> by_udp{0};
  std::atomic<int> by_tcp{0};
  std::atomic<bool> truncating{false};
  std::atomic<bool> silent{false};

 private:
  void serve_udp() {
    while (!stop_) {
      pollfd ready{udp_.native_handle(), POLLIN, 0};
      if (poll(&ready, 1, 10) != 1) continue;
      std::string question(1500, '\0');
      udp::endpoint from;
      question.resize(udp_.receive_from(asio::buffer(question), from));
      ++by_udp;
      if (!silent) udp_.send_to(asio::buffer(answer_to(zone_, question, truncating)), from);
    }
  }
  void serve_tcp(LoopbackServer::Socket& socket) {
    boost::system::error_code error;
    while (true) {
      std::string length(2, '\0');
      asio::read(socket, asio::buffer(length), error);
      if (error) return;
      std::string question(
          static_cast<size_t>(static_cast<unsigned char>(length[0]) << 8 | static_cast<unsigned char>(length[1])),
          '\0');
      asio::read(socket, asio::buffer(question), error);
      ++by_tcp;
      const std::string answer = answer_to(zone_, question, false);
      send_text(socket, be16(static_cast<unsigned>(answer.size())) + answer);
    }
  }

  Zone zone_;
  asio::io_context context_;
  udp::socket udp_{context_, udp::v4()};
  LoopbackServer tcp_{[this](LoopbackServer::Socket& socket) { serve_tcp(socket); }};
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

constexpr char kName[] = "_web._tcp.test";

Answer ask_srv(const config::DnsServer& server, const std::string& name = "_web._tcp.test.") {
  SrvSource source({.server = server, .name = name});
  return ask(source);
}

TEST(SrvSource_ask, targets_with_their_addresses_from_the_additional_section) {
  NameServer server(
      {{{kName, 33},
        {.answers = {srv(1, 5, 8080, "b.test", 9), srv(2, 0, 8081, "c.test")},
         .additional = {a("b.test", "10.0.0.1", 7), aaaa("c.test", "fd00::1"), aaaa("b.test", "fd00::9")}}}});
  const Answer answer = ask_srv(server.at());
  ASSERT_EQ(answer.problem, "");
  EXPECT_THAT(
      answer.backends,
      ElementsAre(
          config::BackendConfig{.endpoint = endpoint("10.0.0.1:8080"), .weight = 5, .priority = 1, .host = "b.test"},
          config::BackendConfig{.endpoint = endpoint("[fd00::1]:8081"), .weight = 1, .priority = 2, .host = "c.test"}));
  EXPECT_EQ(answer.lifetime, std::chrono::seconds(7));
  EXPECT_EQ(server.by_udp, 1);
  EXPECT_EQ(server.by_tcp, 0);
}

TEST(SrvSource_ask, addresses_that_did_not_come_along_are_asked_for_once) {
  NameServer server({{{kName, 33}, {{srv(1, 1, 80, "b.test"), srv(1, 1, 81, "b.test"), srv(1, 1, 80, "gone.test")}}},
                     {{"b.test", 1}, {{a("b.test", "10.0.0.1"), a("b.test", "10.0.0.2", 3)}}}});
  const Answer answer = ask_srv(server.at());
  EXPECT_THAT(endpoints(answer), ElementsAre("10.0.0.1:80", "10.0.0.2:80", "10.0.0.1:81", "10.0.0.2:81"));
  EXPECT_THAT(answer.left_out, ElementsAre("gone.test: has no address"));
  EXPECT_EQ(answer.lifetime, std::chrono::seconds(3));
  EXPECT_EQ(server.by_udp, 4) << "SRV; A of b; A and AAAA of gone";
}

TEST(SrvSource_ask, tcp_from_the_first_question_on) {
  NameServer server({{{kName, 33}, {{srv(1, 1, 80, "b.test")}, {a("b.test", "10.0.0.1")}}}});
  EXPECT_THAT(endpoints(ask_srv(server.at(true))), ElementsAre("10.0.0.1:80"));
  EXPECT_EQ(server.by_udp, 0);
  EXPECT_EQ(server.by_tcp, 1);
}

TEST(SrvSource_ask, RFC1035_truncated_answer_is_asked_for_by_tcp) {
  NameServer server({{{kName, 33}, {{srv(1, 1, 80, "b.test")}, {a("b.test", "10.0.0.1")}}}});
  server.truncating = true;
  EXPECT_THAT(endpoints(ask_srv(server.at())), ElementsAre("10.0.0.1:80"));
  EXPECT_EQ(server.by_udp, 1);
  EXPECT_EQ(server.by_tcp, 1);
}

TEST(SrvSource_ask, RFC2782_target_of_a_dot_is_no_backend) {
  NameServer server({{{kName, 33}, {{srv(0, 0, 0, "")}}}});
  const Answer answer = ask_srv(server.at());
  EXPECT_EQ(answer.problem, "");
  EXPECT_THAT(answer.backends, IsEmpty());
}

TEST(SrvSource_ask, name_that_is_not_there_is_an_empty_answer) {
  NameServer server({});
  const Answer answer = ask_srv(server.at());
  EXPECT_EQ(answer.problem, "");
  EXPECT_THAT(answer.backends, IsEmpty());
  EXPECT_EQ(answer.lifetime, std::chrono::seconds(30));
}

TEST(SrvSource_ask, failures) {
  NameServer refusing({{{kName, 33}, {.answers = {}, .rcode = 5}}});
  EXPECT_THAT(ask_srv(refusing.at()).problem, HasSubstr("_web._tcp.test.: "));
  NameServer silent({});
  silent.silent = true;
  EXPECT_THAT(ask_srv(silent.at()).problem, HasSubstr("Timeout"));
  EXPECT_GE(silent.by_udp, 2);
}

TEST(DnsSource_ask, both_families_with_one_port) {
  NameServer server(
      {{{"web.test", 1}, {{a("web.test", "10.0.0.1", 20)}}}, {{"web.test", 28}, {{aaaa("web.test", "fd00::1")}}}});
  DnsSource source({.server = server.at(), .name = "web.test", .port = 80});
  const Answer answer = ask(source);
  EXPECT_THAT(endpoints(answer), ElementsAre("10.0.0.1:80", "[fd00::1]:80"));
  EXPECT_EQ(answer.lifetime, std::chrono::seconds(20));
}

TEST(fit_srv_records, orders_of_priorities_and_shares_of_weights_are_kept) {
  std::vector<DnsRecord> records(3);
  records[0].priority = 1000, records[0].weight = 60'000;
  records[1].priority = 10, records[1].weight = 30'000;
  records[2].priority = 1000, records[2].weight = 0;
  fit_srv_records(records);
  EXPECT_EQ(records[0].priority, 1);
  EXPECT_EQ(records[1].priority, 0);
  EXPECT_EQ(records[0].weight, 256);
  EXPECT_EQ(records[1].weight, 128);
  EXPECT_EQ(records[2].weight, 1);
}

TEST(parse_dns_message, every_cut_of_a_message_is_refused) {
  const Zone zone = {{{kName, 33}, {{srv(1, 1, 80, "b.test")}, {a("b.test", "10.0.0.1")}}}};
  const std::string question =
      "\1\2" + be16(0x100) + be16(1) + be16(0) + be16(0) + be16(0) + encode_name(kName) + be16(33) + be16(1);
  const std::string whole = answer_to(zone, question, false);
  const auto parse = [](const std::string& text) {
    const std::vector<uint8_t> bytes(text.begin(), text.end());
    return parse_dns_message(bytes);
  };
  ASSERT_TRUE(parse(whole));
  EXPECT_EQ(parse(whole)->answers.size(), 1u);
  EXPECT_EQ(parse(whole)->additional.size(), 1u);
  for (size_t bytes = 0; bytes < whole.size(); ++bytes) EXPECT_FALSE(parse(whole.substr(0, bytes))) << bytes;
}

}  // namespace
}  // namespace millrace::control
