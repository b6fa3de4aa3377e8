#include "controlplane/discovery/etcd_source.h"

#include <fmt/format.h>

#include <random>

#include "controlplane/client/http_client.h"
#include "controlplane/config/error_text.h"
#include "controlplane/discovery/backend_text.h"

namespace millrace::control {
namespace {

namespace asio = boost::asio;

constexpr unsigned kUnauthorized = 401;
constexpr unsigned kForbidden = 403;
constexpr unsigned kBadRequest = 400;

}  // namespace

// The first endpoint by chance, so that hosts that start together do not all go to the same.
EtcdSource::EtcdSource(config::EtcdDiscovery config)
    : config_(std::move(config)), endpoint_(std::random_device{}() % config_.endpoints.size()) {}

// The URLs were checked when the file was read.
HttpRequest EtcdSource::request(const char* target, std::string body) const {
  HttpRequest request;
  request.url = config::parse_url(config_.endpoints[endpoint_]).value.value_or(config::Url{});
  if (request.url.target.ends_with('/')) request.url.target.pop_back();
  request.url.target += target;
  request.tls.ca_path = config_.ca_path;
  request.tls.cert_path = config_.certificate_path;
  request.tls.key_path = config_.key_path;
  request.method = "POST";
  if (!token_.empty()) request.fields.push_back({"Authorization", token_});
  request.body = std::move(body);
  request.body_bytes_max = kAnswerBytesMax;
  return request;
}

asio::awaitable<std::string> EtcdSource::list(Clock::time_point deadline) {
  std::string problems;
  for (size_t left = config_.endpoints.size(); left > 0; --left) {
    const Clock::time_point now = Clock::now();
    const std::string problem = co_await list_at(now + (deadline - now) / left);
    if (problem.empty()) co_return "";
    problems += (problems.empty() ? "" : "; ") + problem;
    token_.clear();
    endpoint_ = (endpoint_ + 1) % config_.endpoints.size();
  }
  co_return problems;
}

// A token that has expired is no news: one login is tried.
asio::awaitable<std::string> EtcdSource::list_at(Clock::time_point deadline) {
  HttpResponse response;
  std::string shown;
  for (const bool again : {false, true}) {
    if (!config_.username.empty() && token_.empty()) {
      std::string problem = co_await log_in(deadline);
      if (!problem.empty()) co_return problem;
    }
    const bool had_token = !again && !token_.empty();
    const HttpRequest range = request("/v3/kv/range", etcd_range(config_.prefix, kEntryMax));
    shown = range.shown();
    response = co_await exchange_until(range, deadline);
    if (!response.problem.empty()) co_return response.problem;
    if (response.status == 200) break;
    if (response.status != kUnauthorized || !had_token) co_return describe_refusal(range, response);
    token_.clear();
  }
  EtcdUpdate update = parse_etcd_range(response.body);
  if (update.more) update.problem = fmt::format("{} has more than {} keys", config_.prefix, kEntryMax);
  if (!update.problem.empty()) co_return shown + ": " + update.problem;
  entries_.clear();
  for (const EtcdPair& pair : update.pairs) take_pair(pair);
  revision_ = update.revision;
  co_return "";
}

asio::awaitable<std::string> EtcdSource::log_in(Clock::time_point deadline) {
  const HttpRequest login = request("/v3/auth/authenticate", etcd_login(config_.username, config_.password));
  const HttpResponse response = co_await exchange_until(login, deadline);
  if (!response.problem.empty()) co_return response.problem;
  token_ = response.status == 200 ? parse_etcd_token(response.body) : "";
  if (!token_.empty()) co_return "";
  const bool refused =
      response.status == kUnauthorized || response.status == kForbidden || response.status == kBadRequest;
  co_return refused ? fmt::format("{}: it refuses etcd_username and etcd_password", login.shown())
                    : describe_refusal(login, response);
}

HttpRequest EtcdSource::watch() const { return request("/v3/watch", etcd_watch(config_.prefix, revision_ + 1)); }

WatchedSource::Told EtcdSource::take(const std::string& line) {
  const EtcdUpdate update = parse_etcd_watch(line);
  if (!update.problem.empty()) return Told::end;
  for (const EtcdPair& pair : update.pairs) take_pair(pair);
  if (entries_.size() > kEntryMax) return Told::end;
  return update.pairs.empty() ? Told::nothing : Told::change;
}

// A key's last part is its name.
void EtcdSource::take_pair(const EtcdPair& pair) {
  if (pair.removed)
    entries_.erase(pair.key);
  else
    entries_.insert_or_assign(pair.key, parse_registered(pair.key.substr(pair.key.rfind('/') + 1), pair.value));
}

Answer EtcdSource::answer() const {
  AnswerBuilder builder;
  for (const auto& [key, registered] : entries_)
    if (registered && !builder.add(*registered, config::quote(key))) break;
  return builder.take("keys");
}

}  // namespace millrace::control
