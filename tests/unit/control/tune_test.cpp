// tune_test.cpp: settings that are changed by REST while everything runs: seen, in force at the dataplane and in the log, kept
// over a restart, and refused as a whole.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>

#include "tests/unit/control/api_client.h"
#include "tests/unit/control/program.h"

namespace millrace::control {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using Json = nlohmann::json;

struct Tune : Api {
  Reply patch(const std::string& body) { return ask("PATCH", "/v1/settings", body); }
  Json setting(const std::string& name) {
    const Reply reply = get("/v1/settings");
    for (const Json& row : reply.body["settings"])
      if (row["name"] == name) return row;
    return nullptr;
  }
  // As a millraced that starts now reads it.
  SettingsCommand after_restart() const {
    const config::LoadResult loaded = config::load_changed_config(running.file);
    EXPECT_TRUE(loaded.config);
    return loaded.config ? loaded.config->settings : SettingsCommand{};
  }
  // That the dataplane was told since the last call; how often.
  std::vector<SettingsCommand> told() {
    std::vector<SettingsCommand> settings;
    running.with([&] {
      for (const Command& command : running.fake->take_commands())
        if (command.kind == CommandKind::settings) settings.push_back(command.body.settings);
    });
    return settings;
  }
};

TEST_F(Tune, settings_say_where_they_come_from) {
  write_file(running.file, sample_toml(running.dir, "[timeouts]\nfin_wait = \"120s\"\n"));
  ASSERT_EQ(post("/v1/reload", "").status, 200);
  Json row = setting("timeouts.fin_wait");
  EXPECT_EQ(row["value"], "2m");
  EXPECT_EQ(row["file"], "120s");
  EXPECT_EQ(row["tuned"], false);
  EXPECT_EQ(row["range"], "1s to 7d");
  EXPECT_FALSE(setting("timeouts.syn_sent").contains("file"));
  EXPECT_EQ(setting("dataplane.idle")["value"], "as started");

  EXPECT_EQ(patch(R"({"timeouts.fin_wait": "90s"})").status, 200);
  row = setting("timeouts.fin_wait");
  EXPECT_EQ(row["value"], "1m30s");
  EXPECT_EQ(row["file"], "120s");
  EXPECT_EQ(row["tuned"], true);
  EXPECT_EQ(row["default"], "2m");
}

TEST_F(Tune, the_dataplane_gets_them) {
  running.start_dataplane();
  told();
  const Reply reply = patch(R"({"timeouts.syn_sent": "5s", "dataplane.idle": "adaptive", "dataplane.burst": 16})");
  EXPECT_EQ(reply.status, 200) << reply.body;
  EXPECT_EQ(reply.body["dataplane"], "applied");
  const std::vector<SettingsCommand> settings = told();
  ASSERT_EQ(settings.size(), 1u) << "as one change";
  EXPECT_EQ(settings[0].syn_sent_timeout_ms, 5'000u);
  EXPECT_EQ(settings[0].idle, IdlePolicy::adaptive);
  EXPECT_EQ(settings[0].burst_packets, 16);
  EXPECT_EQ(settings[0].closed_timeout_ms, 5'000u) << "its default";

  EXPECT_EQ(patch(R"({"dataplane.idle": null})").status, 200);
  const std::vector<SettingsCommand> reset = told();
  ASSERT_EQ(reset.size(), 1u);
  EXPECT_EQ(reset[0].idle, IdlePolicy::as_started);
  EXPECT_EQ(reset[0].burst_packets, 16) << "what was not reset stays";
}

TEST_F(Tune, a_dataplane_that_rejects_them_changes_nothing) {
  running.start_dataplane();
  running.with([&] {
    running.fake->verdict = [](const std::vector<Command>& transaction) -> std::optional<Event> {
      for (const Command& command : transaction)
        if (command.kind == CommandKind::settings && command.body.settings.burst_packets == 0) return std::nullopt;
      Event event;
      event.kind = EventKind::rejected;
      event.reason = RejectReason::bad_field;
      event.sequence = transaction.back().sequence;
      return event;
    };
  });
  EXPECT_EQ(patch(R"({"dataplane.burst": 16})").status, 409);
  EXPECT_EQ(setting("dataplane.burst")["value"], "64");
  EXPECT_EQ(after_restart().burst_packets, 0);
}

TEST_F(Tune, outlives_reload_and_restart) {
  ASSERT_EQ(patch(R"({"timeouts.syn_sent": "5s"})").status, 200);
  const Reply reload = post("/v1/reload", "");
  EXPECT_EQ(reload.status, 200);
  EXPECT_THAT(reload.body["notices"].dump(), HasSubstr("timeouts.syn_sent")) << "who edits the file is told";
  EXPECT_EQ(setting("timeouts.syn_sent")["value"], "5s");
  EXPECT_EQ(after_restart().syn_sent_timeout_ms, 5'000u);
  EXPECT_EQ(get("/v1/changes").body["tuned"], Json({{"timeouts.syn_sent", "5s"}}));

  EXPECT_EQ(patch(R"({"timeouts.syn_sent": null})").status, 200);
  EXPECT_EQ(after_restart().syn_sent_timeout_ms, 10'000u);
  EXPECT_THAT(get("/v1/changes").body["tuned"], IsEmpty());
}

TEST_F(Tune, goes_with_the_other_changes) {
  ASSERT_EQ(patch(R"({"timeouts.syn_sent": "5s"})").status, 200);
  ASSERT_EQ(ask("PATCH", "/v1/services/web", R"({"balance": "leastconn"})").status, 200);
  EXPECT_EQ(setting("timeouts.syn_sent")["value"], "5s") << "a change of a server leaves it";
  EXPECT_EQ(ask("DELETE", "/v1/changes").status, 200);
  EXPECT_EQ(setting("timeouts.syn_sent")["value"], "10s");
  EXPECT_EQ(setting("timeouts.syn_sent")["tuned"], false);
}

TEST_F(Tune, goes_back_with_a_rollback) {
  ASSERT_EQ(patch(R"({"timeouts.syn_sent": "5s"})").status, 200);
  EXPECT_THAT(get("/v1/history").body["entries"].dump(), HasSubstr("[timeouts]"));
  // Otherwise changes that follow each other are one entry.
  write_file(running.file, sample_toml(running.dir, "[metrics]\nenabled = false\n"));
  ASSERT_EQ(post("/v1/reload", "").status, 200);
  ASSERT_EQ(patch(R"({"timeouts.syn_sent": "6s"})").status, 200);
  ASSERT_EQ(post("/v1/rollback", "").status, 200);
  EXPECT_EQ(setting("timeouts.syn_sent")["value"], "5s");
}

TEST_F(Tune, goes_on_when_the_file_loses_what_was_tuned) {
  write_file(running.file, sample_toml(running.dir, "[flow_log]\noutput = \"stdout\"\n"));
  ASSERT_EQ(post("/v1/reload", "").status, 200);
  ASSERT_EQ(patch(R"({"flow_log.rate": 5})").status, 200);
  write_file(running.file, sample_toml(running.dir));
  ASSERT_EQ(post("/v1/reload", "").status, 200);
  EXPECT_EQ(patch(R"({"timeouts.syn_sent": "5s"})").status, 200);
  EXPECT_EQ(patch(R"({"flow_log.rate": 6})").status, 400);
  EXPECT_EQ(patch(R"({"flow_log.rate": null})").status, 200);
}

TEST_F(Tune, is_all_or_nothing) {
  const std::pair<const char*, const char*> kBad[] = {
      {R"({"timeouts.syn_sent": "5s", "timeouts.closed": "0s"})", "timeouts.closed: "},
      {R"({"timeouts.syn_sent": "5s", "timeouts.closed": 5})", "is an integer, not a duration"},
      {R"({"timeouts.syn_sent": "5s", "logging.level": "loud"})", "write debug, info, warn or error"},
      {R"({"timeouts.syn_sent": "5s", "logging.level": ["warn"]})", "not a string"},
      {R"({"timeouts.syn_sent": "5s", "flow_log.rate": 5})", "the file has no [flow_log]"},
      {R"({"timeouts.syn_sent": "5s", "timeouts.clsed": "5s"})", "did you mean timeouts.closed?"},
      {R"({"timeouts.syn_sent": "5s", "api.socket": null})", "no setting that can be tuned"},
      {R"({})", "names no setting"},
      {R"([1])", "no JSON object"},
      {"{", "no JSON object"}};
  for (const auto& [body, said] : kBad) {
    const Reply reply = patch(body);
    EXPECT_EQ(reply.status, 400) << body;
    EXPECT_THAT(reply.body.dump(), HasSubstr(said)) << body;
  }
  EXPECT_EQ(setting("timeouts.syn_sent")["value"], "10s");
  EXPECT_EQ(read_file(running.file + ".changes"), "");
}

// The real millraced, whose log is its own.
struct TunedLog : testing::Test {
  TempDir dir;
  std::string file = dir.path("m.toml");
  void SetUp() override { write_file(file, sample_toml(dir)); }
  Said tune(const std::string& what) { return millctl(dir, {"--socket", dir.path("api.sock"), "tune", what}); }
  // One line each at level info.
  Said drain() { return millctl(dir, {"--socket", dir.path("api.sock"), "drain", "web", "10.0.0.1:80"}); }
  Said enable() { return millctl(dir, {"--socket", dir.path("api.sock"), "enable", "web", "10.0.0.1:80"}); }
};

TEST_F(TunedLog, level_is_in_force_at_once) {
  Process millraced(dir, MILLRACED_PATH, {"--config", file});
  ASSERT_TRUE(millraced.says("serves"));
  ASSERT_EQ(tune("logging.level=warn").exit, 0);
  ASSERT_EQ(drain().exit, 0);
  ASSERT_EQ(tune("logging.level=info").exit, 0);
  ASSERT_EQ(enable().exit, 0);
  EXPECT_TRUE(millraced.says("10.0.0.1:80 is enabled"));
  EXPECT_THAT(millraced.out() + millraced.err(), Not(HasSubstr("is draining")));
}

TEST_F(TunedLog, a_reload_puts_the_level_of_the_file_in_force) {
  Process millraced(dir, MILLRACED_PATH, {"--config", file});
  ASSERT_TRUE(millraced.says("serves"));
  write_file(file, sample_toml(dir, "[logging]\nlevel = \"error\"\n"));
  const Said reload = millctl(dir, {"--socket", dir.path("api.sock"), "reload"});
  ASSERT_EQ(reload.exit, 0);
  EXPECT_THAT(reload.out, Not(HasSubstr("restart")));
  ASSERT_EQ(drain().exit, 0);
  ASSERT_EQ(tune("logging.level=info").exit, 0);
  ASSERT_EQ(enable().exit, 0);
  EXPECT_TRUE(millraced.says("10.0.0.1:80 is enabled"));
  EXPECT_THAT(millraced.out() + millraced.err(), Not(HasSubstr("is draining")));
}

TEST_F(TunedLog, verbose_wins) {
  Process millraced(dir, MILLRACED_PATH, {"--config", file, "--verbose"});
  ASSERT_TRUE(millraced.says("serves"));
  ASSERT_EQ(tune("logging.level=error").exit, 0);
  ASSERT_EQ(drain().exit, 0);
  EXPECT_TRUE(millraced.says("is draining"));
}

TEST_F(TunedLog, a_restart_keeps_it) {
  {
    Process millraced(dir, MILLRACED_PATH, {"--config", file});
    ASSERT_TRUE(millraced.says("serves"));
    ASSERT_EQ(tune("logging.level=warn").exit, 0);
    millraced.signal(SIGTERM);
    ASSERT_EQ(millraced.wait(), 0);
  }
  Process again(dir, MILLRACED_PATH, {"--config", file});
  ASSERT_TRUE(again.says("logging.level")) << "the warning that the file is not all";
  for (int tries = 0; tries < 500 && drain().exit != 0; ++tries) usleep(20'000);
  EXPECT_THAT(millctl(dir, {"--socket", dir.path("api.sock"), "tune"}).out, HasSubstr(" tuned "));
  EXPECT_THAT(again.out() + again.err(), Not(HasSubstr("is draining")));
}

}  // namespace
}  // namespace millrace::control
