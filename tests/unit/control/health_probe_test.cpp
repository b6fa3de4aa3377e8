// health_probe_test.cpp: kind = "probe" over TCP and UDP, with backends that behave and those that do not.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "controlplane/health/answer_judge.h"
#include "tests/unit/control/probe_peers.h"

namespace millrace::control {
namespace {

namespace asio = boost::asio;
using asio::ip::udp;
using config::CheckKind;
using config::ProbeProtocol;
using std::chrono::milliseconds;

config::HealthcheckConfig probe(ProbeProtocol protocol, std::string send, std::string starts_with) {
  config::HealthcheckConfig check{.kind = CheckKind::probe};
  check.probe = {.protocol = protocol, .send = std::move(send), .starts_with = starts_with};
  check.probe.answer_bytes = static_cast<uint32_t>(starts_with.size());
  return check;
}

config::HealthcheckConfig regexp_probe(ProbeProtocol protocol, const std::string& regexp, uint32_t answer_bytes) {
  config::HealthcheckConfig check{.kind = CheckKind::probe};
  check.probe = {.protocol = protocol, .send = "ask\n"};
  check.probe.matches = config::BytePattern::compile(regexp).pattern;
  check.probe.answer_bytes = answer_bytes;
  return check;
}

config::HealthcheckConfig ping_pong() { return probe(ProbeProtocol::tcp, "PING\r\n", "+PONG\r\n"); }

void expect_end(const Asked& asked, ProbeOutcome outcome, const std::string& cause) {
  EXPECT_EQ(asked.result.outcome, outcome);
  EXPECT_EQ(asked.result.cause, cause);
}

TEST(StreamProbe_run, sends_and_expects) {
  std::string heard(6, '\0');
  {
    ScriptedServer server([&](ScriptedServer::Socket& socket, const std::stop_token&) {
      asio::read(socket, asio::buffer(heard));
      say(socket, "+PO");
      std::this_thread::sleep_for(milliseconds(20));
      say(socket, "NG\r\nand more that is not looked at");
      listen_on(socket);
    });
    expect_end(ask(ping_pong(), server.at()), ProbeOutcome::passed, "answered as expected");
  }
  EXPECT_EQ(heard, "PING\r\n");
}

TEST(StreamProbe_run, another_answer_fails_with_both_in_the_cause) {
  ScriptedServer server(answers("-ERR\x1b[31m\r\n"));
  expect_end(ask(ping_pong(), server.at()), ProbeOutcome::failed, R"(answered "-ERR\x1b[3", not "+PONG\x0d\x0a")");
}

TEST(StreamProbe_run, regexp_sees_recv_len_bytes) {
  ScriptedServer server(answers("role:master,lag:0"));
  expect_end(ask(regexp_probe(ProbeProtocol::tcp, "^role:(master|slave)", 11), server.at()), ProbeOutcome::passed,
             "answered as expected");
  expect_end(ask(regexp_probe(ProbeProtocol::tcp, "lag:0$", 17), server.at()), ProbeOutcome::passed,
             "answered as expected");
  EXPECT_EQ(ask(regexp_probe(ProbeProtocol::tcp, "lag", 11), server.at()).result.outcome, ProbeOutcome::failed)
      << "it lies behind them";
}

TEST(StreamProbe_run, regexp_takes_less_when_the_backend_closes) {
  ScriptedServer server(answers_and_closes("ok"));
  expect_end(ask(regexp_probe(ProbeProtocol::tcp, "^ok$", 1000), server.at()), ProbeOutcome::passed,
             "answered as expected");
}

TEST(StreamProbe_run, closed_without_an_answer) {
  ScriptedServer server(answers_and_closes(""));
  expect_end(ask(ping_pong(), server.at()), ProbeOutcome::failed, "closed the connection without an answer");
}

TEST(StreamProbe_run, reset) {
  ScriptedServer server(resets);
  expect_end(ask(ping_pong(), server.at()), ProbeOutcome::failed, "Connection reset by peer");
}

TEST(StreamProbe_run, silence_and_drips_end_with_the_timeout) {
  ScriptedServer silent(is_silent);
  ScriptedServer dripping(drips("", 'x'));
  for (const ScriptedServer* server : {&silent, &dripping}) {
    const Asked asked = ask(regexp_probe(ProbeProtocol::tcp, "y", 60'000), server->at(), milliseconds(200));
    expect_end(asked, ProbeOutcome::failed, "no answer within 200 ms");
    EXPECT_GE(asked.took, milliseconds(190));
    EXPECT_LT(asked.took, milliseconds(1500));
  }
}

TEST(StreamProbe_run, a_flood_is_read_as_far_as_it_is_looked_at) {
  ScriptedServer server(pours("", 'x'));
  const Asked asked = ask(regexp_probe(ProbeProtocol::tcp, "y", 60'000), server.at());
  EXPECT_EQ(asked.result.outcome, ProbeOutcome::failed);
  EXPECT_THAT(asked.result.cause, testing::HasSubstr("which does not match \"y\""));
  EXPECT_LT(asked.result.cause.size(), 200u);
}

// Answers every datagram.
struct UdpServer {
  asio::io_context context;
  udp::socket socket{context, {asio::ip::address_v4::loopback(), 0}};
  std::jthread thread;

  explicit UdpServer(std::string answer)
      : thread([this, answer = std::move(answer)](const std::stop_token& stop) {
          std::string heard(100, '\0');
          udp::endpoint from;
          while (true) {
            socket.receive_from(asio::buffer(heard), from);
            if (stop.stop_requested()) return;
            socket.send_to(asio::buffer(answer), from);
          }
        }) {}
  ~UdpServer() {
    thread.request_stop();
    udp::socket waker(context, udp::v4());
    waker.send_to(asio::buffer("x", 1), socket.local_endpoint());
  }
  Endpoint at() const { return loopback(socket.local_endpoint().port()); }
};

TEST(UdpProbe_run, one_datagram_is_the_answer) {
  UdpServer server("PONG and more");
  expect_end(ask(probe(ProbeProtocol::udp, "PING", "PONG"), server.at()), ProbeOutcome::passed, "answered as expected");
  expect_end(ask(regexp_probe(ProbeProtocol::udp, "more$", 13), server.at()), ProbeOutcome::passed,
             "answered as expected");
  expect_end(ask(probe(ProbeProtocol::udp, "PING", "PANG"), server.at()), ProbeOutcome::failed,
             R"(answered "PONG", not "PANG")");
  const Asked shorter = ask(probe(ProbeProtocol::udp, "PING", "PONG and more than that"), server.at());
  EXPECT_EQ(shorter.result.outcome, ProbeOutcome::failed);
  EXPECT_LT(shorter.took, milliseconds(1000)) << "no second datagram is waited for";
}

TEST(UdpProbe_run, nobody_listens) {
  asio::io_context context;
  auto gone = std::make_unique<udp::socket>(context, udp::endpoint(asio::ip::address_v4::loopback(), 0));
  const Endpoint at = loopback(gone->local_endpoint().port());
  gone.reset();
  expect_end(ask(probe(ProbeProtocol::udp, "PING", "PONG"), at), ProbeOutcome::failed, "Connection refused");
}

TEST(UdpProbe_run, silence) {
  asio::io_context context;
  const udp::socket silent(context, udp::endpoint(asio::ip::address_v4::loopback(), 0));
  expect_end(
      ask(probe(ProbeProtocol::udp, "PING", "PONG"), loopback(silent.local_endpoint().port()), milliseconds(100)),
      ProbeOutcome::failed, "no answer within 100 ms");
}

}  // namespace
}  // namespace millrace::control
