// discovery_monitor.h: asks the source of every service that has one, again and again, and keeps what was found last.
// Route:  reconcile > run_watch (one coroutine per service) > Source::ask > take > on_change > fill
// Thread: the event loop.
// Bound:  one question at a time per service; on_change comes at most once in kChangeEvery, however sources flap.
// Holds:  a service whose settings stay keeps what was found over reloads, and one whose settings change until the new
//         source has answered.
// Fails:  never; a source without an answer is asked again, later and later up to kRetryMax.
// Tests:  tests/unit/control/discovery_test.cpp
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstdint>
#include <ctime>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>

#include "controlplane/config/config.h"
#include "controlplane/discovery/source.h"
#include "controlplane/events/event_log.h"

namespace millrace::control {

inline constexpr std::chrono::milliseconds kChangeEvery{100};

// Of one service. Times: 0: never.
struct DiscoveryStatus {
  uint64_t asked = 0;
  uint64_t failed = 0;
  uint64_t unbelieved = 0;  // answers below min_backends
  uint32_t fails_in_row = 0;
  std::time_t asked_at = 0;
  std::time_t answered_at = 0;
  std::time_t failed_at = 0;
  std::string failure;  // of the last question that failed, also when a later one did not
  size_t found = 0;     // backends, before those that the service cannot have are left out
};

class DiscoveryMonitor {
 public:
  using SourceMaker = std::function<std::unique_ptr<Source>(const config::DiscoveryConfig&)>;

  // `on_change`: fill() would now do something else than before.
  DiscoveryMonitor(boost::asio::any_io_executor executor, SourceMaker make, std::function<void()> on_change);
  ~DiscoveryMonitor();
  DiscoveryMonitor(const DiscoveryMonitor&) = delete;
  DiscoveryMonitor& operator=(const DiscoveryMonitor&) = delete;

  // Tells it what is found and what fails, from now on.
  void record_in(std::shared_ptr<EventLog> events) { events_ = std::move(events); }

  // Makes the running questions those of the services of `config`. One whose interval is 0 is asked anew.
  void reconcile(const config::Config& config);
  // What a service without an answer yet has until there is one: as if its source had found it before. False: it
  // has something already.
  bool keep(const std::string& service, std::vector<config::BackendConfig> backends);
  // Ends every question.
  void stop();

  // Gives every service of `config` that has a source the backends that were found; where nothing was found yet those
  // that the service has in `before`. What a service cannot have is left out and logged, once.
  void fill(config::Config& config, const config::Config& before);

  // Every source has answered or failed at least once.
  bool settled() const;
  // nullptr: the service has no source, or is not there.
  const DiscoveryStatus* find(const std::string& service) const;

 private:
  struct Watch;

  static boost::asio::awaitable<void> run_watch(DiscoveryMonitor* monitor, std::shared_ptr<Watch> watch);
  void start(const std::shared_ptr<Watch>& watch);
  void take(Watch& watch, Answer answer);
  void take_failure(Watch& watch, const std::string& problem);
  void set_found(Watch& watch, std::vector<config::BackendConfig> found);
  void log_refused(const std::string& service, const std::set<std::string>& refused);
  void tell(const char* what, const Watch& watch, const std::string& cause);
  void change_soon();
  std::chrono::steady_clock::time_point next_question(const Watch& watch);
  std::chrono::milliseconds jittered(std::chrono::milliseconds pause);

  boost::asio::any_io_executor executor_;
  SourceMaker make_;
  std::function<void()> on_change_;
  std::shared_ptr<EventLog> events_;                       // null: nobody wants to know
  std::map<std::string, std::shared_ptr<Watch>> watches_;  // by service
  std::map<std::string, std::set<std::string>> refused_;   // by service: what is logged already
  boost::asio::steady_timer change_timer_;
  std::chrono::steady_clock::time_point changed_at_{};
  bool change_pending_ = false;
  std::minstd_rand random_;
};

}  // namespace millrace::control
