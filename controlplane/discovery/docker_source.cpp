#include "controlplane/discovery/docker_source.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "controlplane/client/http_client.h"
#include "controlplane/config/error_text.h"
#include "controlplane/config/url_text.h"
#include "controlplane/discovery/backend_text.h"
#include "controlplane/discovery/change_pace.h"
#include "controlplane/dns/resolver.h"
#include "controlplane/net/asio_types.h"

namespace millrace::control {
namespace {

namespace asio = boost::asio;
using namespace asio::experimental::awaitable_operators;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr size_t kEventBytesMax = 64 * 1024;  // labels stand in it, too
constexpr milliseconds kEventsOpenMax{1000};

std::string filters(const config::DockerDiscovery& config, nlohmann::json wanted) {
  if (!config.label.empty()) wanted["label"] = nlohmann::json::array({config.label});
  return "filters=" + config::percent_encoded(wanted.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
}

}  // namespace

// The URL was checked when the file was read.
DockerSource::DockerSource(const config::DockerDiscovery& config)
    : config_(config), url_(config::parse_url(config.endpoint.url).value.value_or(config::Url{})) {
  if (config.endpoint.tls.skip_verify)
    spdlog::warn("docker at {}: its certificate is not checked; docker_tls_cacert_path says who vouches for it",
                 url_.shown());
}

HttpRequest DockerSource::request_for(const std::string& target) const {
  HttpRequest request{.url = url_, .tls = config_.endpoint.tls, .unix_path = config_.endpoint.unix_path};
  request.url.target = config::without_slash(url_.target) + target;
  request.body_bytes_max = kAnswerBytesMax;
  return request;
}

asio::awaitable<void> DockerSource::open_events(milliseconds timeout) {
  const nlohmann::json wanted = {{"type", nlohmann::json::array({"container"})},
                                 {"event", nlohmann::json::array({"start", "die", "pause", "unpause", "destroy"})}};
  HttpRequest request = request_for("/events?" + filters(config_, wanted));
  request.body_bytes_max = kEventBytesMax;
  auto events = std::make_unique<HttpStream>(std::move(request));
  asio::steady_timer patience(co_await asio::this_coro::executor, std::min(kEventsOpenMax, timeout / 4));
  const auto first = co_await (events->open() || patience.async_wait(kQuietly));
  if (first.index() == 0 && std::get<0>(first)) events_ = std::move(events);
}

// An address of the Docker host, where the endpoint names one; else "".
asio::awaitable<std::string> DockerSource::find_own_host(std::string& problem) {
  if (!config_.endpoint.unix_path.empty()) co_return "";
  const HostAddresses host = co_await look_up_host(url_.host);
  problem = host.problem;
  co_return problem.empty() ? format_ip(host.addresses.front()) : "";
}

// Puts what containers say in their environment over the addresses of their ports. A problem, or "".
asio::awaitable<std::string> DockerSource::name_hosts(std::vector<PublishedPort>& ports) {
  std::set<std::string> gone;
  for (PublishedPort& port : ports) {
    if (!variable_hosts_.contains(port.container_id) && !gone.contains(port.container_id)) {
      const HttpRequest request = request_for("/containers/" + config::percent_encoded(port.container_id) + "/json");
      const HttpResponse response = co_await http_exchange(request);
      if (!response.problem.empty()) co_return response.problem;
      if (response.status == 404) {
        gone.insert(port.container_id);
        continue;
      }
      if (response.status != 200) co_return describe_refusal(request, response);
      std::string problem;
      std::string host = parse_docker_variable(response.body, config_.host_env_var, problem);
      if (!problem.empty()) co_return request.shown() + ": " + problem;
      variable_hosts_[port.container_id] = std::move(host);
    }
    const auto host = variable_hosts_.find(port.container_id);
    if (host != variable_hosts_.end() && !host->second.empty()) port.host = host->second;
  }
  std::erase_if(ports, [&](const PublishedPort& port) { return gone.contains(port.container_id); });
  std::set<std::string> there;
  for (const PublishedPort& port : ports) there.insert(port.container_id);
  std::erase_if(variable_hosts_, [&](const auto& entry) { return !there.contains(entry.first); });
  co_return "";
}

asio::awaitable<Answer> DockerSource::ask(milliseconds timeout) {
  if (!events_) co_await open_events(timeout);
  const nlohmann::json wanted = {{"status", nlohmann::json::array({"running"})}};
  const HttpRequest request = request_for("/containers/json?" + filters(config_, wanted));
  const HttpResponse response = co_await http_exchange(request);
  if (!response.problem.empty()) co_return Answer::failed(response.problem);
  if (response.status != 200) co_return Answer::failed(describe_refusal(request, response));
  PublishedPorts found = parse_docker_containers(response.body, config_);
  if (!found.problem.empty()) co_return Answer::failed(request.shown() + ": " + found.problem);
  if (!config_.host_env_var.empty())
    if (std::string refusal = co_await name_hosts(found.ports); !refusal.empty())
      co_return Answer::failed(std::move(refusal));
  std::string problem;
  const std::string own_host = co_await find_own_host(problem);
  if (!problem.empty()) co_return Answer::failed(url_.host + ": " + problem);
  AnswerBuilder builder;
  for (const PublishedPort& port : found.ports)
    if (!builder.add(to_backend(port, own_host), "container " + config::quote(port.container_name))) break;
  co_return builder.take("ports");
}

// After an event the stream is let go: what else happens meanwhile is in the next list.
asio::awaitable<void> DockerSource::await_change(steady_clock::time_point deadline) {
  if (!events_) co_return co_await Source::await_change(deadline);
  asio::steady_timer timer(co_await asio::this_coro::executor, deadline);
  const auto first = co_await (events_->next_line() || timer.async_wait(kQuietly));
  const bool happened = first.index() == 0 && std::get<0>(first);
  events_.reset();
  if (first.index() == 1) co_return;
  timer.expires_at(std::min(deadline, steady_clock::now() + kAskEvery));
  co_await timer.async_wait(kQuietly);
  if (!happened) co_await Source::await_change(std::min(deadline, steady_clock::now() + milliseconds(1000)));
}

}  // namespace millrace::control
