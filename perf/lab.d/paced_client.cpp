// paced_client.cpp: HTTP requests at a fixed rate over keep-alive connections, and how long each answer took.
// A request's time runs from when it was due, not from when a connection was free for it: a stall counts for every
// request that it delayed. Used by perf/lab; prints one JSON object.
// Bound:  the given seconds, and kDrainNs for the last answers.
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <time.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "perf/lab.d/paced_connection.h"

namespace millrace::perf {
namespace {

constexpr int64_t kSecondNs = 1'000'000'000;
constexpr int64_t kDrainNs = 2 * kSecondNs;
constexpr unsigned kEventsMax = 64;

int64_t now_ns() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * kSecondNs + now.tv_nsec;
}

struct Plan {
  std::vector<Endpoint> targets;
  unsigned connections = 16;
  unsigned rate = 1000;  // requests a second
  unsigned seconds = 5;
};

class PacedClient {
 public:
  explicit PacedClient(const Plan& plan) : plan_(plan), epoll_(epoll_create1(EPOLL_CLOEXEC)) {
    for (unsigned i = 0; i < plan.connections; ++i) {
      connections_.push_back(std::make_unique<PacedConnection>(plan.targets[i % plan.targets.size()]));
      reopen(*connections_.back());
    }
  }

  void run() {
    const auto total = int64_t{plan_.rate} * plan_.seconds;
    const int64_t interval_ns = kSecondNs / plan_.rate;
    const int64_t start_ns = now_ns() + interval_ns;
    const int64_t end_ns = start_ns + total * interval_ns + kDrainNs;
    latency_ns_.reserve(static_cast<size_t>(total));
    int64_t made = 0;
    for (int64_t now = now_ns(); now < end_ns && settled() < total; now = now_ns()) {
      for (; made < total && start_ns + made * interval_ns <= now; ++made)
        due_.push_back(start_ns + made * interval_ns);
      send_due();
      wait_for_answers((made < total ? start_ns + made * interval_ns : end_ns) - now_ns());
    }
    failed_ += total - settled();
  }

  void print() {
    std::sort(latency_ns_.begin(), latency_ns_.end());
    std::printf("{\"requests\": %zu, \"failed\": %lld, \"p50_us\": %.1f, \"p99_us\": %.1f, \"p999_us\": %.1f}\n",
                latency_ns_.size(), static_cast<long long>(failed_), quantile_us(0.5), quantile_us(0.99),
                quantile_us(0.999));
  }

 private:
  int64_t settled() const { return static_cast<int64_t>(latency_ns_.size()) + failed_; }

  double quantile_us(double q) const {
    if (latency_ns_.empty()) return 0;
    return static_cast<double>(latency_ns_[static_cast<size_t>(q * static_cast<double>(latency_ns_.size() - 1))]) / 1e3;
  }

  void reopen(PacedConnection& connection) {
    if (!connection.open()) return;
    epoll_event event{.events = EPOLLIN, .data = {.ptr = &connection}};
    epoll_ctl(epoll_, EPOLL_CTL_ADD, connection.fd(), &event);
    idle_.push_back(&connection);
  }

  // A closed socket leaves the epoll set by itself.
  void fail(PacedConnection& connection) {
    failed_ += connection.is_waiting() ? 1 : 0;
    std::erase(idle_, &connection);
    reopen(connection);
  }

  void send_due() {
    while (!due_.empty() && !idle_.empty()) {
      PacedConnection& connection = *idle_.front();
      idle_.pop_front();
      const bool sent = connection.send(due_.front());
      due_.pop_front();
      if (!sent) fail(connection);
    }
  }

  void wait_for_answers(int64_t wait_ns) {
    const timespec wait{.tv_sec = 0, .tv_nsec = std::clamp<int64_t>(wait_ns, 0, kSecondNs - 1)};
    epoll_event events[kEventsMax];
    const int count = epoll_pwait2(epoll_, events, kEventsMax, &wait, nullptr);
    for (int i = 0; i < count; ++i) {
      auto& connection = *static_cast<PacedConnection*>(events[i].data.ptr);
      switch (connection.receive()) {
        case PacedConnection::Progress::partial:
          break;
        case PacedConnection::Progress::broken:
          fail(connection);
          break;
        case PacedConnection::Progress::answered:
          latency_ns_.push_back(now_ns() - connection.due_ns());
          connection.forget();
          idle_.push_back(&connection);
      }
    }
  }

  Plan plan_;
  int epoll_;
  std::vector<std::unique_ptr<PacedConnection>> connections_;
  std::deque<PacedConnection*> idle_;
  std::deque<int64_t> due_;  // when requests should have left that wait for a connection
  std::vector<int64_t> latency_ns_;
  int64_t failed_ = 0;
};

}  // namespace
}  // namespace millrace::perf

int main(int argc, char** argv) {
  using namespace millrace;
  CLI::App app("HTTP requests at a fixed rate; prints counts and latency percentiles as JSON.");
  perf::Plan plan;
  std::vector<std::string> targets;
  app.add_option("--target", targets, "addresses with ports that the connections are dealt to, 192.0.2.1:80 [::1]:80")
      ->required();
  app.add_option("--connections", plan.connections, "keep-alive connections")->check(CLI::Range(1, 10'000));
  app.add_option("--rate", plan.rate, "requests a second")->check(CLI::Range(1, 1'000'000));
  app.add_option("--seconds", plan.seconds, "for how long")->check(CLI::Range(1, 600));
  CLI11_PARSE(app, argc, argv);
  for (const std::string& text : targets) {
    const auto endpoint = parse_endpoint(text);
    if (!endpoint) {
      std::fprintf(stderr, "paced_client: '%s' is no address with a port, such as 192.0.2.1:80\n", text.c_str());
      return 2;
    }
    plan.targets.push_back(*endpoint);
  }
  prctl(PR_SET_TIMERSLACK, 1);
  perf::PacedClient client(plan);
  client.run();
  client.print();
  return 0;
}
