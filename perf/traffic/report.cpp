#include "perf/traffic/report.h"

#include <fmt/format.h>

#include <cstdio>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>
#include <stdexcept>

namespace millrace::traffic {
namespace {

using nlohmann::json;

const char* name_of(Mix mix) {
  return mix == Mix::established ? "established" : mix == Mix::syn ? "syn" : "connections";
}
const char* name_of(Direction direction) {
  return direction == Direction::both ? "both" : direction == Direction::forward ? "forward" : "reverse";
}

json latency_json(const Latency& latency) {
  return {{"p50", latency.p50_us}, {"p99", latency.p99_us}, {"p99.9", latency.p999_us}, {"max", latency.max_us}};
}

json faults_json(const Tally& tally) {
  json faults = json::object();
  for (unsigned i = 0; i < kFaultCount; ++i) faults[std::string(kFaultNames[i])] = tally.faults[i];
  return faults;
}

double average_frame_bytes(const Options& options) {
  double sum = 0;
  for (const uint16_t bytes : options.frame_bytes) sum += bytes;
  return sum / static_cast<double>(options.frame_bytes.size());
}

std::string latency_text(const char* what, const Latency& latency) {
  return fmt::format("{}: p50 {:.1f} us, p99 {:.1f} us, p99.9 {:.1f} us, max {:.1f} us\n", what, latency.p50_us,
                     latency.p99_us, latency.p999_us, latency.max_us);
}

double connection_rate(const Trial& trial) {
  return trial.seconds > 0 ? static_cast<double>(trial.connections.completed_in_time) / trial.seconds : 0;
}

}  // namespace

json to_json(const Options& options, double open_seconds) {
  return {{"mix", name_of(options.mix)},
          {"peer", options.peer == Peer::balancer ? "balancer" : "reflector"},
          {"direction", options.peer == Peer::reflector ? "forward" : name_of(options.direction)},
          {"family", options.family == Family::ipv4 ? "ipv4" : "ipv6"},
          {"proto", options.proto == Proto::tcp ? "tcp" : "udp"},
          {"flows", options.flows},
          {"frame_bytes", average_frame_bytes(options)},
          {"seed", options.seed},
          {"verify_every", options.verify_every},
          {"open_seconds", open_seconds}};
}

json to_json(const Options& options, const Trial& trial) {
  const Tally& tally = trial.tally;
  json result = {{"offered_rate", trial.offered},
                 {"seconds", trial.seconds},
                 {"sent", tally.sent},
                 {"refused", tally.refused},
                 {"skipped", trial.skipped},
                 {"received", tally.received},
                 {"lost", tally.lost()},
                 {"loss", trial.loss()},
                 {"sent_rate", trial.sent_rate()},
                 {"received_rate", trial.received_rate()},
                 {"latency_us", latency_json(trial.latency)},
                 {"faulty", tally.faulty()},
                 {"faults", faults_json(tally)},
                 {"foreign", tally.foreign},
                 {"late", tally.late},
                 {"stalls", tally.stalls}};
  if (options.mix == Mix::connections) {
    const ConnectionCounts& counts = trial.connections;
    result["connections"] = {{"started", counts.started},
                             {"completed", counts.completed},
                             {"failed", counts.failed},
                             {"rate", connection_rate(trial)},
                             {"life_us", latency_json(counts.life)}};
  }
  return result;
}

json to_json(const Options& options, const SearchResult& result) {
  json trials = json::array();
  for (const Trial& trial : result.trials) trials.push_back(to_json(options, trial));
  return {{"rate", result.rate},
          {"limited_by", result.generator_limited ? "generator" : "peer"},
          {"tolerance", options.tolerance},
          {"load", options.load},
          {"flood", to_json(options, result.flood)},
          {"trials", std::move(trials)},
          {"at_load", to_json(options, result.at_load)}};
}

std::string to_text(const Options& options, const Trial& trial) {
  const Tally& tally = trial.tally;
  std::string text =
      fmt::format("sent {} packets in {:.2f} s ({:.3f} Mpps), received {} ({:.3f} Mpps), lost {} ({:.4f}%)\n",
                  tally.sent, trial.seconds, trial.sent_rate() / 1e6, tally.received, trial.received_rate() / 1e6,
                  tally.lost() + tally.refused, trial.loss() * 100);
  if (tally.refused != 0)
    text += fmt::format("of the lost {} were never taken: the device's queue was full\n", tally.refused);
  if (trial.skipped != 0) text += fmt::format("{} were not sent: this program was late\n", trial.skipped);
  text += latency_text("latency", trial.latency);
  if (options.mix == Mix::connections) {
    const ConnectionCounts& counts = trial.connections;
    text += fmt::format("connections: {} started, {} completed ({:.0f}/s), {} failed\n", counts.started,
                        counts.completed, connection_rate(trial), counts.failed);
    text += latency_text("SYN to last ACK", counts.life);
  }
  if (tally.stalls != 0) text += fmt::format("this program was held up {} times\n", tally.stalls);
  for (unsigned i = 0; i < kFaultCount; ++i)
    if (tally.faults[i] != 0) text += fmt::format("WRONG: {} packets: {}\n", tally.faults[i], kFaultNames[i]);
  return text;
}

std::string to_text(const Options& options, const SearchResult& result) {
  if (result.rate == 0) return "no rate got through within the tolerance\n";
  return fmt::format("highest rate with loss <= {}%: {:.3f} Mpps{}\nat {:.0f}% of it: ", options.tolerance * 100,
                     result.rate / 1e6, result.generator_limited ? ", all that this core can send" : "",
                     options.load * 100) +
         to_text(options, result.at_load);
}

void write_json(const std::string& path, const json& result) {
  const std::string text = result.dump(2) + "\n";
  if (path == "-") {
    std::cout << text << std::flush;
    return;
  }
  std::ofstream file(path);
  file << text << std::flush;
  if (!file) throw std::runtime_error("cannot write " + path);
}

}  // namespace millrace::traffic
