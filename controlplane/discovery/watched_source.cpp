#include "controlplane/discovery/watched_source.h"

#include <algorithm>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "controlplane/discovery/change_pace.h"

namespace millrace::control {

namespace asio = boost::asio;

asio::awaitable<Answer> WatchedSource::ask(std::chrono::milliseconds timeout) {
  asked_at_ = Clock::now();
  if (!current_) {
    feed_.reset();
    listed_ = false;
    // Early enough to say what is missing.
    std::string problem = co_await list(asked_at_ + timeout * 9 / 10);
    if (!problem.empty()) co_return Answer::failed(std::move(problem));
    listed_ = true;
  }
  current_ = false;
  co_return answer();
}

asio::awaitable<void> WatchedSource::await_change(Clock::time_point deadline) {
  if (!listed_) co_return co_await Source::await_change(deadline);
  if (!feed_) feed_.emplace(co_await asio::this_coro::executor, watch());
  current_ = co_await follow(deadline);
}

// True: something has changed. False: it is time to list everything.
asio::awaitable<bool> WatchedSource::follow(Clock::time_point deadline) {
  const Clock::time_point until = std::min(deadline, Clock::now() + kSilenceMax);
  auto told = Told::nothing;
  while (told == Told::nothing) {
    const std::optional<std::string> line = co_await feed_->next(until);
    if (!line && feed_->problem().empty()) co_return false;
    told = line ? take(*line) : Told::end;
  }
  const bool ended = told == Told::end;
  co_await Source::await_change(std::min(deadline, asked_at_ + (ended ? kAskAgainAfterLoss : kAskEvery)));
  while (const std::optional<std::string> line = ended ? std::nullopt : feed_->try_next())
    if (take(*line) == Told::end) co_return false;
  co_return !ended;
}

}  // namespace millrace::control
