// millctl_changes_test.cpp: millctl's commands that add, change and remove, and the one that tells what happens.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/unit/control/program.h"
#include "tests/unit/control/running_daemon.h"

namespace millrace::control {
namespace {

using testing::HasSubstr;
using testing::Not;
using Json = nlohmann::json;

constexpr char kMail[] =
    "bind = \"203.0.113.10:25\"\n[discovery]\nkind = \"static\"\nstatic_list = [\"10.0.0.9:25\", \"10.0.0.10:25\"]\n";

struct MillctlChanges : testing::Test {
  RunningDaemon running;
  Said ask(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"--socket", running.socket});
    return millctl(running.dir, arguments);
  }
  std::string file(const std::string& text) {
    const std::string path = running.dir.path("body");
    write_file(path, text);
    return path;
  }
};

TEST_F(MillctlChanges, services) {
  Said said = ask({"service", "add", "mail", file(kMail)});
  EXPECT_EQ(said.exit, 0) << said.err;
  EXPECT_THAT(said.out, HasSubstr("done"));
  EXPECT_THAT(ask({"services"}).out, HasSubstr("mail"));
  said = ask({"service", "add", "mail", file(kMail)});
  EXPECT_EQ(said.exit, 1);
  EXPECT_THAT(said.err, HasSubstr("there is a server 'mail' already"));

  EXPECT_EQ(ask({"service", "set", "--merge", "mail", file("balance = \"leastconn\"")}).exit, 0);
  EXPECT_THAT(ask({"service", "show", "mail"}).out, HasSubstr("\"balance\": \"leastconn\""));
  const std::string whole =
      "[servers.mail]\nbind = \"203.0.113.10:26\"\n[servers.mail.discovery]\n"
      "kind = \"static\"\nstatic_list = [\"10.0.0.9:26\"]\n";
  EXPECT_EQ(ask({"service", "set", "mail", file(whole)}).exit, 0) << "the table of a whole file";
  EXPECT_THAT(ask({"service", "show", "mail"}).out, Not(HasSubstr("leastconn")));
  EXPECT_EQ(ask({"service", "set", "--merge", "mail", file(R"({"max_connections": 7})")}).exit, 0) << "JSON";

  EXPECT_THAT(ask({"changes"}).out, HasSubstr("changed: mail"));
  EXPECT_EQ(ask({"service", "remove", "mail"}).exit, 0);
  EXPECT_THAT(ask({"services"}).out, Not(HasSubstr("mail")));
  EXPECT_EQ(ask({"service", "remove", "mail"}).exit, 1);
}

TEST_F(MillctlChanges, services_that_cannot_be) {
  EXPECT_THAT(ask({"service", "add", "mail", file("bind = [")}).err, HasSubstr("line 1"));
  EXPECT_THAT(ask({"service", "add", "mail", file("[servers.web]\n")}).err, HasSubstr("no [servers.mail]"));
  EXPECT_THAT(ask({"service", "add", "mail", running.dir.path("nothing")}).err, HasSubstr("nothing: "));
  const Said said = ask({"service", "add", "mail", file("bind = \"203.0.113.10:25\"")});
  EXPECT_EQ(said.exit, 1);
  EXPECT_THAT(said.err, HasSubstr("servers.mail"));
  EXPECT_EQ(ask({"service"}).exit, 2);
}

TEST_F(MillctlChanges, backends) {
  EXPECT_EQ(ask({"backend", "add", "web", "10.0.0.7:80", "--weight", "4"}).exit, 0);
  EXPECT_THAT(ask({"backends", "--service", "web"}).out, HasSubstr("10.0.0.7:80"));
  EXPECT_EQ(ask({"backend", "set", "web", "10.0.0.7:80", "--weight", "9", "--max-connections", "5"}).exit, 0);
  EXPECT_EQ(ask({"backend", "drain", "web", "10.0.0.7:80"}).exit, 0);
  EXPECT_EQ(ask({"backend", "weight", "web", "10.0.0.1:80", "3"}).exit, 0);
  const Json rows = Json::parse(ask({"--json", "backends", "--service", "web"}).out)["backends"];
  EXPECT_EQ(rows[0]["weight"], 3);
  EXPECT_EQ(rows[2]["weight"], 9);
  EXPECT_EQ(rows[2]["max_connections"], 5);
  EXPECT_EQ(rows[2]["admin"], "drain");
  EXPECT_EQ(ask({"backend", "enable", "web", "10.0.0.7:80"}).exit, 0);
  EXPECT_EQ(ask({"backend", "remove", "web", "10.0.0.7:80"}).exit, 0);
  EXPECT_THAT(ask({"backends"}).out, Not(HasSubstr("10.0.0.7:80")));
  EXPECT_EQ(ask({"backend", "remove", "web", "10.0.0.7:80"}).exit, 1);
  EXPECT_EQ(ask({"backend", "set", "web", "10.0.0.1:80", "--weight", "900"}).exit, 2);
  EXPECT_EQ(ask({"changes", "--drop"}).exit, 0);
  EXPECT_THAT(ask({"changes"}).out, HasSubstr("as the file has them"));
}

TEST_F(MillctlChanges, tune) {
  Said said = ask({"tune"});
  EXPECT_EQ(said.exit, 0) << said.err;
  EXPECT_THAT(said.out, HasSubstr("timeouts.syn_sent      10s          1s to 7d"));
  EXPECT_THAT(said.out, Not(HasSubstr(" tuned ")));

  EXPECT_EQ(ask({"tune", "timeouts.syn_sent=5s", "dataplane.burst=32"}).exit, 0);
  const Json settings = Json::parse(ask({"--json", "tune"}).out)["settings"];
  ASSERT_EQ(settings.size(), 9u);
  EXPECT_EQ(settings[1]["value"], "32");
  EXPECT_EQ(settings[2]["value"], "5s");
  EXPECT_THAT(ask({"tune"}).out, HasSubstr(" tuned "));
  EXPECT_THAT(ask({"changes"}).out, HasSubstr("tuned: dataplane.burst = 32, timeouts.syn_sent = 5s"));

  EXPECT_EQ(ask({"tune", "logging.level=warn", "--reset", "timeouts.syn_sent", "dataplane.burst"}).exit, 0);
  EXPECT_THAT(ask({"changes"}).out, HasSubstr("tuned: logging.level = warn\n"));
}

TEST_F(MillctlChanges, settings_that_cannot_be) {
  Said said = ask({"tune", "timeouts.syn_sent=5s", "dataplane.burst=65"});
  EXPECT_EQ(said.exit, 1);
  EXPECT_THAT(said.err, HasSubstr("dataplane.burst: 65 is out of range (write a number from 1 to 64)"));
  EXPECT_THAT(ask({"tune", "timeouts.syn_sent=5"}).err, HasSubstr("has no unit"));
  said = ask({"tune", "syn_snt=5s"});
  EXPECT_EQ(said.exit, 1);
  EXPECT_THAT(said.err, HasSubstr("did you mean timeouts.syn_sent?"));
  said = ask({"tune", "timeouts.syn_sent"});
  EXPECT_EQ(said.exit, 2);
  EXPECT_THAT(said.err, HasSubstr("write timeouts.syn_sent=VALUE"));
  EXPECT_EQ(ask({"tune", "logging.level=warn", "--reset", "logging.level"}).exit, 2);
  EXPECT_THAT(ask({"changes"}).out, HasSubstr("as the file has them"));
}

TEST_F(MillctlChanges, dump) {
  EXPECT_THAT(ask({"dump"}).out, HasSubstr("[servers.web]"));
  EXPECT_TRUE(Json::parse(ask({"dump", "--format", "json"}).out)["servers"].contains("web"));
  EXPECT_TRUE(Json::parse(ask({"--json", "dump"}).out)["servers"].contains("dns"));
}

TEST_F(MillctlChanges, events) {
  EXPECT_EQ(ask({"events"}).out, "nothing has happened yet\n");
  ASSERT_EQ(ask({"weight", "web", "10.0.0.1:80", "3"}).exit, 0);
  EXPECT_THAT(ask({"events"}).out, HasSubstr("weight  service web  backend 10.0.0.1:80  count 3"));
  EXPECT_EQ(Json::parse(ask({"--json", "events"}).out)["events"].size(), 1u);
  EXPECT_EQ(ask({"events", "--after", "1"}).out, "nothing has happened yet\n");
  const Process follower(running.dir, MILLCTL_PATH, {"--socket", running.socket, "--json", "events", "--follow"});
  ASSERT_TRUE(follower.says("\"count\":3}")) << follower.err();
  ASSERT_EQ(ask({"drain", "web", "10.0.0.2:80"}).exit, 0);
  EXPECT_TRUE(follower.says("\"what\":\"drained\"")) << follower.out();
}

TEST_F(MillctlChanges, events_without_millraced) {
  const Said said = millctl(running.dir, {"--socket", running.dir.path("none"), "events", "--follow"});
  EXPECT_EQ(said.exit, 3);
  EXPECT_THAT(said.err, HasSubstr("no millraced at"));
}

}  // namespace
}  // namespace millrace::control
