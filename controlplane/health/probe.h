// probe.h: one way to ask a backend whether it is well. One probe per file behind this interface.
// Thread: the event loop.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <string>

#include "millrace/addr.h"

namespace millrace::control {

enum class ProbeOutcome {
  passed,
  failed,
  not_run,  // this host could not ask (no descriptors, no buffers): says nothing about the backend
};

struct ProbeResult {
  ProbeOutcome outcome = ProbeOutcome::not_run;
  std::string cause;  // "connection refused"; empty when passed
};

class Probe {
 public:
  virtual ~Probe() = default;
  // Ends within `timeout`, whatever the backend does. Never throws for what the network does.
  virtual boost::asio::awaitable<ProbeResult> run(Endpoint endpoint, std::chrono::milliseconds timeout) = 0;
};

}  // namespace millrace::control
