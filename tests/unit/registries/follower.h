// follower.h: asks a source, and asks it again whenever it says so, as DiscoveryMonitor does.
#pragma once

#include <gtest/gtest.h>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "controlplane/discovery/source.h"
#include "tests/unit/control/asking.h"

namespace millrace::control {

class Follower {
 public:
  // A question that failed is asked again after `pause`.
  explicit Follower(std::unique_ptr<Source> source, std::chrono::milliseconds pause = std::chrono::milliseconds(50),
                    std::chrono::milliseconds timeout = std::chrono::seconds(5))
      : source_(std::move(source)), pause_(pause), timeout_(timeout) {
    boost::asio::co_spawn(
        loop_, follow(),
        boost::asio::bind_cancellation_slot(cancel_.slot(), [this](const std::exception_ptr&) { over_ = true; }));
  }
  // What is left of a source that was cancelled in the middle ends by itself.
  ~Follower() {
    cancel_.emit(boost::asio::cancellation_type::terminal);
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(5);
    while (!over_ && std::chrono::steady_clock::now() < deadline) loop_.run_one_for(std::chrono::milliseconds(50));
    EXPECT_TRUE(over_);
    source_.reset();
    loop_.restart();
    loop_.poll();
  }
  Follower(const Follower&) = delete;
  Follower& operator=(const Follower&) = delete;

  // Until it is so, at most 10 s.
  bool until(const std::function<bool()>& is_so) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (!is_so() && std::chrono::steady_clock::now() < deadline) loop_.run_one_for(std::chrono::milliseconds(20));
    return is_so();
  }
  // The last answer has these.
  bool finds(const std::vector<std::string>& wanted) {
    return until(
        [&] { return !answers.empty() && answers.back().problem.empty() && endpoints(answers.back()) == wanted; });
  }
  // The last question failed, and said so.
  bool fails(const std::string& sentence) {
    return until([&] { return !answers.empty() && answers.back().problem.find(sentence) != std::string::npos; });
  }

  std::vector<Answer> answers;

 private:
  boost::asio::awaitable<void> follow() {
    while (true) {
      answers.push_back(co_await source_->ask(timeout_));
      const bool failed = !answers.back().problem.empty();
      const auto now = std::chrono::steady_clock::now();
      co_await source_->await_change(failed ? now + pause_ : now + std::chrono::minutes(1));
    }
  }

  boost::asio::io_context loop_;
  std::unique_ptr<Source> source_;
  std::chrono::milliseconds pause_;
  std::chrono::milliseconds timeout_;
  boost::asio::cancellation_signal cancel_;
  bool over_ = false;
};

}  // namespace millrace::control
