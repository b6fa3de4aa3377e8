#include "tests/sim/options.h"

#include <CLI/CLI.hpp>
#include <charconv>
#include <chrono>
#include <ctime>
#include <iostream>
#include <map>
#include <string>
#include <vector>

namespace millrace::sim {
namespace {

constexpr char kExamples[] =
    "Examples\n"
    "  sim --connections 10000 --seed 7             exit status 0: nothing went against the rules\n"
    "  sim --connections 10000 --seed 7 --only 4711 --trace   one of them again, each segment at all four places\n"
    "  sim --connections 500 --seed 7 --plant bad_sack        a defect on purpose: must end with 1\n"
    "  sim --prove                                  every defect in turn: 0 when each was seen\n"
    "Exit status: 0 all right, 1 not, 2 wrong usage.";

struct Words {
  std::string seed;
  std::string family = "both";
  std::string plant = "none";
  std::vector<std::string> tolerated;
};

template <typename Enum>
CLI::CheckedTransformer words_of(const std::map<std::string, Enum>& map) {
  return CLI::CheckedTransformer(map, CLI::ignore_case);
}

uint64_t read_seed(const std::string& text) {
  const auto now = std::chrono::system_clock::now();
  if (text.empty()) return scramble(static_cast<uint64_t>(now.time_since_epoch().count())) >> 32;
  if (text == "today") {
    const std::time_t time = std::chrono::system_clock::to_time_t(now);
    std::tm day{};
    gmtime_r(&time, &day);
    return static_cast<uint64_t>((day.tm_year + 1900) * 10'000 + (day.tm_mon + 1) * 100 + day.tm_mday);
  }
  uint64_t seed = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seed);
  if (error != std::errc{} || end != text.data() + text.size())
    throw UsageError("--seed " + text + " is no seed (write a number, or today)");
  return seed;
}

Plant read_plant(const std::string& text) {
  if (text == "none") return Plant::none;
  std::string known;
  for (const PlantRow& row : kPlantRows) {
    if (row.name == text) return row.plant;
    known += " " + std::string(row.name);
  }
  throw UsageError("--plant " + text + " is none of:" + known);
}

void read_words(const Words& words, SimulationSettings& settings) {
  settings.scripts.seed = settings.middle.seed = read_seed(words.seed);
  // Who answers SYNs by itself translates more than addresses; who does so now and then, sometimes.
  const bool splices = settings.middle.mode == Mode::proxy || settings.middle.syn_proxy == SynProxy::on;
  settings.facts.is_transparent = !splices && settings.middle.syn_proxy == SynProxy::off;
  settings.facts.reopens = !splices;
  settings.facts.header = settings.middle.proxy_protocol;
  settings.scripts.ipv4 = words.family != "ipv6";
  settings.scripts.ipv6 = words.family != "ipv4";
  settings.plant = read_plant(words.plant);
  for (const std::string& word : words.tolerated) {
    if (word == "missing-timestamps") settings.leniency.missing_timestamps = true;
    if (word == "unagreed-options") settings.leniency.unagreed_options = true;
    if (word == "large-segments") settings.leniency.large_segments = true;
  }
}

// The command line without what a replay says anew.
std::string again(int argc, char** argv, uint64_t seed) {
  std::string command = "sim";
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    if (word == "--trace" || word == "--quiet") continue;
    const bool has_value = word == "--seed" || word == "--only";
    if (has_value) ++i;
    if (!has_value && word.rfind("--seed=", 0) != 0 && word.rfind("--only=", 0) != 0) command += " " + word;
  }
  return command + " --seed " + std::to_string(seed);
}

void add_options(CLI::App& app, Options& options, Words& words) {
  SimulationSettings& settings = options.simulation;
  app.add_option("--connections", settings.connections, "how many")->check(CLI::Range(1u, kClientMax));
  app.add_option("--seed", words.seed, "number, or today (the date); without one it is drawn, and printed");
  app.add_option("--mode", settings.middle.mode, "nat | fullnat | proxy")
      ->transform(words_of<Mode>({{"nat", Mode::nat}, {"fullnat", Mode::fullnat}, {"proxy", Mode::proxy}}));
  app.add_option("--syn-proxy", settings.middle.syn_proxy, "off | auto | on: who answers the SYNs of nat and fullnat")
      ->transform(words_of<SynProxy>({{"off", SynProxy::off}, {"auto", SynProxy::automatic}, {"on", SynProxy::on}}));
  app.add_option("--syn-rate", settings.middle.syn_rate, "SYNs a second from which auto answers them");
  app.add_option("--connect-timeout", settings.middle.connect_timeout_ms, "ms that a proxied backend has to answer")
      ->check(CLI::Range(10u, 60'000u));
  app.add_option("--family", words.family, "ipv4 | ipv6 | both")->check(CLI::IsMember({"ipv4", "ipv6", "both"}));
  app.add_option("--workers", settings.middle.workers, "of the middle")->check(CLI::Range(1u, 4u));
  app.add_option("--backends", settings.middle.backends, "of the service, each of both families")
      ->check(CLI::Range(1u, 16u));
  app.add_option("--entries", settings.middle.entries, "of the connection slab")->check(CLI::Range(1024u, 1u << 20));
  app.add_option("--rate", settings.rate, "connections that begin in a second of virtual time")
      ->check(CLI::Range(1u, 1000u));
  app.add_option("--loss", settings.scripts.loss_factor, "factor to what links lose")->check(CLI::Range(0.0, 4.0));
  app.add_option("--failing-attempts", settings.scripts.failing_attempts_max,
                 "servers that refuse or are silent before one accepts, at most; for modes that try again")
      ->check(CLI::Range(0u, 15u));
  app.add_option("--proxy-protocol", settings.middle.proxy_protocol, "none | v1 | v2: what backends are told first")
      ->transform(words_of<ProxyProtocol>(
          {{"none", ProxyProtocol::none}, {"v1", ProxyProtocol::v1}, {"v2", ProxyProtocol::v2}}));
  app.add_option("--tolerate", words.tolerated, "missing-timestamps | unagreed-options | large-segments")
      ->delimiter(',')
      ->check(CLI::IsMember({"missing-timestamps", "unagreed-options", "large-segments"}));
  app.add_option("--only", settings.only, "play this connection of the run alone");
  app.add_flag("--trace", settings.trace, "print every segment, where it is sent, lost (x) and taken");
  app.add_flag("--quiet", settings.quiet, "no progress");
  app.add_option("--plant", words.plant, "plant a defect into what the middle sends");
  app.add_flag("--prove", options.prove, "run with each planted defect in turn");
}

}  // namespace

std::optional<Options> parse_options(int argc, char** argv) {
  Options options;
  Words words;
  CLI::App app("Seeded simulator: client stacks, the real workers, server stacks, over bad links in virtual time.",
               "sim");
  app.footer(kExamples);
  add_options(app, options, words);
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    std::cout << app.help();
    return std::nullopt;
  } catch (const CLI::ParseError& error) {
    throw UsageError(error.what());
  }
  options.simulation.has_only = app.count("--only") != 0;
  read_words(words, options.simulation);
  options.again = again(argc, argv, options.simulation.scripts.seed);
  if (options.simulation.has_only && words.seed.empty()) throw UsageError("--only needs the --seed of its run");
  return options;
}

}  // namespace millrace::sim
