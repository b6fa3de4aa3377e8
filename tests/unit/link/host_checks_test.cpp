#include "dataplane/host_checks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <stdexcept>

#include "dataplane/eal_start.h"

namespace millrace {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::Not;

// A pool of huge pages as sysfs shows it.
class HugepagesTest : public testing::Test {
 protected:
  HugepagesTest() {
    char name[] = "/tmp/millrace-hugepages-XXXXXX";
    directory_ = mkdtemp(name);
  }
  ~HugepagesTest() override { std::filesystem::remove_all(directory_); }
  void pool(const std::string& size, unsigned total, unsigned free, unsigned reserved = 0) {
    const std::string path = directory_ + "/hugepages-" + size + "kB";
    std::filesystem::create_directory(path);
    std::ofstream(path + "/nr_hugepages") << total;
    std::ofstream(path + "/free_hugepages") << free;
    std::ofstream(path + "/resv_hugepages") << reserved;
  }
  std::string complaint(uint64_t bytes_needed) {
    try {
      check_hugepages(bytes_needed, directory_);
    } catch (const std::runtime_error& error) {
      return error.what();
    }
    return "";
  }
  std::string directory_;
};

using check_hugepages_pool = HugepagesTest;

TEST_F(check_hugepages_pool, enough_is_silent) {
  pool("2048", 10, 10);
  EXPECT_EQ(complaint(10u << 21), "");
}

TEST_F(check_hugepages_pool, too_few_say_the_command_that_adds_what_is_missing) {
  pool("2048", 100, 10, 4);
  const std::string text = complaint((20u << 21) - 1);
  EXPECT_THAT(text, HasSubstr("needs 20 huge pages of 2 MB and finds 6 free"));
  EXPECT_THAT(text, HasSubstr("sysctl -w vm.nr_hugepages=114'"));
}

TEST_F(check_hugepages_pool, none_at_all_say_it_too) {
  EXPECT_THAT(complaint(3u << 21), HasSubstr("sysctl -w vm.nr_hugepages=3'"));
}

TEST_F(check_hugepages_pool, large_pages_serve_as_well) {
  pool("1048576", 1, 1);
  EXPECT_EQ(complaint(512u << 21), "");
  EXPECT_NE(complaint(513u << 21), "");
}

TEST(check_cpus, refuses_one_that_is_not_there) {
  EXPECT_NO_THROW(check_cpus({allowed_cpus().front()}));
  try {
    check_cpus({1023});
    FAIL();
  } catch (const std::runtime_error& error) {
    EXPECT_THAT(error.what(), HasSubstr("CPU 1023"));
    EXPECT_THAT(error.what(), HasSubstr("choose from " + format_cpus(allowed_cpus())));
  }
}

TEST(format_cpus, joins_neighbours) {
  EXPECT_EQ(format_cpus({}), "");
  EXPECT_EQ(format_cpus({3}), "3");
  EXPECT_EQ(format_cpus({0, 1, 2, 5, 7, 8}), "0-2,5,7-8");
}

TEST(eal_arguments, pin_each_worker_and_keep_the_main_lcore_off_their_cpus) {
  config::DataplaneConfig dataplane;
  dataplane.workers = {2, 3};
  EXPECT_THAT(eal_arguments(dataplane, {0, 1, 2, 3}, false), Contains("--lcores=0@(0-1),1@2,2@3"));
  dataplane.workers = {0, 0};
  EXPECT_THAT(eal_arguments(dataplane, {0}, false), Contains("--lcores=0@(0),1@0,2@0"));
}

TEST(eal_arguments, touch_pci_devices_only_when_one_is_configured) {
  config::DataplaneConfig dataplane;
  dataplane.workers = {0};
  EXPECT_THAT(eal_arguments(dataplane, {0}, false), Contains("--no-pci"));
  config::PortConfig port;
  port.device_kind = "pci";
  port.device_arg = "0000:3b:00.0";
  dataplane.ports = {port};
  const std::vector<std::string> arguments = eal_arguments(dataplane, {0}, false);
  EXPECT_THAT(arguments, Not(Contains("--no-pci")));
  EXPECT_THAT(arguments, Contains("0000:3b:00.0"));
}

}  // namespace
}  // namespace millrace
