#include "dataplane/link/directory.h"

#include <gtest/gtest.h>

#include "tests/unit/link/commands.h"

namespace millrace {
namespace {

TEST(Directory_write, fills_rows_and_leaves_their_versions_even) {
  std::vector<ServiceInfo> services(4);
  std::vector<BackendInfo> backends(4);
  DesiredModel model = TestTransaction(1)
                           .snat_range(0, "10.0.0.1", "10.0.0.1")
                           .service(std::string(kNameBytes - 1, 'x'), Mode::fullnat, Balance::maglev, Proto::udp)
                           .backend(0, 0, "10.1.0.1", 7, Health::down)
                           .model();
  model.services[0].slot = ServiceSlot{2};
  model.services[0].backends[0].slot = BackendSlot{3};
  Directory directory(services, backends);
  directory.write(model);
  EXPECT_EQ(services[2].version.load(), 2u);
  EXPECT_EQ(services[2].in_use, 1);
  EXPECT_EQ(std::string(services[2].name), std::string(kNameBytes - 1, 'x'));
  EXPECT_EQ(services[2].proto, Proto::udp);
  EXPECT_EQ(services[2].balance, Balance::maglev);
  EXPECT_EQ(backends[3].version.load(), 2u);
  EXPECT_EQ(backends[3].service, ServiceSlot{2});
  EXPECT_EQ(backends[3].weight, 7);
  EXPECT_EQ(backends[3].health, Health::down);
  EXPECT_EQ(backends[3].addr, ip("10.1.0.1"));
  EXPECT_EQ(services[0].version.load(), 0u);
}

TEST(Directory_write, a_shorter_name_leaves_nothing_of_the_longer) {
  std::vector<ServiceInfo> services(1);
  std::vector<BackendInfo> backends(1);
  Directory directory(services, backends);
  DesiredModel model;
  model.services.push_back({.name = "a-long-name", .slot = ServiceSlot{0}});
  directory.write(model);
  model.services[0].name = "b";
  directory.write(model);
  for (size_t i = 1; i < kNameBytes; ++i) EXPECT_EQ(services[0].name[i], '\0');
}

TEST(Directory_mark, changes_life_alone) {
  std::vector<ServiceInfo> services(1);
  std::vector<BackendInfo> backends(1);
  Directory directory(services, backends);
  directory.write_backend(ServiceSlot{0}, {.endpoint = {ip("10.0.0.1"), port(80)}, .slot = BackendSlot{0}});
  directory.mark(BackendSlot{0}, SlotLife::leaving);
  EXPECT_EQ(backends[0].in_use, 2);
  EXPECT_EQ(backends[0].addr, ip("10.0.0.1"));
  EXPECT_EQ(backends[0].version.load(), 4u);
}

}  // namespace
}  // namespace millrace
