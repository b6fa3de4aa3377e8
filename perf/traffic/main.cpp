// main.cpp: traffic: plays clients and backends on DPDK devices against a balancer, and measures it. One core.
// Needs root and 80 huge pages of 2 MB, and 32 B a flow.      Stops on SIGINT or SIGTERM, with what it has by then.
#include <csignal>
#include <cstdio>
#include <cstring>
#include <iostream>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "perf/traffic/bench.h"
#include "perf/traffic/mixes.h"
#include "perf/traffic/options.h"
#include "perf/traffic/report.h"
#include "perf/traffic/search.h"
#include "perf/traffic/wire.h"

namespace millrace::traffic {
namespace {

uint64_t faulty(const SearchResult& result) {
  uint64_t sum = result.flood.tally.faulty() + result.at_load.tally.faulty();
  for (const Trial& trial : result.trials) sum += trial.tally.faulty();
  return sum;
}

// True when every packet was right.
bool measure(Bench& bench, nlohmann::json& result, std::string& text) {
  const Options& options = bench.options;
  const bool opens = options.mix == Mix::established && options.peer == Peer::balancer;
  result = to_json(options, opens ? open_flows(bench) : 0);
  if (options.search) {
    const SearchResult found = search_rate(bench);
    result["search"] = to_json(options, found);
    text = to_text(options, found);
    return faulty(found) == 0 && found.rate != 0;
  }
  const Trial trial = options.mix == Mix::established   ? run_established(bench, options.rate, options.seconds)
                      : options.mix == Mix::connections ? run_connections(bench, options.rate, options.seconds)
                                                        : run_syn(bench, options.rate, options.seconds);
  result["trial"] = to_json(options, trial);
  text = to_text(options, trial);
  return trial.tally.faulty() == 0 && trial.tally.received != 0;
}

int run(const Options& options) {
  for (const int signal : {SIGINT, SIGTERM})
    std::signal(signal, [](int) { stop_wanted.store(true, std::memory_order_relaxed); });
  std::signal(SIGPIPE, SIG_IGN);
  const Eal eal(options);
  Wires wires(options);
  nlohmann::json result;
  std::string text;
  bool right = false;
  {
    Bench bench(options, wires);
    right = measure(bench, result, text);
  }
  if (!options.json.empty()) write_json(options.json, result);
  if (options.json != "-") std::cout << text;
  return right ? 0 : 1;
}

}  // namespace
}  // namespace millrace::traffic

int main(int argc, char** argv) {
  using namespace millrace::traffic;
  try {
    const std::optional<Options> options = parse_options(argc, argv);
    return options ? run(*options) : 0;
  } catch (const UsageError& error) {
    if (*error.what() != '\0') std::fprintf(stderr, "traffic: %s\n", error.what());
    return 2;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "traffic: %s\n", error.what());
    return 1;
  }
}
