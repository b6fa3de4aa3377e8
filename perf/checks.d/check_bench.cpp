// check_bench.cpp: what health checks of many backends cost: the daemon's HealthMonitor against one real listener, which
// all backends are by the addresses of 127.0.0.0/8.
// Usage:  check_bench KIND BACKENDS INTERVAL_MS SECONDS        (KIND: ping or icmp; run by perf/checks)
// Prints: one JSON object. CPU is that of this process, which on the loopback does the receiving end's part of the
//         handshakes too; the listener's own process is not in it.
// Exit:   0; 1 when a backend is not up at the end, 2 on wrong arguments.
#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <string_view>

#include "controlplane/health/health_monitor.h"

namespace {

using namespace millrace;
using namespace millrace::control;
using std::chrono::duration;
using std::chrono::milliseconds;
using std::chrono::nanoseconds;
using std::chrono::steady_clock;

// A process that accepts and closes what comes to its end, until this one ends.
uint16_t start_listener() {
  boost::asio::io_context context;
  using boost::asio::ip::tcp;
  tcp::acceptor acceptor(context, {boost::asio::ip::address_v4::any(), 0});
  acceptor.listen(4096);
  const uint16_t port = acceptor.local_endpoint().port();
  if (fork() != 0) return port;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  while (true) {
    const int accepted = accept(acceptor.native_handle(), nullptr, nullptr);
    if (accepted >= 0) close(accepted);
  }
}

double cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

size_t resident_bytes() {
  size_t total_pages = 0, resident_pages = 0;
  std::ifstream("/proc/self/statm") >> total_pages >> resident_pages;
  return resident_pages * static_cast<size_t>(sysconf(_SC_PAGESIZE));
}

// Twenty backends a service.
std::vector<CheckTarget> make_targets(unsigned count, uint16_t port, const config::HealthcheckConfig& check) {
  std::vector<CheckTarget> targets;
  std::shared_ptr<const config::HealthcheckConfig> of_service;
  for (unsigned i = 0; i < count; ++i) {
    if (i % 20 == 0) of_service = std::make_shared<const config::HealthcheckConfig>(check);
    const IpAddr addr = IpAddr::from_ipv4(Be32{htonl(0x7f01'0000 + i)});
    targets.push_back({BackendKey(fmt::format("service-{}", i / 20), {addr, Be16::from_host(port)}), of_service});
  }
  return targets;
}

double elapsed_ms(steady_clock::time_point since) {
  return duration<double, std::milli>(steady_clock::now() - since).count();
}

double percentile_us(std::vector<nanoseconds>& values, double part) {
  if (values.empty()) return 0;
  const auto at = values.begin() + static_cast<std::ptrdiff_t>(part * static_cast<double>(values.size() - 1));
  std::nth_element(values.begin(), at, values.end());
  return static_cast<double>(at->count()) / 1e3;
}

int run(std::string_view kind, unsigned backends, unsigned interval_ms, unsigned seconds) {
  spdlog::set_level(spdlog::level::warn);  // ten thousand backends come up
  const uint16_t port = start_listener();
  const config::HealthcheckConfig check{
      .kind = kind == "icmp" ? config::CheckKind::icmp : config::CheckKind::ping,
      .interval_ms = interval_ms,
      .timeout_ms = std::min(1000u, interval_ms),
      .initial_healthy = false,
  };
  boost::asio::io_context loop(1);
  const size_t bytes_before = resident_bytes();
  HealthMonitor monitor(loop.get_executor(), make_probes(loop.get_executor()), [](const BackendKey&) {});
  std::vector<CheckTarget> targets = make_targets(backends, port, check);
  auto start = steady_clock::now();
  monitor.reconcile(targets);
  const double reconcile_all_ms = elapsed_ms(start);

  // Half a round more than the first, which is spread.
  loop.run_for(milliseconds(interval_ms + interval_ms / 2));
  std::vector<nanoseconds> lateness;
  lateness.reserve(size_t{backends} * (seconds + 1) * 1000 / interval_ms * 2);
  monitor.observe_lateness([&](nanoseconds late) { lateness.push_back(late); });
  const double cpu_before = cpu_seconds();
  start = steady_clock::now();
  loop.run_for(std::chrono::seconds(seconds));
  const double wall_s = elapsed_ms(start) / 1e3;
  const double cpu_share = (cpu_seconds() - cpu_before) / wall_s;
  const size_t checks = lateness.size();
  const size_t lateness_bytes = lateness.capacity() * sizeof(nanoseconds);
  const size_t bytes = resident_bytes() - bytes_before - std::min(lateness_bytes, resident_bytes() - bytes_before);

  targets.pop_back();
  start = steady_clock::now();
  monitor.reconcile(targets);
  const double reconcile_one_ms = elapsed_ms(start);
  const auto down = std::ranges::count_if(monitor.table(), [](const auto& row) { return row.second != Health::up; });
  fmt::print(
      "{{\"kind\": \"{}\", \"backends\": {}, \"interval_ms\": {}, \"seconds\": {}, \"checks_per_second\": {:.0f}, "
      "\"cpu_share\": {:.3f}, \"cpu_us_per_check\": {:.1f}, \"late_p50_us\": {:.0f}, \"late_p99_us\": {:.0f}, "
      "\"late_max_us\": {:.0f}, \"bytes_per_backend\": {}, \"reconcile_all_ms\": {:.2f}, \"reconcile_one_ms\": {:.2f}, "
      "\"down\": {}}}\n",
      kind, backends, interval_ms, seconds, static_cast<double>(checks) / wall_s, cpu_share,
      checks == 0 ? 0 : cpu_share * wall_s * 1e6 / static_cast<double>(checks), percentile_us(lateness, 0.5),
      percentile_us(lateness, 0.99), percentile_us(lateness, 1), bytes / backends, reconcile_all_ms, reconcile_one_ms,
      down);
  return down == 0 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view kind = argc == 5 ? argv[1] : "";
  const auto number = [&](int i) { return static_cast<unsigned>(std::strtoul(argv[i], nullptr, 10)); };
  if ((kind != "ping" && kind != "icmp") || number(2) == 0 || number(2) > 60'000 || number(3) < 100 || number(4) == 0) {
    fmt::print(stderr, "usage: check_bench ping|icmp BACKENDS INTERVAL_MS SECONDS\n");
    return 2;
  }
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  return run(kind, number(2), number(3), number(4));
}
