// main.cpp: sim: client stacks, the real workers and server stacks over lossy, reordering, duplicating links in virtual
// time. The seed is printed first and plays the run again.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <rte_eal.h>

#include <cstdio>
#include <exception>
#include <set>

#include "tests/sim/options.h"
#include "tests/sim/simulation.h"

namespace millrace::sim {
namespace {

constexpr size_t kShownMax = 40;

bool start_eal() {
  static char arguments[][16] = {"sim",         "--no-huge",      "-m", "512", "--no-pci",
                                 "--no-shconf", "--no-telemetry", "-l", "0",   "--log-level=4"};
  char* argv[std::size(arguments) + 1] = {};
  for (size_t i = 0; i < std::size(arguments); ++i) argv[i] = arguments[i];
  return rte_eal_init(std::size(arguments), argv) >= 0;
}

void show_violations(const Options& options, const Judge& judge) {
  std::set<std::pair<uint32_t, uint32_t>> described;
  for (size_t i = 0; i < judge.kept().size() && i < kShownMax; ++i) {
    const Violation& violation = judge.kept()[i];
    if (violation.connection == kNoConnection) {
      fmt::print("VIOLATION at {:.3f} s: {}\n", static_cast<double>(violation.at_ms) / 1000, violation.text);
      continue;
    }
    fmt::print("VIOLATION of connection {}.{} at {:.3f} s: {}\n", violation.connection, violation.life,
               static_cast<double>(violation.at_ms) / 1000, violation.text);
    if (described.insert({violation.connection, violation.life}).second)
      fmt::print("{}  alone: {} --only {} --trace\n",
                 draw_script(options.simulation.scripts, violation.connection, violation.life).text(), options.again,
                 violation.connection);
  }
  if (judge.count() == 0) return;
  fmt::print("{} violations\n", judge.count());
  for (const auto& [kind, count] : judge.kinds()) fmt::print("  {:>9} {}\n", count, kind);
}

int run(const Options& options) {
  const SimulationSettings& settings = options.simulation;
  Simulation simulation(settings);
  simulation.run();
  fmt::print("{}", simulation.summary());
  show_violations(options, simulation.judge());
  fmt::print("seed {}: {}\n", settings.scripts.seed, simulation.judge().count() == 0 ? "all right" : "FAILED");
  return simulation.judge().count() == 0 ? 0 : 1;
}

// A simulator that sees nothing would find nothing.
int prove(SimulationSettings settings) {
  unsigned unseen = 0;
  settings.quiet = true;
  for (const PlantRow& row : kPlantRows) {
    settings.plant = row.plant;
    Simulation simulation(settings);
    simulation.run();
    const Judge& judge = simulation.judge();
    if (judge.count() == 0) ++unseen;
    fmt::print("{:<18} {:>7} violations{}\n", row.name, judge.count(),
               judge.kept().empty() ? ": NOT SEEN" : ", first: " + judge.kept()[0].text);
    std::fflush(stdout);
  }
  fmt::print("seed {}: {} of {} planted defects were seen\n", settings.scripts.seed, kPlantRows.size() - unseen,
             kPlantRows.size());
  return unseen == 0 ? 0 : 1;
}

}  // namespace
}  // namespace millrace::sim

int main(int argc, char** argv) {
  using namespace millrace::sim;
  // The bed's checks are GoogleTest's; outside of a test they are collected.
  int test_argc = 1;
  testing::InitGoogleTest(&test_argc, argv);
  try {
    const std::optional<Options> options = parse_options(argc, argv);
    if (!options) return 0;
    fmt::print("seed {}\n", options->simulation.scripts.seed);
    std::fflush(stdout);
    if (!start_eal()) {
      std::fputs("sim: DPDK does not start\n", stderr);
      return 1;
    }
    const int status = options->prove ? prove(options->simulation) : run(*options);
    rte_eal_cleanup();
    return status;
  } catch (const UsageError& error) {
    std::fprintf(stderr, "sim: %s\n", error.what());
    return 2;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "sim: %s\n", error.what());
    return 1;
  }
}
