#include "perf/micro/results.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <map>

namespace millrace::perf {
namespace {

std::map<std::string, Facts>& all_facts() {
  static std::map<std::string, Facts> facts;
  return facts;
}

std::string name_of(const Facts& facts) {
  std::string name = facts.name;
  for (const std::string* part : {&facts.mode, &facts.proto, &facts.family})
    if (!part->empty()) name += "/" + *part;
  if (facts.flows != 0) name += "/flows:" + std::to_string(facts.flows);
  if (facts.frame_bytes != 0) name += "/bytes:" + std::to_string(facts.frame_bytes);
  return name;
}

// `sorted` is not empty; linear interpolation between the neighbours.
double quantile(const std::vector<double>& sorted, double q) {
  const double at = q * static_cast<double>(sorted.size() - 1);
  const size_t below = static_cast<size_t>(at);
  const size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (at - static_cast<double>(below)) * (sorted[above] - sorted[below]);
}

struct Result {
  Facts facts;
  std::string error;
  double ns = 0;
  double spread = 0;
  double ratio = 0;  // 0: has none
};

Result summarize(const std::vector<benchmark::BenchmarkReporter::Run>& runs) {
  Result result;
  std::vector<double> ns, ratios;
  for (const auto& run : runs) {
    if (run.run_type != benchmark::BenchmarkReporter::Run::RT_Iteration) continue;
    result.facts = all_facts()[run.run_name.function_name];
    if (run.error_occurred) {
      result.error = run.error_message;
      return result;
    }
    const auto packet = run.counters.find("ns_per_packet");
    const auto rate = run.counters.find("items_per_second");
    if (packet != run.counters.end())
      ns.push_back(packet->second);
    else if (rate != run.counters.end())
      ns.push_back(1e9 / rate->second);
    if (const auto ratio = run.counters.find("ratio"); ratio != run.counters.end()) ratios.push_back(ratio->second);
  }
  if (ns.empty()) return result;
  std::sort(ns.begin(), ns.end());
  std::sort(ratios.begin(), ratios.end());
  result.ns = quantile(ns, 0.5);
  result.spread = (quantile(ns, 0.75) - quantile(ns, 0.25)) / result.ns;
  if (!ratios.empty()) result.ratio = quantile(ratios, 0.5);
  return result;
}

std::string text_or_null(const std::string& text) { return text.empty() ? "null" : '"' + text + '"'; }
std::string number_or_null(uint32_t number) { return number == 0 ? "null" : std::to_string(number); }

std::string cpu_model() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);)
    if (line.starts_with("model name")) return line.substr(line.find(':') + 2);
  return "unknown";
}

}  // namespace

void register_benchmark(const Facts& facts, Timing timing, std::function<void(benchmark::State&)> body) {
  const std::string name = name_of(facts);
  all_facts()[name] = facts;
  auto* registered = benchmark::RegisterBenchmark(name.c_str(), std::move(body));
  if (timing == Timing::by_itself) registered->UseManualTime();
}

void report_operations(benchmark::State& state, uint64_t operations) {
  state.SetItemsProcessed(static_cast<int64_t>(operations));
}

void report_packets(benchmark::State& state, double seconds, uint64_t packets, double macswap_seconds,
                    uint64_t macswap_packets) {
  const double ns = seconds * 1e9 / static_cast<double>(packets);
  state.counters["ns_per_packet"] = ns;
  if (macswap_packets != 0)
    state.counters["ratio"] = ns / (macswap_seconds * 1e9 / static_cast<double>(macswap_packets));
}

bool ResultTable::ReportContext(const Context&) {
  GetOutputStream() << cpu_model() << "\n      ns    spread  x macswap\n";
  return true;
}

void ResultTable::ReportRuns(const std::vector<Run>& runs) {
  const Result result = summarize(runs);
  char line[64];
  if (!result.error.empty()) {
    failed_ = true;
    GetErrorStream() << name_of(result.facts) << ": " << result.error << std::endl;
    return;
  }
  if (result.ns == 0) return;  // Google Benchmark's own means and medians come apart
  std::snprintf(line, sizeof line, "%8.2f %8.1f%% ", result.ns, result.spread * 100);
  GetOutputStream() << line;
  std::snprintf(line, sizeof line, result.ratio > 0 ? "%10.2f  " : "         -  ", result.ratio);
  GetOutputStream() << line << name_of(result.facts) << std::endl;
}

bool ResultJson::ReportContext(const Context& context) {
  GetOutputStream() << "{\"program\": \"" << MR_VERSION << "\", \"cpu\": \"" << cpu_model()
                    << "\", \"cpus\": " << context.cpu_info.num_cpus << ", \"results\": [";
  return true;
}

void ResultJson::ReportRuns(const std::vector<Run>& runs) {
  const Result result = summarize(runs);
  if (!result.error.empty() || result.ns == 0) return;
  const Facts& facts = result.facts;
  std::ostream& out = GetOutputStream();
  out << (first_ ? "\n" : ",\n") << "{\"name\": \"" << facts.name << "\", \"mode\": " << text_or_null(facts.mode)
      << ", \"proto\": " << text_or_null(facts.proto) << ", \"family\": " << text_or_null(facts.family)
      << ", \"flows\": " << number_or_null(facts.flows) << ", \"frame_bytes\": " << number_or_null(facts.frame_bytes)
      << ", \"workers\": " << number_or_null(facts.workers) << ", \"ns_per_packet\": " << result.ns
      << ", \"spread\": " << result.spread << ", \"ratio_to_macswap\": ";
  if (result.ratio > 0)
    out << result.ratio << "}";
  else
    out << "null}";
  first_ = false;
}

void ResultJson::Finalize() { GetOutputStream() << "\n]}\n"; }

}  // namespace millrace::perf
