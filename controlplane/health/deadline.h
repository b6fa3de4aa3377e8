// deadline.h: ends what a probe waits for when its time is over.
// Thread: the event loop.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <functional>
#include <memory>

namespace millrace::control {

class Deadline {
 public:
  // `end` is called once, unless the deadline was destroyed before: it closes or cancels what is waited for.
  Deadline(const boost::asio::any_io_executor& executor, std::chrono::milliseconds timeout, std::function<void()> end)
      : timer_(executor, timeout), state_(std::make_shared<State>(State{std::move(end)})) {
    timer_.async_wait([state = state_](const boost::system::error_code& error) {
      if (error || !state->end) return;
      state->passed = true;
      state->end();
    });
  }
  // The timer's handler may be on its way already.
  ~Deadline() { state_->end = nullptr; }
  Deadline(const Deadline&) = delete;
  Deadline& operator=(const Deadline&) = delete;

  bool passed() const { return state_->passed; }

 private:
  struct State {
    std::function<void()> end;
    bool passed = false;
  };
  boost::asio::steady_timer timer_;
  std::shared_ptr<State> state_;
};

}  // namespace millrace::control
