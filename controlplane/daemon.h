// daemon.h: millraced without its sockets: holds the configuration, lets health and overrides flow into the desired
// state, and the desired state into the link.
// Route:  reload | change_over_file | ChangeControl | take_found | on_change | watch_connections | override_backend >
//         publish > compute_desired_state > DataplaneLink::set_desired
// Thread: the event loop.      Tests: tests/unit/control/daemon_test.cpp
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "controlplane/change_control.h"
#include "controlplane/config/changes.h"
#include "controlplane/config/config.h"
#include "controlplane/discovery/discovery_monitor.h"
#include "controlplane/events/event_log.h"
#include "controlplane/flow_log/flow_log.h"
#include "controlplane/health/health_monitor.h"
#include "controlplane/health/passive_health.h"
#include "controlplane/history/history.h"
#include "controlplane/link/bandwidth.h"
#include "controlplane/link/dataplane_link.h"
#include "controlplane/link/rate_sampler.h"
#include "controlplane/link/snat_watch.h"
#include "controlplane/place/config_place.h"
#include "controlplane/reload_report.h"
#include "controlplane/state/desired_state.h"
#include "controlplane/state/overrides.h"
#include "controlplane/turns.h"

namespace millrace::control {

class Daemon {
 public:
  Daemon(boost::asio::any_io_executor executor, ConfigPlace place, config::Config config, OwnerLock lock);
  Daemon(const Daemon&) = delete;
  Daemon& operator=(const Daemon&) = delete;

  // Before start(): who is told of each configuration that comes in force after the first.
  using InForce = std::function<void(const config::Config& config)>;
  void on_in_force(InForce in_force) { in_force_ = std::move(in_force); }
  void start();
  void stop();

  // Reads the file again and puts it in force, or keeps what is there and says why. nullopt: one is under way.
  boost::asio::awaitable<std::optional<ReloadReport>> reload();

  // Puts other changes over the file in force and keeps them in [api] changes_file, or leaves everything as it is and
  // says why. Only within a turn of turns().
  boost::asio::awaitable<ReloadReport> change_over_file(config::Changes changes);
  // Checks and publishes, or keeps what is there and says why. Files and history are the caller's. Only within a turn.
  boost::asio::awaitable<ReloadReport> put_in_force(config::LoadResult loaded);
  Turns& turns() { return turns_; }

  // Plans, trials and rollbacks.
  ChangeControl& changes() { return change_control_; }
  const ChangeControl& changes() const { return change_control_; }
  const History& history() const { return history_; }
  // What is in force, as the history would keep it.
  HistoryEntry history_entry() const;
  // Keeps it; its number, or 0 when that is not possible. `note`: into its summary.
  uint64_t remember(ChangeOrigin origin, const std::string& note);
  // What `config` would come to now. Fills in the backends that were found.
  DesiredState foresee(config::Config& config);
  std::vector<std::string> notices_for(const config::Config& config) const;

  // What an operator says about a backend that the configuration has.
  void override_backend(const BackendKey& key, const Override& change);
  // The weight that the configuration says counts again.
  void forget_weight(const BackendKey& key);

  const boost::asio::any_io_executor& executor() const { return executor_; }
  const ConfigPlace& place() const { return place_; }
  const std::string& file() const { return place_.name(); }
  const std::string& segment_path() const { return segment_path_; }
  // The file's, with the backends that were found for services with a source.
  const config::Config& config() const { return config_; }
  const DesiredState& desired() const { return *desired_; }
  std::shared_ptr<const DesiredState> desired_now() const { return desired_; }
  const DiscoveryMonitor& discovery() const { return discovery_; }
  const HealthMonitor& health() const { return health_; }
  const PassiveHealth& passive_health() const { return passive_health_; }
  const DataplaneLink& link() const { return link_; }
  // Outlived by those who listen.
  const std::shared_ptr<EventLog>& events() const { return events_; }
  const RateSampler& rates() const { return rates_; }
  const BandwidthSampler& bandwidth() const { return bandwidth_; }
  const SnatWatch& snat() const { return snat_; }
  const FlowLog& flow_log() const { return flow_log_; }
  const std::optional<ReloadReport>& last_reload() const { return last_reload_; }
  uint64_t uptime_ms() const;

 private:
  boost::asio::awaitable<void> await_first_answers();
  void begin();
  void keep_backends();
  void take_found();
  void tell_health(const BackendKey& key);
  void tell_config(const char* what, const ReloadReport& report);
  uint64_t publish();
  void publish_soon();
  void reconcile_checks();
  boost::asio::awaitable<config::LoadResult> load() const;
  boost::asio::awaitable<void> sample();
  boost::asio::awaitable<void> watch_connections();
  boost::asio::awaitable<void> follow_flows();
  void open_flow_log(bool anew, std::vector<std::string>& notices);
  bool find_new_sources();

  boost::asio::any_io_executor executor_;
  ConfigPlace place_;
  std::string segment_path_;
  config::Config config_;
  // While a reload waits for the dataplane's word: what to go back to. Its backends are checked too, so that going back
  // does not forget their health.
  std::optional<config::Config> fallback_;
  // The file's tables that only a restart puts in force: as they were when the process started.
  config::Config started_with_;
  InForce in_force_;
  SourceTable sources_;
  Overrides overrides_;
  std::shared_ptr<EventLog> events_ = std::make_shared<EventLog>();
  DiscoveryMonitor discovery_;
  HealthMonitor health_;
  PassiveHealth passive_health_;
  DataplaneLink link_;
  RateSampler rates_;
  BandwidthSampler bandwidth_;
  SnatWatch snat_;
  boost::asio::steady_timer sample_timer_;
  boost::asio::steady_timer watch_timer_;
  FlowLog flow_log_;
  boost::asio::steady_timer flow_timer_;
  Turns turns_;  // to change the configuration
  History history_;
  std::shared_ptr<const config::Document> remembered_;  // of the newest entry
  std::string history_problem_;                         // that was logged
  std::shared_ptr<const DesiredState> desired_;
  std::optional<ReloadReport> last_reload_;
  unsigned samples_until_sources_ = 0;
  bool begun_ = false;          // the first state was published
  bool found_pending_ = false;  // something was found while another configuration was on its way
  bool publish_pending_ = false;
  bool stopped_ = false;
  uint64_t started_ms_;
  ChangeControl change_control_;
};

}  // namespace millrace::control
