// health_test.cpp: thresholds as a value, the TCP probe and the monitor against real loopback listeners.
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <atomic>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <cerrno>

#include "controlplane/health/check_state.h"
#include "controlplane/health/health_monitor.h"
#include "tests/unit/control/log_capture.h"
#include "tests/unit/control/probe_peers.h"
#include "tests/unit/control/sample_config.h"

namespace millrace::control {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using std::chrono::milliseconds;

constexpr ProbeOutcome kPass = ProbeOutcome::passed;
constexpr ProbeOutcome kFail = ProbeOutcome::failed;

// A listener of the kernel's; accepts without anyone calling accept, as long as its backlog has room.
struct Listener {
  asio::io_context context;
  tcp::acceptor acceptor{context};
  Endpoint at;

  explicit Listener(int backlog = 100, uint16_t port = 0) {
    const tcp::endpoint local(asio::ip::address_v4::loopback(), port);
    acceptor.open(local.protocol());
    acceptor.set_option(tcp::acceptor::reuse_address(true));
    acceptor.bind(local);
    acceptor.listen(backlog);
    at = {parse_ip("127.0.0.1").value(), Be16::from_host(acceptor.local_endpoint().port())};
  }
};

// A port that nobody listens at.
Endpoint closed_port() {
  Listener gone;
  return gone.at;
}

// A listener whose backlog is full: the kernel answers no further SYN.
struct Blackhole : Listener {
  std::vector<std::unique_ptr<tcp::socket>> fillers;
  Blackhole() : Listener(0) {
    for (int i = 0; i < 8; ++i) {
      auto& socket = fillers.emplace_back(std::make_unique<tcp::socket>(context));
      socket->open(tcp::v4());
      socket->non_blocking(true);
      // Asio's own connect would wait, also on a non-blocking socket.
      const tcp::endpoint target = acceptor.local_endpoint();
      const int result = connect(socket->native_handle(), target.data(), static_cast<socklen_t>(target.size()));
      EXPECT_TRUE(result == 0 || errno == EINPROGRESS);
    }
  }
};

Asked ping(const Endpoint& target, milliseconds timeout) {
  return ask({.kind = config::CheckKind::ping}, target, timeout);
}

TEST(CheckState_take, counts_in_a_row) {
  const config::HealthcheckConfig config{.kind = config::CheckKind::ping, .fails = 3, .passes = 2};
  CheckState state;
  EXPECT_FALSE(state.take({kFail, "refused"}, config));
  EXPECT_FALSE(state.take({kFail, "refused"}, config));
  EXPECT_FALSE(state.take({kPass, ""}, config)) << "a success in between starts the count anew";
  EXPECT_FALSE(state.take({kFail, "refused"}, config));
  EXPECT_FALSE(state.take({kFail, "refused"}, config));
  EXPECT_TRUE(state.take({kFail, "silent"}, config));
  EXPECT_EQ(state.health, Health::down);
  EXPECT_EQ(state.cause, "silent");
  EXPECT_FALSE(state.take({kPass, ""}, config));
  EXPECT_FALSE(state.take({kFail, "refused"}, config));
  EXPECT_FALSE(state.take({kPass, ""}, config));
  EXPECT_TRUE(state.take({kPass, ""}, config));
  EXPECT_EQ(state.health, Health::up);
}

TEST(CheckState_take, what_did_not_run_says_nothing) {
  const config::HealthcheckConfig config{.kind = config::CheckKind::ping, .fails = 2};
  CheckState state;
  state.take({kFail, "refused"}, config);
  EXPECT_FALSE(state.take({ProbeOutcome::not_run, "too many open files"}, config));
  EXPECT_EQ(state.fails_in_row, 1u);
  EXPECT_TRUE(state.take({kFail, "refused"}, config));
}

TEST(TcpPing_run, accepted) {
  Listener listener;
  EXPECT_EQ(ping(listener.at, milliseconds(2000)).result.outcome, kPass);
}

TEST(TcpPing_run, leaves_nothing_to_accept) {
  Listener listener;
  for (int i = 0; i < 5; ++i) EXPECT_EQ(ping(listener.at, milliseconds(2000)).result.outcome, kPass);
  std::this_thread::sleep_for(milliseconds(100));
  listener.acceptor.non_blocking(true);
  boost::system::error_code error;
  listener.acceptor.accept(error);
  EXPECT_EQ(error, asio::error::would_block);
}

TEST(TcpPing_run, refused) {
  const Asked asked = ping(closed_port(), milliseconds(2000));
  EXPECT_EQ(asked.result.outcome, kFail);
  EXPECT_EQ(asked.result.cause, "Connection refused");
}

TEST(TcpPing_run, blackhole_ends_with_its_timeout) {
  Blackhole blackhole;
  const Asked asked = ping(blackhole.at, milliseconds(150));
  EXPECT_EQ(asked.result.outcome, kFail);
  EXPECT_EQ(asked.result.cause, "no answer within 150 ms");
  EXPECT_GE(asked.took, milliseconds(140));
  EXPECT_LT(asked.took, milliseconds(1500));
}

TEST(TcpPing_run, ipv6) {
  asio::io_context context;
  tcp::acceptor acceptor(context);
  acceptor.open(tcp::v6());
  boost::system::error_code error;
  acceptor.bind({asio::ip::address_v6::loopback(), 0}, error);
  if (error) GTEST_SKIP() << "no IPv6 loopback here";
  acceptor.listen();
  const Endpoint at{parse_ip("::1").value(), Be16::from_host(acceptor.local_endpoint().port())};
  EXPECT_EQ(ping(at, milliseconds(2000)).result.outcome, kPass);
}

std::shared_ptr<const config::HealthcheckConfig> shared(config::HealthcheckConfig check) {
  return std::make_shared<const config::HealthcheckConfig>(std::move(check));
}

struct Monitored {
  asio::io_context loop;
  std::vector<BackendKey> changes;
  HealthMonitor monitor{loop.get_executor(), make_probes(loop.get_executor()),
                        [this](const BackendKey& key) { changes.push_back(key); }};

  static config::HealthcheckConfig quick_config() {
    return {.kind = config::CheckKind::ping, .interval_ms = 20, .timeout_ms = 200, .fails = 2, .passes = 2};
  }
  static std::shared_ptr<const config::HealthcheckConfig> quick() { return shared(quick_config()); }
  bool until(const std::function<bool()>& is_so) { return turn_until(loop, nullptr, is_so); }
};

TEST(HealthMonitor, goes_down_and_comes_back) {
  Monitored m;
  auto listener = std::make_unique<Listener>();
  const uint16_t port = listener->at.port.host();
  const BackendKey key("web", listener->at);
  m.monitor.reconcile({{key, Monitored::quick()}});
  ASSERT_TRUE(m.until([&] { return m.monitor.find(key)->check_count >= 2; }));
  EXPECT_EQ(m.monitor.table().at(key), Health::up);
  EXPECT_TRUE(m.changes.empty());
  listener.reset();
  ASSERT_TRUE(m.until([&] { return m.changes.size() == 1; }));
  EXPECT_EQ(m.monitor.table().at(key), Health::down);
  EXPECT_EQ(m.monitor.find(key)->cause, "Connection refused");
  listener = std::make_unique<Listener>(100, port);
  ASSERT_TRUE(m.until([&] { return m.changes.size() == 2; }));
  EXPECT_EQ(m.monitor.table().at(key), Health::up);
}

TEST(HealthMonitor, initial_status_holds_until_the_first_word) {
  Monitored m;
  Listener listener;
  const BackendKey key("web", listener.at);
  config::HealthcheckConfig check = Monitored::quick_config();
  check.initial_healthy = false;
  m.monitor.reconcile({{key, shared(check)}});
  EXPECT_EQ(m.monitor.table().at(key), Health::down);
  EXPECT_TRUE(m.until([&] { return m.monitor.table().at(key) == Health::up; }));
}

TEST(HealthMonitor_reconcile, health_stays_under_new_settings) {
  Monitored m;
  const BackendKey key("web", closed_port());
  m.monitor.reconcile({{key, Monitored::quick()}});
  ASSERT_TRUE(m.until([&] { return m.monitor.table().at(key) == Health::down; }));
  config::HealthcheckConfig slower = Monitored::quick_config();
  slower.interval_ms = 30;
  m.monitor.reconcile({{key, shared(slower)}});
  EXPECT_EQ(m.monitor.table().at(key), Health::down);
  m.monitor.reconcile({});
  EXPECT_TRUE(m.monitor.table().empty());
}

TEST(HealthMonitor_reconcile, paused_is_not_asked) {
  Monitored m;
  const BackendKey paused("web", closed_port());
  const BackendKey asked("dns", closed_port());
  m.monitor.reconcile({{paused, Monitored::quick(), true}, {asked, Monitored::quick()}});
  ASSERT_TRUE(m.until([&] { return m.monitor.find(asked)->check_count >= 3; }));
  EXPECT_EQ(m.monitor.find(paused)->check_count, 0u);
  EXPECT_EQ(m.monitor.table().at(paused), Health::up);
  m.monitor.reconcile({{paused, Monitored::quick()}});
  EXPECT_TRUE(m.until([&] { return m.monitor.table().at(paused) == Health::down; }));
}

TEST(HealthMonitor_reconcile, of_two_targets_for_one_backend_the_first_counts) {
  Monitored m;
  Listener listener;
  const BackendKey key("web", closed_port());
  config::HealthcheckConfig elsewhere = Monitored::quick_config();
  elsewhere.port = listener.at.port.host();
  m.monitor.reconcile({{key, shared(elsewhere)}, {key, Monitored::quick()}});
  ASSERT_TRUE(m.until([&] { return m.monitor.find(key)->check_count >= 5; }));
  EXPECT_EQ(m.monitor.table().at(key), Health::up) << "asked at the port of the check, not at the backend's";
}

TEST(HealthMonitor, each_change_is_one_line_with_what_happened) {
  std::atomic<bool> sick = false;
  ScriptedServer server([&sick](ScriptedServer::Socket& socket, const std::stop_token& stop) {
    answers(sick ? "HTTP/1.1 503 Sorry\r\n\r\n" : "HTTP/1.1 204 \r\n\r\n")(socket, stop);
  });
  Monitored m;
  const LogCapture log;
  const BackendKey key("web", server.at());
  config::HealthcheckConfig check = Monitored::quick_config();
  check.kind = config::CheckKind::http;
  m.monitor.reconcile({{key, shared(check)}});
  ASSERT_TRUE(m.until([&] { return m.monitor.find(key)->check_count >= 3; }));
  EXPECT_EQ(log.text(), "");
  sick = true;
  ASSERT_TRUE(m.until([&] { return m.changes.size() == 1; }));
  sick = false;
  ASSERT_TRUE(m.until([&] { return m.changes.size() == 2; }));
  EXPECT_EQ(log.text(), "[warning] backend " + format_key(key) +
                            " is down: answered 503, not 200-399 (2 failed in a row)\n" + "[info] backend " +
                            format_key(key) + " is up: answered 204 (2 passed in a row)\n");
  EXPECT_EQ(m.monitor.find(key)->cause, "");
}

TEST(HealthMonitor, what_cannot_be_asked_is_said_once) {
  Monitored m;
  const LogCapture log;
  const BackendKey key("web", closed_port());
  config::HealthcheckConfig check = Monitored::quick_config();
  check.kind = config::CheckKind::exec;
  check.exec.command = {"/nonexistent/check"};
  m.monitor.reconcile({{key, shared(check)}});
  m.until([&] { return log.says("cannot be checked"); });
  m.loop.restart();
  m.loop.run_for(milliseconds(150));
  EXPECT_EQ(log.text(),
            "[warning] backend " + format_key(key) +
                " cannot be checked: /nonexistent/check: not started: No such file or directory (it stays up)\n");
  EXPECT_EQ(m.monitor.table().at(key), Health::up);
}

// A probe that counts.
struct CountingProbe : Probe {
  unsigned count = 0;
  asio::awaitable<ProbeResult> run(Endpoint, milliseconds) override {
    ++count;
    co_return ProbeResult{ProbeOutcome::passed, "counted"};
  }
};

TEST(HealthMonitor, first_checks_of_many_are_spread) {
  asio::io_context loop;
  const auto probe = std::make_shared<CountingProbe>();
  HealthMonitor monitor(
      loop.get_executor(), [&](const config::HealthcheckConfig&) { return probe; }, [](const BackendKey&) {});
  const auto check = shared({.kind = config::CheckKind::ping, .interval_ms = 2000});
  std::vector<CheckTarget> targets;
  for (uint16_t i = 0; i < 10'000; ++i) targets.push_back({BackendKey("web", loopback(i)), check});
  monitor.reconcile(targets);
  loop.run_for(milliseconds(500));
  EXPECT_GT(probe->count, 1000u) << "of 2,500 that are due";
  EXPECT_LT(probe->count, 4000u);
}

}  // namespace
}  // namespace millrace::control
