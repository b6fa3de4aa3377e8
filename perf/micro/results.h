// results.h: how a benchmark says what it measures, and how that reaches the table and the JSON file.
// One JSON object a result: {name, mode, proto, family, flows, frame_bytes, workers, ns_per_packet, spread,
// ratio_to_macswap}. ns_per_packet is the median over the repetitions, spread their interquartile range divided by it;
// for a part of the path (a lookup, a checksum) the packet is one operation. What does not apply is null.
// ratio_to_macswap: the median over the repetitions of the ratio to swapping the same frames' MACs on the same port,
// measured in turns with the slices of the worker, so that both see the same state of the machine.
#pragma once

#include <benchmark/benchmark.h>

#include <cstdint>
#include <functional>
#include <ostream>
#include <string>
#include <vector>

namespace millrace::perf {

struct Facts {
  std::string name;  // established, conn_table_find, …
  std::string mode;  // empty: does not apply; likewise below
  std::string proto;
  std::string family;
  uint32_t flows = 0;
  uint32_t frame_bytes = 0;
  uint32_t workers = 0;
};

// The benchmark's own name is made of its facts: "established/fullnat/udp/ipv4/flows:1024/bytes:64".
// Times itself: a body that calls SetIterationTime.
enum class Timing : uint8_t { whole_loop, by_itself };
void register_benchmark(const Facts& facts, Timing timing, std::function<void(benchmark::State&)> body);

// What body reports, per repetition.
void report_operations(benchmark::State& state, uint64_t operations);
void report_packets(benchmark::State& state, double seconds, uint64_t packets, double macswap_seconds,
                    uint64_t macswap_packets);

// A line a result.
class ResultTable : public benchmark::BenchmarkReporter {
 public:
  bool ReportContext(const Context& context) override;
  void ReportRuns(const std::vector<Run>& runs) override;
  bool failed() const { return failed_; }

 private:
  bool failed_ = false;
};

// The file of --benchmark_out.
class ResultJson : public benchmark::BenchmarkReporter {
 public:
  bool ReportContext(const Context& context) override;
  void ReportRuns(const std::vector<Run>& runs) override;
  void Finalize() override;

 private:
  bool first_ = true;
};

}  // namespace millrace::perf
