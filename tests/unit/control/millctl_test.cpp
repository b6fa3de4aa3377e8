// millctl_test.cpp: the real millctl against a running daemon, and the real millraced from start to signal: what is
// printed and how it exits.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <thread>

#include "tests/unit/control/program.h"
#include "tests/unit/control/running_daemon.h"
#include "tests/unit/control/sample_config.h"

namespace millrace::control {
namespace {

using testing::HasSubstr;
using testing::Not;
using Json = nlohmann::json;

struct Millctl : testing::Test {
  RunningDaemon running;
  Said ask(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"--socket", running.socket});
    return millctl(running.dir, arguments);
  }
};

TEST_F(Millctl, status_without_and_with_a_dataplane) {
  Said said = ask({"status"});
  EXPECT_EQ(said.exit, 0);
  EXPECT_THAT(said.out, HasSubstr("absent: "));
  EXPECT_THAT(said.out, Not(HasSubstr("\nconnections")));
  running.start_dataplane();
  said = ask({"status"});
  EXPECT_EQ(said.exit, 0);
  EXPECT_THAT(said.out, HasSubstr("running, pid "));
  EXPECT_THAT(said.out, HasSubstr("applied, generation 1 configured, 1 applied"));
  EXPECT_THAT(said.out, HasSubstr("0 of 2048"));
  const Json json = Json::parse(ask({"status", "--json"}).out);
  EXPECT_EQ(json["dataplane"]["connected"], true);
}

TEST_F(Millctl, tables) {
  running.start_dataplane();
  EXPECT_THAT(ask({"services"}).out, HasSubstr("web      up             2/2"));
  EXPECT_THAT(ask({"backends"}).out, HasSubstr("10.0.0.3:53"));
  EXPECT_THAT(ask({"backends", "--service", "web"}).out, Not(HasSubstr("10.0.0.3:53")));
  EXPECT_EQ(ask({"drops"}).out, "no packet was dropped\n");
  running.with([&] {
    auto* workers = running.fake->section<WorkerCounters>(SectionKind::worker_counters);
    workers[0].dropped[static_cast<size_t>(DropReason::land)].set(3);
    workers[1].dropped[static_cast<size_t>(DropReason::land)].set(4);
    workers[1].rx_packets.set(77);
  });
  EXPECT_THAT(ask({"drops"}).out, HasSubstr("land          7  source equals destination"));
  EXPECT_THAT(ask({"counters"}).out, HasSubstr("rx_packets"));
  const Json counters = Json::parse(ask({"--json", "drops"}).out);
  EXPECT_EQ(counters["workers"][1]["rx_packets"], 77);
  EXPECT_EQ(counters["workers"][1]["dropped_total"], 4);
  for (const char* term : {"handed_in", "originated", "tx_packets", "handed_out", "diverted", "absorbed", "held"})
    EXPECT_TRUE(counters["workers"][0].contains(term)) << term;
}

TEST_F(Millctl, steering) {
  EXPECT_EQ(ask({"steering"}).out, "no dataplane is connected\n");
  running.start_dataplane();
  running.with([&] {
    PortInfo& port = *running.fake->section<PortInfo>(SectionKind::ports);
    std::strcpy(port.name, "front");
    std::strcpy(port.device, "af_xdp:eth1");
    port.queue_count = 1;
    port.steering = SteeringKind::handover;
    port.steering_reason = SteeringReason::one_queue;
    PortCounters& counters = running.fake->section<WorkerCounters>(SectionKind::worker_counters)[1].ports[0];
    counters.rx_packets.set(1000);
    counters.handed_over.set(1);
  });
  const Said said = ask({"steering"});
  EXPECT_EQ(said.exit, 0);
  EXPECT_THAT(said.out, HasSubstr("front  af_xdp:eth1     -  handover       1    -      -"));
  EXPECT_THAT(said.out, HasSubstr("0.10%  the port has one queue; set `queues`"));
  EXPECT_EQ(Json::parse(ask({"--json", "steering"}).out)["ports"][0]["handed_over"], 1);
}

TEST_F(Millctl, snat) {
  EXPECT_THAT(ask({"snat"}).out, HasSubstr("no dataplane is connected\n"));
  running.start_dataplane();
  running.with([&] {
    running.fake->set_service(0, "web");
    running.fake->set_backend(0, 0, endpoint("10.0.0.1:80"));
    running.fake->backend_counters(0, 0).active.set(500);
  });
  Json body;
  const auto is_seen = [&] {
    body = Json::parse(ask({"--json", "snat"}).out);
    return body["pools"].size() == 1 && body["pools"][0].contains("fullest");
  };
  for (int tries = 0; tries < 50 && !is_seen(); ++tries) std::this_thread::sleep_for(std::chrono::milliseconds(100));
  ASSERT_TRUE(is_seen()) << body.dump();
  EXPECT_EQ(body["pools"][0]["fullest"]["in_use"], 500);
  const Said said = ask({"snat"});
  EXPECT_EQ(said.exit, 0);
  EXPECT_THAT(said.out,
              HasSubstr("lan   ipv4            4  258048         1          500  10.0.0.1:80         500  0.4%"));
}

TEST_F(Millctl, stages) {
  EXPECT_EQ(ask({"stages"}).out, "no dataplane is connected\n");
  running.start_dataplane();
  running.with([&] {
    StageCounters* stages = running.fake->section<WorkerCounters>(SectionKind::worker_counters)[1].stages;
    stages[static_cast<size_t>(Stage::poll)].cycles.set(5000);
    stages[static_cast<size_t>(Stage::poll)].packets.set(200);
    stages[static_cast<size_t>(Stage::act)].cycles.set(15'000);
    stages[static_cast<size_t>(Stage::act)].packets.set(200);
  });
  Said said = ask({"stages", "--worker", "1"});
  EXPECT_EQ(said.exit, 0);
  EXPECT_THAT(said.out, HasSubstr("     1  poll               25.0       12.5   25.0%            200\n"));
  EXPECT_THAT(said.out, HasSubstr("     1  act                75.0       37.5   75.0%            200\n"));
  EXPECT_THAT(said.out, HasSubstr("     1  all               100.0       50.0  100.0%            200\n"));
  EXPECT_THAT(ask({"stages"}).out, HasSubstr("     0  all                   -          -       -              0\n"));
  said = ask({"--json", "stages", "--worker", "1", "--interval", "1"});
  EXPECT_EQ(Json::parse(said.out)["interval_s"], 1);
  EXPECT_EQ(said.err, "");
  EXPECT_EQ(ask({"stages", "--worker", "2"}).exit, 1);
  EXPECT_EQ(ask({"stages", "--interval", "61"}).exit, 2);
  EXPECT_EQ(ask({"stages", "--interval", "3"}).err, "millctl: measuring for 3 s\n");
}

TEST_F(Millctl, connections) {
  running.start_dataplane();
  running.with([&] {
    running.fake->set_service(0, "web");
    ConnEntry& entry = running.fake->section<ConnEntry>(SectionKind::slab)[3];
    entry.state = ConnState::established;
    entry.family = Family::ipv4;
    entry.proto = Proto::tcp;
    entry.mode = Mode::fullnat;
    entry.client4 = endpoint("192.0.2.7:1").addr.ipv4();
    entry.client_port = Be16::from_host(4000);
    entry.backend4 = endpoint("10.0.0.1:80").addr.ipv4();
    entry.backend_port = Be16::from_host(80);
    entry.generation.store(2);
  });
  EXPECT_THAT(ask({"connections"}).out, HasSubstr("192.0.2.7:4000"));
  EXPECT_EQ(ask({"connections", "--count"}).out, "1\n");
  EXPECT_EQ(ask({"connections", "--count", "--service", "dns"}).out, "0\n");
  EXPECT_EQ(
      ask({"connections", "--count", "--service", "web", "--backend", "10.0.0.1:80", "--client", "192.0.2.7"}).out,
      "1\n");
  EXPECT_EQ(ask({"connections", "--client", "192.0.2.8"}).out, "no connections\n");
  EXPECT_EQ(ask({"connections", "--client", "nobody"}).exit, 1);
}

TEST_F(Millctl, connections_that_are_proxied) {
  running.start_dataplane();
  running.with([&] {
    running.fake->set_service(0, "web");
    ConnEntry& entry = running.fake->section<ConnEntry>(SectionKind::slab)[3];
    entry.state = ConnState::established;
    entry.family = Family::ipv4;
    entry.proto = Proto::tcp;
    entry.mode = Mode::proxy;
    entry.spliced = 1;
    entry.client4 = endpoint("192.0.2.7:1").addr.ipv4();
    entry.client_port = Be16::from_host(4000);
    entry.vip4 = endpoint("203.0.113.10:1").addr.ipv4();
    entry.vip_port = Be16::from_host(80);
    entry.snat4 = endpoint("10.9.0.1:1").addr.ipv4();
    entry.snat_port = Be16::from_host(5000);
    entry.backend4 = endpoint("10.0.0.1:80").addr.ipv4();
    entry.backend_port = Be16::from_host(80);
    Splice& splice = running.fake->section<Splice>(SectionKind::splices)[3];
    splice.forward_seq_delta = 4'000'000'000;
    splice.reverse_seq_delta = 7;
    splice.reverse_window_shift = -3;
    splice.client_has = splice.backend_has = kSpliceSack;
    splice.client_next = 77;
    splice.mss = 1460;
    splice.client_window_scale = 9;
    splice.tries = 2;
    entry.generation.store(2);
  });
  const std::string brief = ask({"connections"}).out;
  EXPECT_EQ(std::count(brief.begin(), brief.end(), '\n'), 2) << "one line a connection";
  const std::string whole = ask({"connections", "--verbose"}).out;
  EXPECT_EQ(whole.find(brief), 0u);
  EXPECT_THAT(whole, HasSubstr("client  192.0.2.7:4000 > 203.0.113.10:80: timestamps no, SACK yes, next 77,"));
  EXPECT_THAT(whole, HasSubstr("backend 10.9.0.1:5000 > 10.0.0.1:80: "));
  EXPECT_THAT(whole, HasSubstr("splice  sequence +4000000000 forward, +7 reverse; "));
  EXPECT_THAT(whole, HasSubstr("window shift 0 forward, -3 reverse"));
  EXPECT_THAT(whole, HasSubstr("MSS 1460, window scale 9; backends tried 2"));
  const Json json = Json::parse(ask({"--json", "connections"}).out);
  EXPECT_EQ(json["connections"][0]["splice"]["forward_seq_delta"], 4'000'000'000);
}

TEST_F(Millctl, changes_and_their_refusals) {
  EXPECT_THAT(ask({"drain", "web", "10.0.0.1:80"}).out, HasSubstr("10.0.0.1:80 of web: drain"));
  EXPECT_THAT(ask({"disable", "web", "10.0.0.1:80"}).out, HasSubstr("disabled"));
  EXPECT_THAT(ask({"enable", "web", "10.0.0.1:80"}).out, HasSubstr("enabled"));
  EXPECT_THAT(ask({"weight", "web", "10.0.0.1:80", "17"}).out, HasSubstr("weight 17"));
  const Said service = ask({"drain", "wep", "10.0.0.1:80"});
  EXPECT_EQ(service.exit, 1);
  EXPECT_THAT(service.err, HasSubstr("known services: web, dns"));
  const Said backend = ask({"drain", "web", "10.0.0.1"});
  EXPECT_EQ(backend.exit, 1);
  EXPECT_THAT(backend.err, HasSubstr("its backends: 10.0.0.1:80, 10.0.0.2:80"));
}

TEST_F(Millctl, reload_prints_every_error) {
  EXPECT_EQ(ask({"reload"}).exit, 0);
  write_file(running.file, sample_toml(running.dir, "[servers.a]\nbind = 1\n[servers.b]\nbind = \"x\"\n"));
  const Said said = ask({"reload"});
  EXPECT_EQ(said.exit, 1);
  EXPECT_THAT(said.err, HasSubstr("servers.a.bind"));
  EXPECT_THAT(said.err, HasSubstr("servers.b.bind"));
  EXPECT_THAT(said.err, HasSubstr("the old configuration stays"));
  EXPECT_THAT(ask({"status"}).out, HasSubstr("refused: "));
}

TEST(millctl, exit_codes) {
  TempDir dir;
  EXPECT_EQ(millctl(dir, {}).exit, 2);
  EXPECT_EQ(millctl(dir, {"bogus"}).exit, 2);
  EXPECT_EQ(millctl(dir, {"drain", "web"}).exit, 2);
  EXPECT_EQ(millctl(dir, {"weight", "web", "10.0.0.1:80", "257"}).exit, 2);
  EXPECT_EQ(millctl(dir, {"connections", "--limit", "0"}).exit, 2);
  EXPECT_EQ(millctl(dir, {"--help"}).exit, 0);
  for (const char* command : {"status", "services", "backends", "connections", "drain", "enable", "disable", "weight",
                              "reload", "check", "counters", "drops", "version"}) {
    const Said help = millctl(dir, {command, "--help"});
    EXPECT_EQ(help.exit, 0) << command;
    EXPECT_THAT(help.out, HasSubstr("Examples:\n  millctl ")) << command;
  }
  const Said none = millctl(dir, {"--socket", dir.path("none"), "status"});
  EXPECT_EQ(none.exit, 3);
  EXPECT_THAT(none.err, HasSubstr("start millraced"));
  EXPECT_EQ(millctl(dir, {"--socket", std::string(300, 'x'), "status"}).exit, 3);
  EXPECT_EQ(millctl(dir, {"--socket", dir.path("none"), "version"}).exit, 0);
}

TEST(millctl, check_needs_no_daemon) {
  TempDir dir;
  write_file(dir.path("good.toml"), sample_toml(dir));
  const Said good = millctl(dir, {"check", dir.path("good.toml")});
  EXPECT_EQ(good.exit, 0);
  EXPECT_THAT(good.out, HasSubstr("good: 2 services, 3 backends"));
  write_file(dir.path("bad.toml"), sample_toml(dir, "[servers.a]\nbind = 1\ncolour = 2\n"));
  const Said bad = millctl(dir, {"check", dir.path("bad.toml")});
  EXPECT_EQ(bad.exit, 1);
  EXPECT_THAT(bad.err, HasSubstr("bad.toml:27:8: servers.a.bind"));
  EXPECT_THAT(bad.err, HasSubstr("servers.a.colour"));
  const Json json = Json::parse(millctl(dir, {"--json", "check", dir.path("bad.toml")}).out);
  EXPECT_EQ(json["ok"], false);
  EXPECT_GE(json["errors"].size(), 2u);
  EXPECT_EQ(millctl(dir, {"check", dir.path("none.toml")}).exit, 1);
}

struct Millraced : testing::Test {
  TempDir dir;
  std::string file = dir.path("millrace.toml");
  void SetUp() override { write_file(file, sample_toml(dir)); }
  std::unique_ptr<Process> start() {
    return std::make_unique<Process>(dir, MILLRACED_PATH, std::vector<std::string>{"--config", file});
  }
};

TEST_F(Millraced, starts_reloads_and_ends_by_signals) {
  const auto process = start();
  ASSERT_TRUE(process->says("serves")) << process->err();
  write_file(file, sample_toml(dir, "[servers.a]\nbind = 1\n"));
  process->signal(SIGHUP);
  EXPECT_TRUE(process->says("not reloaded: the configuration before it stays in force"));
  EXPECT_TRUE(process->says("servers.a.bind"));
  write_file(file, sample_toml(dir));
  process->signal(SIGHUP);
  EXPECT_TRUE(process->says("reloaded: 2 services"));
  process->signal(SIGTERM);
  EXPECT_EQ(process->wait(), 0);
  EXPECT_NE(access(dir.path("api.sock").c_str(), F_OK), 0);
}

TEST_F(Millraced, a_second_one_names_the_first) {
  const auto first = start();
  ASSERT_TRUE(first->says("serves")) << first->err();
  const auto second = start();
  EXPECT_EQ(second->wait(), 1);
  EXPECT_THAT(second->err(), HasSubstr("another millraced (pid "));
}

TEST_F(Millraced, comes_back_after_kill_9) {
  FakeDataplane fake(dir.path("segment"));
  const auto turn_until_commits = [&](uint64_t commits) {
    for (int tries = 0; tries < 10'000 && fake.commits < commits; ++tries) {
      fake.turn();
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
    return fake.commits == commits;
  };
  const auto first = start();
  ASSERT_TRUE(turn_until_commits(1)) << first->err();
  first->signal(SIGKILL);
  first->wait();
  const auto second = start();
  ASSERT_TRUE(turn_until_commits(2)) << second->err();
  const std::vector<Command> commands = fake.take_commands();
  EXPECT_GT(commands.back().generation, commands.front().generation);
  EXPECT_EQ(millctl(dir, {"--socket", dir.path("api.sock"), "version"}).exit, 0);
}

TEST_F(Millraced, refuses_to_start_with_one_sentence) {
  write_file(file, "[servers.a]\nbind = 1\n");
  const auto bad_file = start();
  EXPECT_EQ(bad_file->wait(), 1);
  EXPECT_THAT(bad_file->err(), HasSubstr("millrace.toml:2:"));
  Process no_arguments(dir, MILLRACED_PATH, {});
  EXPECT_EQ(no_arguments.wait(), 2);
}

}  // namespace
}  // namespace millrace::control
