// pick_bench.cpp: choosing a backend, by each scheduler, of 16 and of 1000; and building a Maglev table and a
// rendezvous table of as many.

#include <memory>
#include <vector>

#include "dataplane/pick/maglev.h"
#include "dataplane/pick/pick_backend.h"
#include "dataplane/pick/pick_tables.h"
#include "dataplane/pick/rendezvous.h"
#include "perf/micro/benches.h"
#include "perf/micro/results.h"

namespace millrace::perf {
namespace {

constexpr unsigned kClients = 1024;

std::vector<PickCandidate> candidates_of(unsigned count, EligibleBackends& eligible) {
  std::vector<PickCandidate> candidates;
  for (unsigned i = 0; i < count; ++i) {
    const auto slot = static_cast<BackendSlot>(i);
    eligible.set(slot, true);
    const IpAddr addr = IpAddr::from_ipv4(Be32::from_host(0x0a48'0101 + i));
    candidates.push_back({.target = {addr, Be16::from_host(8080), slot, static_cast<uint16_t>(1 + i % 4)},
                          .priority = 0,
                          .eligible = true});
  }
  return candidates;
}

void run_pick(benchmark::State& state, Balance balance, unsigned backends) {
  EligibleBackends eligible;
  ServiceTables service;
  service.balance = balance;
  service.ipv4 = build_pick_table(balance, Family::ipv4, candidates_of(backends, eligible));
  OpenCounts open;
  open.add_row();
  const Bandwidths bandwidths;
  const PickView view{eligible, open, bandwidths, 1};
  const auto pick_state = std::make_unique<PickState>();
  uint32_t client = 0;
  uint64_t picked = 0;
  for (auto _ : state) {
    const uint32_t hash = flow_hash(IpAddr::from_ipv4(Be32::from_host(0xc612'0001)),
                                    Be16::from_host(static_cast<uint16_t>(1024 + client++ % kClients)));
    const Pick pick = pick_backend(service, service.ipv4, {.client_hash = hash}, view, *pick_state);
    picked += pick.backend != nullptr;
    benchmark::DoNotOptimize(pick);
  }
  if (picked != static_cast<uint64_t>(state.iterations())) state.SkipWithError("no backend was picked");
  report_operations(state, picked);
}

void run_build(benchmark::State& state, decltype(build_maglev)& build, unsigned backends) {
  EligibleBackends eligible;
  std::vector<BackendTarget> targets;
  for (const PickCandidate& candidate : candidates_of(backends, eligible)) targets.push_back(candidate.target);
  for (auto _ : state) benchmark::DoNotOptimize(build(targets));
  report_operations(state, static_cast<uint64_t>(state.iterations()));
}

}  // namespace

void register_pick_benches() {
  constexpr struct {
    Balance balance;
    const char* name;
  } kBalances[] = {{Balance::roundrobin, "pick_roundrobin"},
                   {Balance::weight, "pick_weight"},
                   {Balance::leastconn, "pick_leastconn"},
                   {Balance::maglev, "pick_maglev"},
                   {Balance::leastbandwidth, "pick_leastbandwidth"},
                   {Balance::iphash, "pick_iphash"},
                   {Balance::iphash1, "pick_iphash1"},
                   {Balance::random, "pick_random"},
                   {Balance::p2c, "pick_p2c"},
                   {Balance::fastest, "pick_fastest"}};
  for (const unsigned backends : {16u, 1000u}) {
    const std::string suffix = "_of_" + std::to_string(backends);
    for (const auto& [balance, name] : kBalances)
      register_part({.name = name + suffix},
                    [balance = balance, backends](auto& state) { run_pick(state, balance, backends); });
    register_part({.name = "build_maglev" + suffix}, [=](auto& state) { run_build(state, build_maglev, backends); });
    register_part({.name = "build_rendezvous" + suffix},
                  [=](auto& state) { run_build(state, build_rendezvous, backends); });
  }
}

}  // namespace millrace::perf
