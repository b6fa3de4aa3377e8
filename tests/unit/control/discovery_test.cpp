// discovery_test.cpp: the monitor with sources that say what the test wants, and the daemon with a file and a program.
#include "controlplane/discovery/discovery_monitor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "controlplane/api/views.h"
#include "tests/unit/control/asking.h"
#include "tests/unit/control/running_daemon.h"
#include "tests/unit/control/sample_config.h"

namespace millrace::control {
namespace {

namespace asio = boost::asio;
using config::BackendConfig;
using config::FailPolicy;
using std::chrono::milliseconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

BackendConfig backend(const std::string& at, uint16_t weight = 1) {
  return {.endpoint = endpoint(at), .weight = weight};
}

// What the sources of a monitor say, and how often they were asked.
struct Script {
  Answer answer;
  bool silent = false;
  int asked = 0;
  int made = 0;
};

class ScriptedSource final : public Source {
 public:
  explicit ScriptedSource(Script& script) : script_(script) { ++script.made; }
  asio::awaitable<Answer> ask(milliseconds) override {
    ++script_.asked;
    if (script_.silent) {
      asio::steady_timer never(co_await asio::this_coro::executor, asio::steady_timer::time_point::max());
      co_await never.async_wait(asio::as_tuple(asio::use_awaitable));
    }
    co_return script_.answer;
  }

 private:
  Script& script_;
};

struct Monitored {
  asio::io_context loop;
  Script script;
  int changes = 0;
  config::Config config = sample_config();
  config::DiscoveryConfig& discovery = config.services[0].discovery;
  DiscoveryMonitor monitor{loop.get_executor(),
                           [this](const config::DiscoveryConfig&) { return std::make_unique<ScriptedSource>(script); },
                           [this] { ++changes; }};

  Monitored() {
    config.services[0].backends.clear();
    discovery = {.source = config::ExecDiscovery{{"web"}}, .interval_ms = 10, .timeout_ms = 100};
  }
  ~Monitored() {
    monitor.stop();
    loop.restart();
    loop.poll();
  }
  bool until(const std::function<bool()>& is_so) { return turn_until(loop, nullptr, is_so); }
  // Until the source was asked `times` more; what the last answer changed is in `config` then.
  void ask(int times = 1) {
    const int target = script.asked + times + 1;
    EXPECT_TRUE(until([&] { return script.asked >= target; }));
    monitor.fill(config, config);
  }
  const std::vector<BackendConfig>& found() const { return config.services[0].backends; }
  const DiscoveryStatus& status() const { return *monitor.find("web"); }
};

TEST(DiscoveryMonitor, finds_in_order_of_address_and_each_once) {
  Monitored it;
  it.script.answer.backends = {backend("10.0.0.2:80"), backend("10.0.0.1:81"), backend("10.0.0.2:80", 9),
                               backend("10.0.0.1:80")};
  it.monitor.reconcile(it.config);
  EXPECT_FALSE(it.monitor.settled());
  it.ask();
  EXPECT_TRUE(it.monitor.settled());
  EXPECT_THAT(it.found(), ElementsAre(backend("10.0.0.1:80"), backend("10.0.0.1:81"), backend("10.0.0.2:80")));
  EXPECT_EQ(it.status().found, 3u);
  EXPECT_TRUE(it.until([&] { return it.changes == 1; }));
}

TEST(DiscoveryMonitor, same_answer_in_another_order_is_no_change) {
  Monitored it;
  it.script.answer.backends = {backend("10.0.0.1:80"), backend("10.0.0.2:80")};
  it.monitor.reconcile(it.config);
  it.ask();
  ASSERT_TRUE(it.until([&] { return it.changes == 1; }));
  std::swap(it.script.answer.backends[0], it.script.answer.backends[1]);
  it.ask(20);
  EXPECT_EQ(it.changes, 1);
}

TEST(DiscoveryMonitor, keeplast_keeps_what_was_found) {
  Monitored it;
  it.script.answer.backends = {backend("10.0.0.1:80")};
  it.monitor.reconcile(it.config);
  it.ask();
  it.script.answer = Answer::failed("connection refused");
  it.ask(2);
  EXPECT_THAT(it.found(), ElementsAre(backend("10.0.0.1:80")));
  EXPECT_GE(it.status().failed, 2u);
  EXPECT_EQ(it.status().failure, "connection refused");
  EXPECT_GE(it.status().fails_in_row, 2u);
}

TEST(DiscoveryMonitor, setempty_empties_and_comes_back) {
  Monitored it;
  it.discovery.fail_policy = FailPolicy::set_empty;
  it.script.answer.backends = {backend("10.0.0.1:80")};
  it.monitor.reconcile(it.config);
  it.ask();
  const Answer good = it.script.answer;
  it.script.answer = Answer::failed("connection refused");
  it.ask();
  EXPECT_THAT(it.found(), IsEmpty());
  it.script.answer = good;
  it.ask();
  EXPECT_THAT(it.found(), ElementsAre(backend("10.0.0.1:80")));
  EXPECT_EQ(it.status().fails_in_row, 0u);
  EXPECT_EQ(it.status().failure, "connection refused") << "still told, with its time";
}

TEST(DiscoveryMonitor, empty_answer_is_an_answer) {
  Monitored it;
  it.script.answer.backends = {backend("10.0.0.1:80")};
  it.monitor.reconcile(it.config);
  it.ask();
  it.script.answer.backends.clear();
  it.ask();
  EXPECT_THAT(it.found(), IsEmpty());
}

TEST(DiscoveryMonitor, min_backends_is_a_floor_for_answers_that_shrink) {
  Monitored it;
  it.discovery.min_backends = 2;
  it.script.answer.backends = {backend("10.0.0.1:80")};
  it.monitor.reconcile(it.config);
  it.ask();
  EXPECT_EQ(it.found().size(), 1u) << "one is more than none";
  it.script.answer.backends = {backend("10.0.0.1:80"), backend("10.0.0.2:80"), backend("10.0.0.3:80")};
  it.ask();
  EXPECT_EQ(it.found().size(), 3u);
  it.script.answer.backends.resize(1);
  it.ask(2);
  EXPECT_EQ(it.found().size(), 3u);
  EXPECT_GE(it.status().unbelieved, 2u);
  EXPECT_EQ(it.status().failed, 0u);
  it.script.answer.backends = {backend("10.0.0.7:80"), backend("10.0.0.8:80")};
  it.ask();
  EXPECT_EQ(it.found().size(), 2u);
}

TEST(DiscoveryMonitor, silent_source_fails_in_its_time) {
  Monitored it;
  it.script.silent = true;
  it.monitor.reconcile(it.config);
  EXPECT_TRUE(it.until([&] { return it.status().failed == 1; }));
  EXPECT_EQ(it.status().failure, "no answer within 100 ms");
}

TEST(DiscoveryMonitor, failures_are_asked_later_and_later) {
  Monitored it;
  it.script.answer = Answer::failed("no");
  it.monitor.reconcile(it.config);
  it.loop.run_for(milliseconds(800));
  // 10, 20, 40 ... 320 ms: 630 ms after six retries, 10% more or less each.
  EXPECT_GE(it.script.asked, 5);
  EXPECT_LE(it.script.asked, 8);
}

TEST(DiscoveryMonitor, interval_0_asks_until_there_is_an_answer_and_after_a_reload) {
  Monitored it;
  it.discovery.interval_ms = 0;
  it.script.answer = Answer::failed("no");
  it.monitor.reconcile(it.config);
  EXPECT_TRUE(it.until([&] { return it.script.asked == 2; })) << "a failure is no answer";
  it.script.answer = {.backends = {backend("10.0.0.1:80")}};
  EXPECT_TRUE(it.until([&] { return it.script.asked == 3; }));
  it.loop.run_for(milliseconds(300));
  EXPECT_EQ(it.script.asked, 3);
  it.monitor.reconcile(it.config);
  EXPECT_TRUE(it.until([&] { return it.script.asked == 4; }));
}

TEST(DiscoveryMonitor, short_lived_answer_is_asked_again_before_its_interval) {
  Monitored it;
  it.discovery.interval_ms = 3'600'000;
  it.script.answer.lifetime = milliseconds(1);
  it.monitor.reconcile(it.config);
  const auto start = std::chrono::steady_clock::now();
  EXPECT_TRUE(it.until([&] { return it.script.asked == 2; }));
  EXPECT_GE(std::chrono::steady_clock::now() - start, milliseconds(990)) << "but not more than once a second";
}

TEST(DiscoveryMonitor, flapping_source_changes_at_most_every_100_ms) {
  Monitored it;
  it.monitor.reconcile(it.config);
  const auto end = std::chrono::steady_clock::now() + milliseconds(1000);
  for (uint16_t weight = 1; std::chrono::steady_clock::now() < end; weight = static_cast<uint16_t>(weight % 200 + 1)) {
    it.script.answer.backends = {backend("10.0.0.1:80", weight)};
    it.loop.run_for(milliseconds(5));
  }
  EXPECT_GE(it.changes, 6);
  EXPECT_LE(it.changes, 11);
  EXPECT_GE(it.script.asked, 40);
}

TEST(DiscoveryMonitor_reconcile, same_settings_go_on) {
  Monitored it;
  it.script.answer.backends = {backend("10.0.0.1:80")};
  it.monitor.reconcile(it.config);
  it.ask();
  it.monitor.reconcile(it.config);
  EXPECT_EQ(it.script.made, 1);
}

TEST(DiscoveryMonitor_reconcile, other_settings_keep_what_was_found_until_there_is_an_answer) {
  Monitored it;
  it.script.answer.backends = {backend("10.0.0.1:80")};
  it.monitor.reconcile(it.config);
  it.ask();
  it.script.answer = Answer::failed("no");
  it.discovery.source = config::ExecDiscovery{{"other"}};
  it.monitor.reconcile(it.config);
  EXPECT_EQ(it.script.made, 2);
  it.ask();
  EXPECT_THAT(it.found(), ElementsAre(backend("10.0.0.1:80")));
}

TEST(DiscoveryMonitor_reconcile, service_that_goes_is_asked_no_more) {
  Monitored it;
  it.script.silent = true;
  it.monitor.reconcile(it.config);
  EXPECT_TRUE(it.until([&] { return it.script.asked == 1; }));
  config::Config empty;
  it.monitor.reconcile(empty);
  EXPECT_EQ(it.monitor.find("web"), nullptr);
  it.loop.restart();
  EXPECT_LT(it.loop.run_for(milliseconds(500)), 10u) << "the question ends at once, and the loop with it";
  EXPECT_TRUE(it.loop.stopped());
  EXPECT_EQ(it.script.asked, 1);
}

TEST(DiscoveryMonitor_fill, service_without_an_answer_keeps_what_it_had) {
  Monitored it;
  it.script.silent = true;
  it.monitor.reconcile(it.config);
  const config::Config before = sample_config();  // with a static list
  it.monitor.fill(it.config, before);
  EXPECT_THAT(it.found(), ElementsAre(before.services[0].backends[0], before.services[0].backends[1]));
}

TEST(DiscoveryMonitor_fill, leaves_out_what_the_service_cannot_have) {
  Monitored it;
  it.script.answer.backends = {backend("10.0.0.1:80"), backend("203.0.113.10:80")};
  it.monitor.reconcile(it.config);
  it.ask();
  EXPECT_THAT(it.found(), ElementsAre(backend("10.0.0.1:80")));
  EXPECT_EQ(it.status().found, 2u);
}

// The daemon with a service whose backends stand in a file.
struct Discovering : RunningDaemon {
  std::string list = dir.path("web.backends");

  void put(const std::string& lines) {
    write_file(list + ".new", lines);
    std::filesystem::rename(list + ".new", list);
  }
  // Puts web's discovery in the configuration instead of its static_list, and reloads.
  ReloadReport reload_with(const std::string& discovery, const std::string& more = "") {
    std::string text = sample_toml(dir, more);
    const size_t from = text.find("  kind = \"static\"");
    text.replace(from, text.find("[servers.dns]") - from, discovery);
    write_file(file, text);
    return reload();
  }
  std::string from_file() const { return "  kind = \"file\"\n  file_path = \"" + list + "\"\n"; }
  std::vector<std::string> backends() {
    std::vector<std::string> texts;
    for (const DesiredBackend& backend : find_service(daemon->desired(), "web")->backends)
      texts.push_back(format_endpoint(backend.endpoint));
    return texts;
  }
  bool has(const std::vector<std::string>& expected) {
    return until([&] { return backends() == expected && daemon->link().status().sync == SyncState::applied; });
  }
};

TEST(Daemon_discovery, file_changes_reach_the_dataplane) {
  Discovering it;
  it.start_dataplane();
  it.put("10.0.0.7:80\n");
  EXPECT_THAT(it.reload_with(it.from_file()).errors, IsEmpty());
  EXPECT_TRUE(it.has({"10.0.0.7:80"}));
  it.put("10.0.0.7:80\n10.0.0.8:80 weight=3\n");
  EXPECT_TRUE(it.has({"10.0.0.7:80", "10.0.0.8:80"}));
  it.put("10.0.0.8:80\n203.0.113.10:80\n127.0.0.1:80\n");
  EXPECT_TRUE(it.has({"10.0.0.8:80"})) << "a bind and a loopback address are left out";
}

TEST(Daemon_discovery, reload_never_empties_a_service) {
  Discovering it;
  it.start_dataplane();
  EXPECT_THAT(it.reload_with("  kind = \"exec\"\n  exec_command = [\"sleep\", \"60\"]\n").errors, IsEmpty());
  it.with([&] { EXPECT_THAT(it.backends(), ElementsAre("10.0.0.1:80", "10.0.0.2:80")) << "those of the static_list"; });
  it.put("10.0.0.7:80\n");
  it.reload_with(it.from_file());
  EXPECT_TRUE(it.has({"10.0.0.7:80"}));
  it.reload_with(it.from_file() + "  timeout = \"2s\"\n");
  it.with([&] { EXPECT_THAT(it.backends(), ElementsAre("10.0.0.7:80")); });
  std::filesystem::remove(it.list);
  it.reload_with(it.from_file() + "  timeout = \"3s\"\n");
  EXPECT_TRUE(it.until([&] { return it.daemon->discovery().find("web")->failed == 1; }));
  it.with([&] { EXPECT_THAT(it.backends(), ElementsAre("10.0.0.7:80")); });
}

TEST(Daemon_discovery, rejected_reload_goes_back_to_what_was_found) {
  Discovering it;
  it.start_dataplane();
  it.put("10.0.0.7:80\n");
  it.reload_with(it.from_file());
  ASSERT_TRUE(it.has({"10.0.0.7:80"}));
  it.with([&] { it.fake->verdict = FakeDataplane::refuse_unless(2); });
  const std::string third =
      "[servers.third]\nbind = \"203.0.113.10:90\"\n[servers.third.discovery]\nkind = \"static\"\n"
      "static_list = [\"10.0.0.9:90\"]\n";
  EXPECT_FALSE(it.reload_with("  kind = \"exec\"\n  exec_command = [\"echo\", \"10.0.0.9:80\"]\n", third).accepted);
  EXPECT_TRUE(it.has({"10.0.0.7:80"}));
  it.put("10.0.0.8:80\n");
  EXPECT_TRUE(it.has({"10.0.0.8:80"})) << "the source of before is still asked";
}

TEST(Daemon_discovery, views_tell_of_questions_and_failures) {
  Discovering it;
  it.put("10.0.0.7:80\n127.0.0.1:80\n");
  it.reload_with(it.from_file());
  ASSERT_TRUE(it.until([&] { return it.daemon->discovery().find("web")->found == 1; }));
  std::filesystem::remove(it.list);
  ASSERT_TRUE(it.until([&] { return it.daemon->discovery().find("web")->failed == 1; }));
  it.with([&] {
    const Json web = services_view(*it.daemon)["services"][0]["discovery"];
    EXPECT_EQ(web["kind"], "file");
    EXPECT_EQ(web["found"], 1);
    EXPECT_EQ(web["failing"], true);
    EXPECT_EQ(web["failure"], it.list + ": No such file or directory");
    EXPECT_GE(web["asked_at"], web["answered_at"]);
    EXPECT_EQ(services_view(*it.daemon)["services"][1]["discovery"], (Json{{"kind", "static"}}));
    EXPECT_EQ(status_view(*it.daemon)["discovery"], (Json{{"services", 1}, {"failing", 1}}));
  });
}

TEST(Daemon_discovery, an_operators_word_outlives_a_backend_that_flaps) {
  Discovering it;
  it.start_dataplane();
  it.put("10.0.0.7:80\n10.0.0.8:80\n");
  it.reload_with(it.from_file());
  ASSERT_TRUE(it.has({"10.0.0.7:80", "10.0.0.8:80"}));
  it.with([&] { it.daemon->override_backend({"web", endpoint("10.0.0.8:80")}, {.admin = Admin::drain}); });
  it.put("10.0.0.7:80\n");
  ASSERT_TRUE(it.has({"10.0.0.7:80"}));
  it.put("10.0.0.7:80\n10.0.0.8:80\n");
  ASSERT_TRUE(it.has({"10.0.0.7:80", "10.0.0.8:80"}));
  it.with([&] { EXPECT_EQ(find_service(it.daemon->desired(), "web")->backends[1].admin, Admin::drain); });
}

}  // namespace
}  // namespace millrace::control
