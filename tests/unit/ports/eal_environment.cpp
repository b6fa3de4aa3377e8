// eal_environment.cpp: starts DPDK's environment once, without hugepages or devices, for tables and virtual devices.
#include <gtest/gtest.h>
#include <rte_eal.h>

#include <cstdlib>

// DPDK's AF_XDP driver never deletes the umem of a closed port.
extern "C" const char* __lsan_default_suppressions() { return "leak:xsk_umem__create\n"; }

namespace {

class EalEnvironment : public testing::Environment {
 public:
  void SetUp() override {
    setenv("MILLRACE_BPF", MR_STEER_OBJECT, 0);
    static char arguments[][16] = {"unit_ports",  "--no-huge",      "-m", "512", "--no-pci",
                                   "--no-shconf", "--no-telemetry", "-l", "0",   "--log-level=4"};
    char* argv[std::size(arguments) + 1] = {};
    for (size_t i = 0; i < std::size(arguments); ++i) argv[i] = arguments[i];
    ASSERT_GE(rte_eal_init(std::size(arguments), argv), 0);
  }
  void TearDown() override { rte_eal_cleanup(); }
};

const testing::Environment* const environment = testing::AddGlobalTestEnvironment(new EalEnvironment);

}  // namespace
