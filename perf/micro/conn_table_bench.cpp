// conn_table_bench.cpp: finding a burst of connections, and making and ending one, at three table sizes.

#include <rte_memory.h>

#include <algorithm>
#include <memory>
#include <random>
#include <vector>

#include "dataplane/conn/conn_table.h"
#include "millrace/limits.h"
#include "perf/micro/benches.h"
#include "perf/micro/measure.h"
#include "perf/micro/results.h"
#include "perf/micro/sample_entry.h"

namespace millrace::perf {
namespace {

constexpr unsigned kTableSuffix = 200;  // apart from any worker's

struct FilledTable {
  FilledTable(Family family, uint32_t count) : table(count + 1024, kTableSuffix, SOCKET_ID_ANY) {
    for (uint32_t i = 0; i < count; ++i) {
      ConnEntry entry{};
      fill_entry(entry, family, i);
      if (!table.insert(entry, static_cast<ConnIndex>(i))) std::abort();
      keys4.push_back(forward_key4(entry));
      keys4.push_back(reverse_key4(entry));
      keys6.push_back(forward_key6(entry));
      keys6.push_back(reverse_key6(entry));
    }
    std::mt19937 random(1);
    std::shuffle(keys4.begin(), keys4.end(), random);
    std::shuffle(keys6.begin(), keys6.end(), random);
  }
  ConnTable table;
  std::vector<FlowKey4> keys4;
  std::vector<FlowKey6> keys6;
};

void run_find(benchmark::State& state, Family family, uint32_t count) {
  const FilledTable filled(family, count);
  const unsigned burst = std::min<unsigned>(kBurstMax, 2 * count);
  ConnRef refs[kBurstMax];
  TableKey keys[kBurstMax];
  size_t next = 0;
  uint64_t found = 0;
  for (auto _ : state) {
    if (next + burst > filled.keys4.size()) next = 0;
    for (unsigned i = 0; i < burst; ++i)
      keys[i] = family == Family::ipv4 ? filled.table.table_key(filled.keys4[next + i])
                                       : filled.table.table_key(filled.keys6[next + i]);
    filled.table.find_burst(keys, burst, refs);
    for (unsigned i = 0; i < burst; ++i) found += refs[i].found();
    next += burst;
  }
  const auto wanted = static_cast<uint64_t>(state.iterations()) * burst;
  if (found != wanted) state.SkipWithError("a connection was not found");
  report_operations(state, wanted);
}

// One connection: both keys in, both keys out, in a table that holds `count` others.
void run_insert_erase(benchmark::State& state, Family family, uint32_t count) {
  FilledTable filled(family, count);
  uint32_t number = count;
  for (auto _ : state) {
    ConnEntry entry{};
    fill_entry(entry, family, number);
    if (!filled.table.insert(entry, static_cast<ConnIndex>(count))) state.SkipWithError("no room");
    filled.table.erase(entry);
    number = number + 1 == 2 * count + 1024 ? count : number + 1;
  }
  report_operations(state, static_cast<uint64_t>(state.iterations()));
}

}  // namespace

void register_conn_table_benches() {
  for (const Family family : {Family::ipv4, Family::ipv6})
    for (const uint32_t flows : flow_counts({1, 1024, 65'536})) {
      const std::string text = family == Family::ipv4 ? "ipv4" : "ipv6";
      register_part({.name = "conn_table_find", .family = text, .flows = flows},
                    [=](auto& state) { run_find(state, family, flows); });
      register_part({.name = "conn_table_insert_erase", .family = text, .flows = flows},
                    [=](auto& state) { run_insert_erase(state, family, flows); });
    }
}

}  // namespace millrace::perf
