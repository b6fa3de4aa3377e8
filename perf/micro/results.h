// results.h: how a benchmark says what it measures, and how that reaches the table and the JSON file.
// One JSON object a result: {name, mode, proto, family, options, flows, frame_bytes, workers, ns_per_packet,
// ns_per_connection, bytes_per_connection, spread, ratio_to_macswap}, and what a benchmark adds of its own. Times are
// the median over the repetitions, spread their interquartile range divided by it; for a part of the path (a lookup, a
// checksum) the packet is one operation. What does not apply is null.
// ratio_to_macswap: the median over the repetitions of the ratio to what swapping a packet's MACs costs on the same
// port with the same kind of deck, measured in turns with the slices of the worker, so that both see the same machine.
#pragma once

#include <benchmark/benchmark.h>

#include <cstdint>
#include <functional>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

namespace millrace::perf {

enum class Unit : uint8_t { packet, connection };

struct Facts {
  std::string name;  // established, conn_table_find, …
  std::string mode;  // empty: does not apply; likewise below
  std::string proto;
  std::string family;
  std::string options;  // of TCP in every segment, or of the service
  uint32_t flows = 0;
  uint32_t frame_bytes = 0;
  uint32_t workers = 0;
  Unit unit = Unit::packet;
};

// Of one repetition.
struct Sample {
  double ns = 0;  // per unit
  double ratio = 0;
};
struct Report {
  std::vector<Sample> samples;
  double bytes_per_connection = 0;                     // 0: does not apply
  std::vector<std::pair<std::string, double>> extras;  // JSON keys
};

// Why a benchmark cannot run here, and what would let it; no failure.
struct Skipped {
  std::string reason;
};

// Only what matches anywhere in its name is registered from now on: Google Benchmark's own filter would see names with
// its additions. Throws std::runtime_error when it is no regular expression.
void set_filter(const std::string& regex);
size_t registered();

// Parts: Google Benchmark repeats and times `body`, which ends with report_operations().
void register_part(const Facts& facts, std::function<void(benchmark::State&)> body);
void report_operations(benchmark::State& state, uint64_t operations);

// Whole paths: `body` runs once, repeats and times by itself, and checks what came out. An exception fails the
// benchmark and the exit status; throw Skipped leaves it out.
void register_path(const Facts& facts, std::function<Report()> body);

// Interpolated linearly between the neighbours; 0 of nothing.
double median(std::vector<double> values);

// A line a result.
class ResultTable : public benchmark::BenchmarkReporter {
 public:
  bool ReportContext(const Context& context) override;
  void ReportRuns(const std::vector<Run>& runs) override;
  void Finalize() override;
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
