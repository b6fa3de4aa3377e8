// probe.h: one way to ask a backend whether it is well. One kind per file behind this interface.
// Thread: the event loop.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "controlplane/config/healthcheck.h"
#include "millrace/addr.h"

namespace millrace::control {

enum class ProbeOutcome {
  passed,
  failed,
  not_run,  // this host could not ask (no descriptors, no buffers): says nothing about the backend
};

struct ProbeResult {
  ProbeOutcome outcome = ProbeOutcome::not_run;
  std::string cause;  // what happened, without a subject: "connection refused", "answered 200"; fit for a terminal
};

class Probe {
 public:
  virtual ~Probe() = default;
  // Ends within `timeout`, whatever the backend does. Never throws for what the network does. One probe may ask several
  // backends at once; it outlives what it runs.
  virtual boost::asio::awaitable<ProbeResult> run(Endpoint endpoint, std::chrono::milliseconds timeout) = 0;
};

// The probe of a check; never null. One that cannot work (a file of certificates that went away) says so when it runs.
using ProbeMaker = std::function<std::shared_ptr<Probe>(const config::HealthcheckConfig& check)>;

// probe_maker.cpp: every kind of check.
ProbeMaker make_probes(boost::asio::any_io_executor executor);

}  // namespace millrace::control
