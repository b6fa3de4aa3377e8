// health_test.cpp: thresholds as a value, the TCP probe and the monitor against real loopback listeners.
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <cerrno>

#include "controlplane/health/check_state.h"
#include "controlplane/health/health_monitor.h"
#include "controlplane/health/tcp_ping.h"
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

struct Asked {
  ProbeResult result;
  milliseconds took{};
};

Asked ping(const Endpoint& target, milliseconds timeout) {
  asio::io_context loop;
  Asked asked;
  TcpPing probe;
  const auto start = std::chrono::steady_clock::now();
  asio::co_spawn(loop, probe.run(target, timeout), [&](std::exception_ptr error, ProbeResult result) {
    EXPECT_FALSE(error);
    asked.result = std::move(result);
  });
  loop.run();
  asked.took = std::chrono::duration_cast<milliseconds>(std::chrono::steady_clock::now() - start);
  return asked;
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

struct Monitored {
  asio::io_context loop;
  std::vector<BackendKey> changes;
  HealthMonitor monitor{loop.get_executor(),
                        [](const config::HealthcheckConfig&) { return std::make_shared<TcpPing>(); },
                        [this](const BackendKey& key) { changes.push_back(key); }};

  static config::HealthcheckConfig quick_config() {
    return {.kind = config::CheckKind::ping, .interval_ms = 20, .timeout_ms = 200, .fails = 2, .passes = 2};
  }
  static std::shared_ptr<const config::HealthcheckConfig> quick() {
    return std::make_shared<const config::HealthcheckConfig>(quick_config());
  }
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
  m.monitor.reconcile({{key, std::make_shared<const config::HealthcheckConfig>(check)}});
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
  m.monitor.reconcile({{key, std::make_shared<const config::HealthcheckConfig>(slower)}});
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

}  // namespace
}  // namespace millrace::control
