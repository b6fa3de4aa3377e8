// api_ejections_test.cpp: passive health from the counters of a dataplane to the API and back to the dataplane.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/control/api_client.h"
#include "tests/unit/control/sample_config.h"

namespace millrace::control {
namespace {

using Json = nlohmann::json;

TEST_F(Api, ejections_are_sent_and_shown) {
  write_file(running.file, sample_toml(running.dir,
                                       "[servers.mail]\nbind = \"203.0.113.10:25\"\n"
                                       "[servers.mail.passive_health]\nvolume_threshold = 10\nsleep_window = \"1s\"\n"
                                       "[servers.mail.discovery]\nkind = \"static\"\n"
                                       "static_list = [\"10.0.0.4:25\", \"10.0.0.5:25\"]\n"));
  running.start_dataplane();
  EXPECT_EQ(post("/v1/reload", "").status, 200);
  running.with([&] {
    running.fake->set_service(5, "mail");
    running.fake->set_backend(9, 5, endpoint("10.0.0.4:25"));
    running.fake->set_backend(10, 5, endpoint("10.0.0.5:25"));
    running.fake->header().applied_generation.fetch_add(1);
    running.fake->take_commands();
  });
  const auto backend = [&](size_t i) { return get("/v1/backends?service=mail").body["backends"][i]; };
  EXPECT_EQ(backend(0)["breaker"], "closed");
  // What is counted before the first reading counts for nothing.
  EXPECT_TRUE(running.until([&] {
    running.fake->backend_counters(0, 9).connections.add(5);
    running.fake->backend_counters(0, 9).connect_failures.add(5);
    running.fake->backend_handshakes(0, 10).add(100);
    const CircuitBreaker* breaker = running.daemon->passive_health().find({"mail", endpoint("10.0.0.4:25")});
    return breaker->state() == BreakerState::open;
  }));
  const Json ejected = backend(0);
  EXPECT_EQ(ejected["health"], "down");
  EXPECT_EQ(ejected["breaker"], "open");
  EXPECT_EQ(ejected["ejections"], 1);
  EXPECT_THAT(ejected["cause"].get<std::string>(), testing::StartsWith("ejected: 100% of "));
  std::vector<Command> commands;
  EXPECT_TRUE(running.until([&] {
    for (const Command& command : running.fake->take_commands()) commands.push_back(command);
    return !commands.empty() && commands.back().kind == CommandKind::set_backend &&
           commands.back().body.set_backend.trial == 26;
  })) << "on trial a second later";
  EXPECT_EQ(commands.front().kind, CommandKind::set_backend);
  EXPECT_EQ(commands.front().body.set_backend.fields, kSetHealth);
  EXPECT_EQ(commands.front().body.set_backend.health, Health::down);
  EXPECT_EQ(commands.back().body.set_backend.fields, kSetHealth | kSetTrial);
  EXPECT_EQ(commands.back().body.set_backend.health, Health::up);
  EXPECT_EQ(backend(0)["breaker"], "half_open");
  EXPECT_THAT(backend(0)["cause"].get<std::string>(), testing::StartsWith("on trial after 100% of "));
  const Json services = get("/v1/services").body["services"];
  EXPECT_EQ(services[2]["ejection_panics"], 0);
  EXPECT_FALSE(services[0].contains("ejection_panics"));
}

}  // namespace
}  // namespace millrace::control
