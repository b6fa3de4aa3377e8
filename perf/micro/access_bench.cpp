// access_bench.cpp: asking the access rules about an address, whose cache lines are as cold as their number makes them;
// and compiling them.

#include <random>
#include <vector>

#include "dataplane/pick/access_table.h"
#include "perf/micro/benches.h"
#include "perf/micro/results.h"

namespace millrace::perf {
namespace {

constexpr size_t kSources = 65'536;  // asked in turn, none twice in a row

enum class Shape : uint8_t {
  spread,     // over all addresses
  clustered,  // in one network and a single rule far off, so that the buckets help little
};

class Addresses {
 public:
  Addresses(Family family, Shape shape) : family_(family), shape_(shape) {}
  IpAddr next() {
    const auto number = static_cast<uint32_t>(random_());
    const uint32_t place = shape_ == Shape::spread ? number : 0x0a00'0000 | (number & 0x00ff'ffff);
    const IpAddr ipv4 = IpAddr::from_ipv4(Be32::from_host(place));
    if (family_ == Family::ipv4) return ipv4;
    IpAddr ipv6;
    ipv6.bytes[0] = 0x20;
    for (size_t i = 0; i < 4; ++i) ipv6.bytes[4 + i] = ipv4.bytes[12 + i];
    return ipv6;
  }

 private:
  std::mt19937 random_{1};
  Family family_;
  Shape shape_;
};

std::vector<AccessRule> rules_of(Family family, Shape shape, uint32_t count) {
  std::vector<AccessRule> rules;
  Addresses addresses(family, shape);
  const auto bits = static_cast<uint8_t>(family == Family::ipv4 ? 32 : 64);
  while (rules.size() + 1 < count) rules.push_back({prefix_of(addresses.next(), bits), bits, AccessAction::deny});
  const IpAddr far = parse_ip(family == Family::ipv4 ? "250.0.0.0" : "3fff::").value();
  rules.push_back({far, bits, AccessAction::deny});
  return rules;
}

void run_lookup(benchmark::State& state, Family family, Shape shape, uint32_t count) {
  const AccessTable table(AccessAction::allow, rules_of(family, shape, count));
  std::vector<IpAddr> sources;
  Addresses addresses(family, shape);
  for (size_t i = 0; i < kSources; ++i) sources.push_back(addresses.next());
  size_t next = 0;
  uint64_t asked = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(table.allows(sources[next++ % kSources]));
    ++asked;
  }
  report_operations(state, asked);
}

void run_compile(benchmark::State& state, Family family, uint32_t count) {
  const std::vector<AccessRule> rules = rules_of(family, Shape::spread, count);
  for (auto _ : state) benchmark::DoNotOptimize(AccessTable(AccessAction::allow, rules));
  report_operations(state, static_cast<uint64_t>(state.iterations()));
}

}  // namespace

void register_access_benches() {
  for (const Family family : {Family::ipv4, Family::ipv6}) {
    const std::string suffix = family == Family::ipv4 ? "_ipv4" : "_ipv6";
    for (const uint32_t count : {100u, 100'000u})
      register_part({.name = "access_lookup_of_" + std::to_string(count) + suffix},
                    [=](auto& state) { run_lookup(state, family, Shape::spread, count); });
    register_part({.name = "access_lookup_clustered_of_100000" + suffix},
                  [=](auto& state) { run_lookup(state, family, Shape::clustered, 100'000); });
    register_part({.name = "access_compile_of_100000" + suffix},
                  [=](auto& state) { run_compile(state, family, 100'000); });
  }
}

}  // namespace millrace::perf
