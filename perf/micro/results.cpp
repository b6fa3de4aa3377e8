#include "perf/micro/results.h"

#include <algorithm>
#include <cstdio>
#include <exception>
#include <fstream>
#include <map>
#include <regex>
#include <sstream>
#include <stdexcept>

namespace millrace::perf {
namespace {

// By the benchmark's own name.
struct Known {
  Facts facts;
  Report report;
  std::string skipped;
};
std::map<std::string, Known>& all_known() {
  static std::map<std::string, Known> known;
  return known;
}

std::regex& filter() {
  static std::regex regex("");
  return regex;
}

std::string name_of(const Facts& facts) {
  std::string name = facts.name;
  for (const std::string* part : {&facts.mode, &facts.proto, &facts.family, &facts.options})
    if (!part->empty()) name += "/" + *part;
  if (facts.flows != 0) name += "/flows:" + std::to_string(facts.flows);
  if (facts.frame_bytes != 0) name += "/bytes:" + std::to_string(facts.frame_bytes);
  if (facts.workers > 1) name += "/workers:" + std::to_string(facts.workers);
  return name;
}

// As median(), for any share.
double quantile(std::vector<double> values, double q) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  const double at = q * static_cast<double>(values.size() - 1);
  const size_t below = static_cast<size_t>(at);
  const size_t above = std::min(below + 1, values.size() - 1);
  return values[below] + (at - static_cast<double>(below)) * (values[above] - values[below]);
}

struct Result {
  std::string name;
  std::string error;
  double ns = 0;  // 0: has none
  double spread = 0;
  double ratio = 0;  // 0: has none
};

Result summarize(const std::vector<benchmark::BenchmarkReporter::Run>& runs) {
  Result result;
  std::vector<double> ns, ratios;
  for (const auto& run : runs) {
    if (run.run_type != benchmark::BenchmarkReporter::Run::RT_Iteration) continue;
    result.name = run.run_name.function_name;
    if (run.error_occurred) {
      result.error = run.error_message;
      return result;
    }
    const auto rate = run.counters.find("items_per_second");
    if (rate != run.counters.end()) ns.push_back(1e9 / rate->second);
  }
  for (const Sample& sample : all_known()[result.name].report.samples) {
    ns.push_back(sample.ns);
    if (sample.ratio > 0) ratios.push_back(sample.ratio);
  }
  if (ns.empty()) return result;
  result.ns = quantile(ns, 0.5);
  result.spread = (quantile(ns, 0.75) - quantile(ns, 0.25)) / result.ns;
  result.ratio = quantile(ratios, 0.5);
  return result;
}

std::string text_or_null(const std::string& text) { return text.empty() ? "null" : '"' + text + '"'; }
std::string number_or_null(double number) {
  std::ostringstream text;
  if (number == 0)
    text << "null";
  else
    text << number;
  return text.str();
}
std::string number_or_null(uint32_t number) { return number == 0 ? "null" : std::to_string(number); }

std::string cpu_model() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);)
    if (line.starts_with("model name")) return line.substr(line.find(':') + 2);
  return "unknown";
}

}  // namespace

double median(std::vector<double> values) { return quantile(std::move(values), 0.5); }

void set_filter(const std::string& regex) try {
  filter() = std::regex(regex, std::regex::extended);
} catch (const std::regex_error& error) {
  throw std::runtime_error("the filter \"" + regex + "\" is no regular expression: " + error.what());
}

size_t registered() { return all_known().size(); }

void register_part(const Facts& facts, std::function<void(benchmark::State&)> body) {
  const std::string name = name_of(facts);
  if (!std::regex_search(name, filter())) return;
  all_known()[name].facts = facts;
  benchmark::RegisterBenchmark(name.c_str(), std::move(body));
}

void report_operations(benchmark::State& state, uint64_t operations) {
  state.SetItemsProcessed(static_cast<int64_t>(operations));
}

void register_path(const Facts& facts, std::function<Report()> body) {
  const std::string name = name_of(facts);
  if (!std::regex_search(name, filter())) return;
  Known& known = all_known()[name];
  known.facts = facts;
  const auto run = [&known, body = std::move(body)](benchmark::State& state) {
    try {
      for (auto _ : state) known.report = body();
    } catch (const Skipped& skipped) {
      known.skipped = skipped.reason;
      state.SkipWithError(skipped.reason.c_str());
    } catch (const std::exception& error) {
      state.SkipWithError(error.what());
    }
  };
  benchmark::RegisterBenchmark(name.c_str(), run)->Iterations(1)->Repetitions(1);
}

bool ResultTable::ReportContext(const Context&) {
  GetOutputStream() << cpu_model() << "\n      ns    spread  x macswap\n";
  return true;
}

void ResultTable::ReportRuns(const std::vector<Run>& runs) {
  const Result result = summarize(runs);
  const Known& known = all_known()[result.name];
  char line[64];
  if (!known.skipped.empty()) return;
  if (!result.error.empty()) {
    failed_ = true;
    GetErrorStream() << result.name << ": " << result.error << std::endl;
    return;
  }
  if (result.ns == 0) return;  // Google Benchmark's own means and medians come apart
  std::snprintf(line, sizeof line, "%8.2f %8.1f%% ", result.ns, result.spread * 100);
  GetOutputStream() << line;
  std::snprintf(line, sizeof line, result.ratio > 0 ? "%10.2f  " : "         -  ", result.ratio);
  GetOutputStream() << line << result.name;
  if (known.facts.unit == Unit::connection) GetOutputStream() << " (ns a connection)";
  if (known.report.bytes_per_connection != 0) {
    std::snprintf(line, sizeof line, ", %.0f B a connection", known.report.bytes_per_connection);
    GetOutputStream() << line;
  }
  for (const auto& [key, value] : known.report.extras) GetOutputStream() << ", " << key << " " << value;
  GetOutputStream() << std::endl;
}

void ResultTable::Finalize() {
  std::map<std::string, std::string> names_by_reason;
  for (const auto& [name, known] : all_known())
    if (!known.skipped.empty()) names_by_reason[known.skipped] += " " + name;
  for (const auto& [reason, names] : names_by_reason)
    GetOutputStream() << "skipped, " << reason << ":" << names << std::endl;
}

bool ResultJson::ReportContext(const Context& context) {
  GetOutputStream() << "{\"program\": \"" << MR_VERSION << "\", \"cpu\": \"" << cpu_model()
                    << "\", \"cpus\": " << context.cpu_info.num_cpus << ", \"results\": [";
  return true;
}

void ResultJson::ReportRuns(const std::vector<Run>& runs) {
  const Result result = summarize(runs);
  if (!result.error.empty() || result.ns == 0) return;
  const auto& [facts, report, skipped] = all_known()[result.name];
  const bool per_packet = facts.unit == Unit::packet;
  std::ostream& out = GetOutputStream();
  out << (first_ ? "\n" : ",\n") << "{\"name\": \"" << facts.name << "\", \"mode\": " << text_or_null(facts.mode)
      << ", \"proto\": " << text_or_null(facts.proto) << ", \"family\": " << text_or_null(facts.family)
      << ", \"options\": " << text_or_null(facts.options) << ", \"flows\": " << number_or_null(facts.flows)
      << ", \"frame_bytes\": " << number_or_null(facts.frame_bytes)
      << ", \"workers\": " << number_or_null(facts.workers)
      << ", \"ns_per_packet\": " << number_or_null(per_packet ? result.ns : 0)
      << ", \"ns_per_connection\": " << number_or_null(per_packet ? 0 : result.ns)
      << ", \"bytes_per_connection\": " << number_or_null(report.bytes_per_connection)
      << ", \"spread\": " << result.spread << ", \"ratio_to_macswap\": " << number_or_null(result.ratio);
  for (const auto& [key, value] : report.extras) out << ", \"" << key << "\": " << value;
  out << "}";
  first_ = false;
}

void ResultJson::Finalize() {
  std::string names;
  for (const auto& [name, known] : all_known())
    if (!known.skipped.empty()) names += (names.empty() ? "\"" : ", \"") + name + '"';
  GetOutputStream() << "\n], \"skipped\": [" << names << "]}\n";
}

}  // namespace millrace::perf
