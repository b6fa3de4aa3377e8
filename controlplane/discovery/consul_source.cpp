#include "controlplane/discovery/consul_source.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <utility>

#include "controlplane/config/url_text.h"
#include "controlplane/discovery/change_pace.h"
#include "controlplane/discovery/registry_answer.h"
#include "controlplane/net/asio_types.h"

namespace millrace::control {
namespace {

namespace asio = boost::asio;
using namespace asio::experimental::awaitable_operators;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

// Some proxies give up on a question after a minute.
constexpr milliseconds kWaitMax{45'000};
// The agent adds up to a sixteenth, so that not all who wait come back at once.
constexpr milliseconds kWaitSlack{5'000};
// After an answer that was none, or that came early and told nothing new.
constexpr milliseconds kIdlePause{1'000};

std::string health_target(const config::Url& url, const config::ConsulDiscovery& config) {
  std::string target =
      config::without_slash(url.target) + "/v1/health/service/" + config::percent_encoded(config.service);
  char mark = '?';
  const auto add = [&](std::string_view name, const std::string& value) {
    target += std::exchange(mark, '&');
    target += name;
    if (!value.empty()) target += "=" + config::percent_encoded(value);
  };
  if (config.passing_only) add("passing", "");
  for (const std::string& tag : config.tags) add("tag", tag);
  if (!config.datacenter.empty()) add("dc", config.datacenter);
  return target;
}

uint64_t index_of(const HttpResponse& response) {
  return config::parse_decimal(response.field("X-Consul-Index"), UINT64_MAX).value_or(0);
}

milliseconds until(steady_clock::time_point then) {
  return std::chrono::duration_cast<milliseconds>(then - steady_clock::now());
}

}  // namespace

// The URL was checked when the file was read.
ConsulSource::ConsulSource(const config::ConsulDiscovery& config)
    : request_{.url = config::parse_url(config.endpoint).value.value_or(config::Url{}),
               .tls = config.tls,
               .body_bytes_max = kAnswerBytesMax} {
  request_.url.credentials = config::percent_decoded(request_.url.credentials);
  request_.url.target = health_target(request_.url, config);
  if (!config.acl_token.empty()) request_.fields.push_back({"X-Consul-Token", config.acl_token});
}

asio::awaitable<Answer> ConsulSource::ask(milliseconds) {
  HttpResponse response;
  if (changed_)
    response = std::move(*std::exchange(changed_, std::nullopt));
  else
    response = co_await http_exchange(request_);
  index_ = 0;
  if (!response.problem.empty()) co_return Answer::failed(std::move(response.problem));
  if (response.status != 200) co_return Answer::failed(describe_refusal(request_, response));
  Answer answer = parse_consul_health(response.body);
  if (answer.problem.empty())
    index_ = index_of(response);
  else
    answer.problem = request_.shown() + ": " + answer.problem;
  co_return answer;
}

// One blocking query. What it brings is in changed_.
asio::awaitable<ConsulSource::Waited> ConsulSource::wait_once(steady_clock::time_point deadline) {
  const milliseconds wait = std::clamp(until(deadline), milliseconds(1), kWaitMax);
  HttpRequest question = request_;
  question.url.target += fmt::format(
      "{}index={}&wait={}ms", question.url.target.find('?') == std::string::npos ? '?' : '&', index_, wait.count());
  HttpResponse response = co_await exchange_until(question, steady_clock::now() + wait + kWaitSlack);
  if (!response.problem.empty() || response.status != 200) co_return Waited::failed;
  const uint64_t index = index_of(response);
  if (index == index_) co_return Waited::unchanged;
  // An index that went back, or is none, is nothing to compare with: the next question begins anew.
  if (index > index_) changed_ = std::move(response);
  co_return Waited::changed;
}

asio::awaitable<void> ConsulSource::await_change(steady_clock::time_point deadline) {
  asio::steady_timer pause(co_await asio::this_coro::executor);
  while (index_ != 0 && steady_clock::now() < deadline) {
    const auto asked_at = steady_clock::now();
    pause.expires_at(deadline);
    const auto first = co_await (wait_once(deadline) || pause.async_wait(kQuietly));
    if (first.index() == 1) co_return;
    const Waited waited = std::get<0>(first);
    pause.expires_at(std::min(deadline, asked_at + (waited == Waited::changed ? kAskEvery : kIdlePause)));
    co_await pause.async_wait(kQuietly);
    if (waited != Waited::unchanged) co_return;
  }
  co_await Source::await_change(deadline);
}

}  // namespace millrace::control
