// daemon_watch.cpp: what Daemon looks at over and over: this host's addresses, connections, flows, rates.
#include <spdlog/spdlog.h>

#include <boost/asio/use_awaitable.hpp>

#include "controlplane/config/host_routes.h"
#include "controlplane/daemon.h"
#include "controlplane/link/monotonic.h"
#include "controlplane/net/asio_types.h"

namespace millrace::control {
namespace {

namespace asio = boost::asio;

constexpr std::chrono::seconds kSampleEvery{1};
// A worker's ring has room for what it can end in this time, at 400,000 a second.
constexpr std::chrono::milliseconds kFlowsEvery{20};
constexpr unsigned kSamplesPerSources = 10;  // how often the host's addresses are asked for

}  // namespace

// The host's addresses and routes may come and go. True: something is another than before.
bool Daemon::find_new_sources() {
  samples_until_sources_ = kSamplesPerSources;
  SourceTable found = find_sources(config_, config::kernel_source);
  if (found == sources_) return false;
  for (const auto& [backend, source] : found) {
    if (const auto was = sources_.find(backend); was != sources_.end() && was->second == source) continue;
    if (source)
      spdlog::info("connections to {} come from {}, this host's own address", format_ip(backend), format_ip(*source));
    else
      spdlog::warn("no address of this host leads to {}: backends there get nothing", format_ip(backend));
  }
  sources_ = std::move(found);
  return true;
}

asio::awaitable<void> Daemon::watch_connections() {
  while (!stopped_) {
    if (passive_health_.sample(link_.segment(), *desired_, health_, monotonic_ms())) publish();
    watch_timer_.expires_after(std::chrono::milliseconds(kPassiveSampleMs));
    co_await watch_timer_.async_wait(kQuietly);
  }
}

asio::awaitable<void> Daemon::follow_flows() {
  while (!stopped_) {
    const auto unix_time = std::chrono::system_clock::now().time_since_epoch();
    flow_log_.drain(link_.segment(),
                    {.monotonic_ms = monotonic_ms(),
                     .unix_ms = std::chrono::duration_cast<std::chrono::milliseconds>(unix_time).count()});
    flow_timer_.expires_after(flow_log_.is_on() ? kFlowsEvery : kSampleEvery);
    co_await flow_timer_.async_wait(kQuietly);
  }
}

void Daemon::open_flow_log(bool anew, std::vector<std::string>& notices) {
  std::string problem;
  const bool is_open = anew ? flow_log_.reopen(problem) : flow_log_.configure(config_.flow_log, problem);
  if (!is_open) notices.push_back(problem + "; connections are not logged");
  flow_timer_.cancel();
}

asio::awaitable<void> Daemon::sample() {
  while (!stopped_) {
    const uint64_t now_ms = monotonic_ms();
    rates_.sample(link_.segment(), now_ms);
    bandwidth_.sample(link_.segment(), now_ms);
    snat_.sample(link_.segment(), *desired_, now_ms);
    if (--samples_until_sources_ == 0 && find_new_sources()) publish();
    sample_timer_.expires_after(kSampleEvery);
    co_await sample_timer_.async_wait(kQuietly);
  }
}

}  // namespace millrace::control
