// source.h: one way to ask which backends a service has. One kind per file behind this interface.
// Route:  DiscoveryMonitor > Source::ask > parse_lines | parse_json_list > Answer
// Thread: the event loop. Whoever awaits may cancel (terminal) at any time; then nothing of the question is left.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "controlplane/config/config.h"

namespace millrace::control {

// Of any answer; 4,096 backends of a registry that is fond of words.
inline constexpr size_t kAnswerBytesMax = 4 << 20;

struct Answer {
  std::vector<config::BackendConfig> backends;
  // Entries that are no backends, a sentence each, at most kComplaintMax.
  std::vector<std::string> left_out;
  std::string problem;                                // not empty: there is no answer, and this is why
  std::optional<std::chrono::milliseconds> lifetime;  // how long the source itself holds it for true

  static Answer failed(std::string why) { return {.problem = std::move(why)}; }
};

class Source {
 public:
  virtual ~Source() = default;
  // The whole set as it is now. Ends within `timeout`; DiscoveryMonitor sees to that, too.
  virtual boost::asio::awaitable<Answer> ask(std::chrono::milliseconds timeout) = 0;
  // After an answer: returns when it is worth while to ask again, at the latest at `deadline`.
  virtual boost::asio::awaitable<void> await_change(std::chrono::steady_clock::time_point deadline);
};

// `discovery` is not static.
std::unique_ptr<Source> make_source(const config::DiscoveryConfig& discovery);

}  // namespace millrace::control
