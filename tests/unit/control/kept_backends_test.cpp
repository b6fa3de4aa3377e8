// kept_backends_test.cpp: a daemon that starts beside a running dataplane while a registry is down.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/control/running_daemon.h"
#include "tests/unit/control/sample_config.h"

namespace millrace::control {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr char kFound[] =
    "[servers.found]\n"
    "bind = \"203.0.113.10:8080\"\n"
    "protocol = \"tcp\"\n"
    "mode = \"fullnat\"\n";

std::string service_found_by(const std::string& command, const std::string& more = "",
                             const std::string& options = "") {
  return kFound + options +
         "  [servers.found.discovery]\n  kind = \"exec\"\n  exec_command = [\"/bin/sh\", \"-c\", \"" + command +
         "\"]\n" + more;
}

// The dataplane of an earlier millraced: two backends found, one that left and drains, and one of another service.
void with_two_found(FakeDataplane& fake) {
  fake.set_service(3, "found");
  fake.set_backend(7, 3, endpoint("10.0.1.2:80"));
  fake.set_backend(8, 3, endpoint("10.0.1.1:80"));
  fake.set_backend(9, 3, endpoint("10.0.1.3:80"), 2);
  fake.set_service(4, "web");
  fake.set_backend(10, 4, endpoint("10.0.1.4:80"));
  for (const uint16_t slot : {7, 8, 9, 10}) fake.section<BackendInfo>(SectionKind::backend_directory)[slot].weight = 3;
}

std::vector<std::string> backends_of(RunningDaemon& running, const std::string& name) {
  std::vector<std::string> texts;
  running.with([&] {
    const DesiredService* service = find_service(running.daemon->desired(), name);
    if (service == nullptr) return;
    for (const DesiredBackend& backend : service->backends)
      texts.push_back(format_endpoint(backend.endpoint) + " weight " + std::to_string(backend.weight));
  });
  return texts;
}

bool is_applied(RunningDaemon& running) {
  return running.until([&] { return running.daemon->link().status().sync == SyncState::applied; });
}

TEST(Daemon_StartWithARegistryThatFails, KeepsWhatTheDataplaneHas) {
  RunningDaemon running(service_found_by("exit 1"), with_two_found);
  ASSERT_TRUE(is_applied(running));
  EXPECT_THAT(backends_of(running, "found"), ElementsAre("10.0.1.1:80 weight 3", "10.0.1.2:80 weight 3"));
  EXPECT_THAT(backends_of(running, "web"), ElementsAre("10.0.0.1:80 weight 5", "10.0.0.2:80 weight 1"));
}

TEST(Daemon_StartWithARegistryThatAnswersLate, FollowsTheAnswerWhenItComes) {
  RunningDaemon running(service_found_by("sleep 0.5; echo 10.0.1.9:80", "  timeout = \"10s\"\n"), with_two_found);
  ASSERT_TRUE(is_applied(running));
  EXPECT_THAT(backends_of(running, "found"), ElementsAre("10.0.1.1:80 weight 3", "10.0.1.2:80 weight 3"));
  EXPECT_TRUE(running.until([&] {
    const DesiredService* service = find_service(running.daemon->desired(), "found");
    return service != nullptr && service->backends.size() == 1;
  }));
}

TEST(Daemon_StartWithARegistryThatAnswersLate, DoesNotBelieveAnAnswerBelowTheFloor) {
  RunningDaemon running(service_found_by("sleep 0.5; echo 10.0.1.9:80", "  timeout = \"10s\"\n  min_backends = 2\n"),
                        with_two_found);
  ASSERT_TRUE(running.until([&] { return running.daemon->discovery().find("found")->unbelieved == 1; }));
  EXPECT_THAT(backends_of(running, "found"), ElementsAre("10.0.1.1:80 weight 3", "10.0.1.2:80 weight 3"));
}

TEST(Daemon_StartWithARegistryThatFails, EmptiesWhereTheConfigurationSaysSo) {
  RunningDaemon running(service_found_by("exit 1", "  failpolicy = \"setempty\"\n"), with_two_found);
  ASSERT_TRUE(is_applied(running));
  EXPECT_THAT(backends_of(running, "found"), IsEmpty());
}

TEST(Daemon_StartWithoutADataplane, HasNothingToKeep) {
  RunningDaemon running(service_found_by("exit 1"));
  running.start_dataplane();
  EXPECT_THAT(backends_of(running, "found"), IsEmpty());
}

}  // namespace
}  // namespace millrace::control
