// change_control_test.cpp: plan, apply, confirm, rollback and history by REST: what they answer, what is in force afterwards, and
// what the files hold.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>

#include "controlplane/history/unconfirmed.h"
#include "tests/unit/control/api_client.h"

namespace millrace::control {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using Json = nlohmann::json;

std::string contents(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

struct ChangeControlApi : Api {
  std::string before = sample_toml(running.dir);
  // Another weight, another backend.
  std::string after = replaced(before, "\"10.0.0.1:80 weight=5\", \"10.0.0.2:80\"", "\"10.0.0.1:80\", \"10.0.0.4:80\"");

  static std::string replaced(std::string text, const std::string& what, const std::string& by) {
    const size_t at = text.find(what);
    EXPECT_NE(at, std::string::npos) << what;
    return text.replace(at, what.size(), by);
  }
  std::string file() const { return contents(running.file); }
  std::vector<std::string> web() {
    std::vector<std::string> endpoints;
    const Reply reply = get("/v1/backends?service=web");
    for (const Json& row : reply.body["backends"]) endpoints.push_back(row["backend"]);
    return endpoints;
  }
  bool on_trial() const { return access(unconfirmed_path(running.file).c_str(), F_OK) == 0; }
  Json last_entry() { return get("/v1/history").body["entries"].back(); }
};

TEST_F(ChangeControlApi, a_plan_says_what_it_would_do_and_does_nothing) {
  running.start_dataplane();
  running.with([&] {
    running.fake->set_service(3, "web");
    running.fake->set_backend(7, 3, parse_endpoint("10.0.0.2:80").value());
    running.fake->backend_counters(0, 7).active.set(12);
  });
  const Reply reply = post("/v1/plan", after);
  ASSERT_EQ(reply.status, 200) << reply.body;
  EXPECT_EQ(reply.body["differs"], true);
  ASSERT_EQ(reply.body["services"].size(), 1u);
  const Json& web_plan = reply.body["services"][0];
  EXPECT_EQ(web_plan["change"], "changed");
  EXPECT_EQ(web_plan["connections"], Json({{"kept", 0}, {"drained", 12}, {"moved", 0}}));
  ASSERT_EQ(web_plan["backends"].size(), 3u);
  EXPECT_EQ(web_plan["backends"][0]["settings"][0], Json({{"key", "weight"}, {"was", "5"}, {"is", "1"}}));
  EXPECT_EQ(web_plan["backends"][1]["change"], "removed");
  EXPECT_EQ(web_plan["backends"][1]["active"], 12);
  EXPECT_EQ(web_plan["backends"][2]["change"], "added");
  EXPECT_FALSE(web_plan.contains("slots_moved")) << "roundrobin has no places";
  EXPECT_THAT(web(), ElementsAre("10.0.0.1:80", "10.0.0.2:80"));
  EXPECT_EQ(file(), before);
  EXPECT_EQ(post("/v1/plan", before).body["differs"], false);
}

TEST_F(ChangeControlApi, a_plan_names_what_needs_a_restart) {
  const Reply reply = post("/v1/plan", replaced(before, "workers = \"0\"", "workers = \"0-1\""));
  EXPECT_THAT(reply.body["notices"].dump(), HasSubstr("[dataplane] workers"));
  EXPECT_EQ(reply.body["settings"][0]["key"], "dataplane.workers");
}

TEST_F(ChangeControlApi, a_bad_text_changes_nothing) {
  for (const char* path : {"/v1/plan", "/v1/apply", "/v1/apply?confirm_within=60s"}) {
    const Reply reply = post(path, replaced(before, "roundrobin", "roundrobbin"));
    EXPECT_EQ(reply.status, 400) << path;
    EXPECT_THAT(reply.body["errors"].dump(), HasSubstr("servers.web.balance")) << path;
    EXPECT_EQ(reply.body["file"], running.file);
  }
  EXPECT_EQ(post("/v1/apply?confirm_within=never", after).status, 400);
  EXPECT_EQ(post("/v1/apply?confirm_within=25h", after).status, 400);
  EXPECT_EQ(file(), before);
  EXPECT_FALSE(on_trial());
}

TEST_F(ChangeControlApi, what_is_applied_is_in_force_and_in_the_file) {
  running.start_dataplane();
  chmod(running.file.c_str(), 0640);
  const Reply reply = post("/v1/apply", after);
  ASSERT_EQ(reply.status, 200) << reply.body;
  EXPECT_EQ(reply.body["dataplane"], "applied");
  EXPECT_EQ(reply.body["number"], 2);
  EXPECT_EQ(reply.body["plan"]["services"][0]["service"], "web");
  EXPECT_THAT(web(), ElementsAre("10.0.0.1:80", "10.0.0.4:80"));
  EXPECT_EQ(file(), after);
  struct stat found {};
  stat(running.file.c_str(), &found);
  EXPECT_EQ(found.st_mode & 07777, 0640u);
  EXPECT_EQ(last_entry()["origin"], "apply");
  EXPECT_EQ(last_entry()["summary"], "web changed");
}

TEST_F(ChangeControlApi, a_link_stays_one) {
  const std::string real = running.dir.path("real.toml");
  ASSERT_EQ(rename(running.file.c_str(), real.c_str()), 0);
  ASSERT_EQ(symlink("real.toml", running.file.c_str()), 0);
  EXPECT_EQ(post("/v1/apply", after).status, 200);
  struct stat found {};
  lstat(running.file.c_str(), &found);
  EXPECT_TRUE(S_ISLNK(found.st_mode));
  EXPECT_EQ(contents(real), after);
}

TEST_F(ChangeControlApi, what_the_dataplane_rejects_changes_nothing) {
  running.start_dataplane();
  running.with([&] { running.fake->verdict = FakeDataplane::refuse_unless(0); });
  const Reply reply = post("/v1/apply?confirm_within=60s", after);
  EXPECT_EQ(reply.status, 409) << reply.body;
  EXPECT_THAT(reply.body["errors"].dump(), HasSubstr("memory"));
  EXPECT_EQ(file(), before);
  EXPECT_FALSE(on_trial());
  EXPECT_THAT(web(), ElementsAre("10.0.0.1:80", "10.0.0.2:80"));
}

// A directory where the new file would be made.
TEST_F(ChangeControlApi, what_cannot_be_written_is_not_in_force) {
  ASSERT_EQ(mkdir((running.file + ".new").c_str(), 0700), 0);
  const Reply reply = post("/v1/apply", after);
  EXPECT_EQ(reply.status, 409) << reply.body;
  EXPECT_THAT(reply.body["error"], HasSubstr(running.file));
  EXPECT_THAT(web(), ElementsAre("10.0.0.1:80", "10.0.0.2:80"));
  EXPECT_EQ(file(), before);
}

TEST_F(ChangeControlApi, what_somebody_edited_is_not_overwritten) {
  write_file(running.file, before + "# by hand\n");
  const Reply reply = post("/v1/apply", after);
  EXPECT_EQ(reply.status, 409);
  EXPECT_THAT(reply.body["error"], HasSubstr("edited"));
  EXPECT_EQ(file(), before + "# by hand\n");
  EXPECT_EQ(post("/v1/apply", before + "# by hand\n").status, 200) << "the edited file itself";
  EXPECT_EQ(post("/v1/apply", after).status, 200);
}

TEST_F(ChangeControlApi, a_confirmed_change_stays) {
  const Reply applied = post("/v1/apply?confirm_within=1s", after);
  ASSERT_EQ(applied.status, 200) << applied.body;
  EXPECT_TRUE(applied.body.contains("confirm_until"));
  EXPECT_TRUE(on_trial());
  EXPECT_EQ(post("/v1/confirm", "").status, 200);
  EXPECT_FALSE(on_trial());
  EXPECT_EQ(post("/v1/confirm", "").status, 409);
  running.with([&] { EXPECT_FALSE(running.daemon->changes().trial().has_value()); });
  EXPECT_EQ(post("/v1/apply?confirm_within=1h", before).status, 200) << "another trial";
  EXPECT_EQ(post("/v1/confirm", "").status, 200);
}

TEST_F(ChangeControlApi, an_unconfirmed_change_is_taken_back) {
  running.start_dataplane();
  ASSERT_EQ(post("/v1/apply?confirm_within=1s", after).status, 200);
  EXPECT_EQ(file(), after);
  EXPECT_EQ(post("/v1/apply", before).status, 409) << "one at a time";
  EXPECT_TRUE(get("/v1/history").body["unconfirmed"].contains("seconds_left"));
  EXPECT_TRUE(running.until([&] { return !running.daemon->changes().trial() && !on_trial(); }));
  EXPECT_TRUE(running.until([&] { return !running.daemon->turns().taken(); }));
  EXPECT_THAT(web(), ElementsAre("10.0.0.1:80", "10.0.0.2:80"));
  EXPECT_EQ(file(), before);
  EXPECT_EQ(last_entry()["origin"], "rollback");
  EXPECT_THAT(last_entry()["summary"], HasSubstr("not confirmed: web changed"));
}

// As millraced does at its start after a kill -9 within the window.
TEST_F(ChangeControlApi, a_trial_that_its_process_does_not_outlive_is_taken_back) {
  ASSERT_EQ(post("/v1/apply?confirm_within=1h", after).status, 200);
  ASSERT_EQ(file(), after);
  std::string problem;
  EXPECT_EQ(put_back(running.file, problem), PutBack::done) << problem;
  EXPECT_EQ(file(), before);
}

TEST_F(ChangeControlApi, a_rollback_ends_a_trial) {
  ASSERT_EQ(post("/v1/apply?confirm_within=1h", after).status, 200);
  const Reply reply = post("/v1/rollback", "");
  ASSERT_EQ(reply.status, 200) << reply.body;
  EXPECT_FALSE(on_trial());
  EXPECT_EQ(file(), before);
  EXPECT_THAT(web(), ElementsAre("10.0.0.1:80", "10.0.0.2:80"));
  EXPECT_EQ(post("/v1/confirm", "").status, 409);
}

// What REST did meanwhile is not part of the trial.
TEST_F(ChangeControlApi, a_trial_taken_back_leaves_what_rest_changed_since) {
  ASSERT_EQ(post("/v1/apply?confirm_within=1h", after).status, 200);
  ASSERT_EQ(ask("DELETE", "/servers/dns").status, 200);
  ASSERT_EQ(post("/v1/rollback", "").status, 200);
  EXPECT_EQ(get("/v1/services/dns").status, 404);
  EXPECT_EQ(file(), before);
}

TEST_F(ChangeControlApi, a_rollback_goes_to_an_entry_with_what_rest_had_changed) {
  ASSERT_EQ(ask("PATCH", "/v1/services/web", R"({"max_connections": 7})").status, 200);
  ASSERT_EQ(ask("DELETE", "/v1/changes").status, 200);
  ASSERT_EQ(post("/v1/apply", after).status, 200);
  const Json entries = get("/v1/history").body["entries"];
  EXPECT_EQ(entries[0]["origin"], "start");
  const Reply missing = post("/v1/rollback?to=77", "");
  EXPECT_EQ(missing.status, 404);
  EXPECT_EQ(post("/v1/rollback?to=x", "").status, 400);
  const Reply reply = post("/v1/rollback?to=1", "");
  ASSERT_EQ(reply.status, 200) << reply.body;
  EXPECT_EQ(reply.body["back_to"], 1);
  EXPECT_EQ(file(), before);
  EXPECT_FALSE(get("/v1/services/web").body.contains("max_connections"));
  EXPECT_THAT(web(), ElementsAre("10.0.0.1:80", "10.0.0.2:80"));
  EXPECT_EQ(post("/v1/rollback", "").status, 200) << "and back again";
  EXPECT_EQ(file(), after);
}

TEST_F(ChangeControlApi, without_a_past_there_is_no_rollback) {
  const Reply reply = post("/v1/rollback", "");
  EXPECT_EQ(reply.status, 409);
  EXPECT_THAT(reply.body["error"], HasSubstr("begins with what is in force"));
}

TEST_F(ChangeControlApi, the_history_shows_a_configuration_without_secrets) {
  const std::string secret = "0123456789abcdef-secret";
  ASSERT_EQ(
      post("/v1/apply", replaced(after, "[snat.lan]", "[[api.token]]\ntoken = \"" + secret + "\"\n[snat.lan]")).status,
      200);
  const Reply reply = get("/v1/history/2");
  ASSERT_EQ(reply.status, 200) << reply.body;
  EXPECT_THAT(reply.body["config"], HasSubstr("10.0.0.4:80"));
  EXPECT_THAT(reply.body.dump(), Not(HasSubstr(secret)));
  EXPECT_THAT(post("/v1/plan", before).body.dump(), Not(HasSubstr(secret)));
  EXPECT_EQ(get("/v1/history/3").status, 404);
  EXPECT_EQ(get("/v1/history/three").status, 400);
}

struct MillctlWholeChanges : ChangeControlApi {
  struct Ended {
    int code;
    std::string said;
  };
  Ended millctl(const std::string& words, const std::string& input = "") {
    const std::string stdin_file = running.dir.path("stdin");
    write_file(stdin_file, input);
    const std::string command =
        std::string(MILLCTL_PATH) + " --socket " + running.socket + " " + words + " < " + stdin_file + " 2>&1";
    FILE* pipe = popen(command.c_str(), "r");
    std::string said;
    char part[4096];
    for (size_t bytes = 0; (bytes = fread(part, 1, sizeof part, pipe)) > 0;) said.append(part, bytes);
    return {WEXITSTATUS(pclose(pipe)), said};
  }
};

TEST_F(MillctlWholeChanges, plan_ends_with_2_where_there_is_a_difference) {
  EXPECT_EQ(millctl("plan " + running.file).code, 0);
  const Ended differs = millctl("plan -", after);
  EXPECT_EQ(differs.code, 2);
  EXPECT_THAT(differs.said, HasSubstr("~ web: changed\n    ~ 10.0.0.1:80  weight = 1 was 5\n    - 10.0.0.2:80\n"
                                      "    + 10.0.0.4:80\n    connections: 0 kept\n"));
  const Ended bad = millctl("plan -", "[servers.web]\nbind = 1\n");
  EXPECT_EQ(bad.code, 1);
  EXPECT_THAT(bad.said, HasSubstr("standard input:2:"));
  EXPECT_EQ(millctl("plan " + running.dir.path("nowhere")).code, 1);
  EXPECT_EQ(millctl("--json plan -", after).code, 2);
}

TEST_F(MillctlWholeChanges, apply_confirm_rollback_and_history) {
  const Ended applied = millctl("apply - --confirm-within 1h", after);
  EXPECT_EQ(applied.code, 0) << applied.said;
  EXPECT_THAT(applied.said, HasSubstr("+ 10.0.0.4:80"));
  EXPECT_THAT(applied.said, HasSubstr("in force, as number 2 of the history"));
  EXPECT_THAT(applied.said, HasSubstr("(millctl confirm)"));
  EXPECT_THAT(millctl("history").said, HasSubstr("waits to be confirmed"));
  EXPECT_EQ(millctl("apply -", before).code, 1);
  EXPECT_EQ(millctl("confirm").said, "confirmed\n");
  EXPECT_EQ(millctl("confirm").code, 1);
  EXPECT_THAT(millctl("rollback").said, HasSubstr("in force again: 1, as number 3 of the history"));
  const Ended history = millctl("history");
  EXPECT_THAT(history.said, HasSubstr("web changed"));
  EXPECT_THAT(history.said, Not(HasSubstr("waits")));
  EXPECT_THAT(millctl("history 2").said, HasSubstr("10.0.0.4:80"));
  EXPECT_EQ(millctl("rollback 99").code, 1);
  EXPECT_EQ(millctl("apply - --confirm-within soon", after).code, 1);
}

}  // namespace
}  // namespace millrace::control
