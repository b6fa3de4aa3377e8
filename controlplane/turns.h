// turns.h: one at a time: coroutines of the event loop that change the configuration wait for each other.
// Thread: the event loop.      Tests: tests/unit/control/changes_test.cpp
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <utility>

namespace millrace::control {

class Turns {
 public:
  // Held for as long as it lives.
  class Turn {
   public:
    explicit Turn(Turns& turns) : turns_(&turns) { turns.taken_ = true; }
    Turn(Turn&& other) noexcept : turns_(std::exchange(other.turns_, nullptr)) {}
    Turn& operator=(Turn&&) = delete;
    ~Turn() {
      if (turns_ == nullptr) return;
      turns_->taken_ = false;
      turns_->ended_.cancel();
    }

   private:
    Turns* turns_;
  };

  explicit Turns(const boost::asio::any_io_executor& executor)
      : ended_(executor, boost::asio::steady_timer::time_point::max()) {}

  bool taken() const { return taken_; }
  boost::asio::awaitable<Turn> take() {
    while (taken_) co_await ended_.async_wait(boost::asio::as_tuple(boost::asio::use_awaitable));
    co_return Turn(*this);
  }

 private:
  bool taken_ = false;
  boost::asio::steady_timer ended_;  // never expires; cancelled for those who wait when a turn ends
};

}  // namespace millrace::control
