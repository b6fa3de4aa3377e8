#include "controlplane/place/config_place.h"

#include <fmt/format.h>

#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cstdlib>
#include <variant>

#include "controlplane/client/http_client.h"
#include "controlplane/config/url_text.h"
#include "controlplane/discovery/etcd_message.h"

namespace millrace::control {
namespace {

namespace asio = boost::asio;
using namespace asio::experimental::awaitable_operators;

constexpr size_t kTextBytesMax = 64u << 20;

// Parts of a path stay parts.
std::string encode_key(std::string_view key) {
  std::string encoded;
  for (size_t slash; (slash = key.find('/')) != std::string_view::npos; key.remove_prefix(slash + 1))
    encoded += config::percent_encoded(key.substr(0, slash)) + '/';
  return encoded + config::percent_encoded(key);
}

config::TextFile etcd_value(const std::string& body) {
  EtcdUpdate answer = parse_etcd_range(body);
  if (!answer.problem.empty()) return {std::nullopt, "cannot be read from etcd: " + answer.problem};
  if (answer.pairs.empty()) return {std::nullopt, "is not there: etcd has no such key"};
  return {std::move(answer.pairs.front().value), {}};
}

config::Parsed<config::Url> url_of(const std::string& host, bool https, const std::string& target) {
  config::Parsed<config::Url> url = config::parse_url((https ? "https://" : "http://") + host + target);
  if (!url.value) url.remedy = "write HOST:PORT";
  return url;
}

}  // namespace

ConfigPlace::ConfigPlace(std::string path) : kind_(Kind::file), name_(std::move(path)) {
  about_ = {{"kind", "file"}, {"path", name_}};
}

ConfigPlace ConfigPlace::of_url(config::Url url, const config::ClientTls& tls) {
  ConfigPlace place(Kind::url, url.shown(), {{"kind", "url"}, {"url", url.shown()}});
  place.requests_.push_back({.url = std::move(url), .tls = tls, .body_bytes_max = kTextBytesMax});
  return place;
}

config::Parsed<ConfigPlace> ConfigPlace::of_consul(const std::string& host, const std::string& key, bool https,
                                                   const config::ClientTls& tls) {
  config::Parsed<config::Url> url = url_of(host, https, "/v1/kv/" + encode_key(key) + "?raw");
  if (!url.value) return {std::move(url.problem), std::move(url.remedy)};
  ConfigPlace place(Kind::consul, fmt::format("consul://{}/{}", host, key),
                    {{"kind", "consul"}, {"host", host}, {"key", key}});
  HttpRequest request{.url = std::move(*url.value), .tls = tls, .body_bytes_max = kTextBytesMax};
  const char* token = std::getenv("CONSUL_HTTP_TOKEN");
  if (token != nullptr && *token != '\0') request.fields.push_back({"X-Consul-Token", token});
  place.requests_.push_back(std::move(request));
  return place;
}

config::Parsed<ConfigPlace> ConfigPlace::of_etcd(const std::vector<std::string>& hosts, const std::string& key,
                                                 bool https, const config::ClientTls& tls) {
  ConfigPlace place(Kind::etcd, fmt::format("etcd://{}/{}", hosts.front(), key),
                    {{"kind", "etcd"}, {"host", hosts.front()}, {"key", key}});
  if (const char* user = std::getenv("ETCDCTL_USER"); user != nullptr && *user != '\0') {
    const std::string text = user;
    const size_t colon = text.find(':');
    if (colon == std::string::npos) return {"ETCDCTL_USER has no password", "write NAME:PASSWORD"};
    place.login_ = etcd_login(text.substr(0, colon), text.substr(colon + 1));
  }
  for (const std::string& host : hosts) {
    config::Parsed<config::Url> url = url_of(host, https, "/v3/kv/range");
    if (!url.value) return {std::move(url.problem), std::move(url.remedy)};
    place.requests_.push_back({.url = std::move(*url.value),
                               .tls = tls,
                               .method = "POST",
                               .body = etcd_get(key),
                               .body_bytes_max = kTextBytesMax});
  }
  return place;
}

const char* ConfigPlace::remedy() const {
  switch (kind_) {
    case Kind::file:
      return "name a configuration file that this user may read";
    case Kind::url:
      return "see whether the server answers this URL with a configuration: curl shows it";
    case Kind::consul:
      return "consul kv get KEY shows what is there; CONSUL_HTTP_TOKEN must be a token that may read it";
    case Kind::etcd:
      return "etcdctl get KEY shows what is there; ETCDCTL_USER must be NAME:PASSWORD of somebody who may read it";
  }
  return "";
}

asio::awaitable<config::TextFile> ConfigPlace::read() const {
  if (is_file()) co_return config::read_text_file(name_);
  config::TextFile last;
  for (const HttpRequest& request : requests_) {
    last = co_await ask(request);
    if (last.text) break;
  }
  co_return last;
}

config::TextFile ConfigPlace::text_of(const HttpRequest& request, const HttpResponse& response) const {
  if (!response.problem.empty()) return {std::nullopt, "cannot be read: " + response.problem};
  if (kind_ == Kind::consul && response.status == 404) return {std::nullopt, "is not there: Consul has no such key"};
  if (response.status != 200) return {std::nullopt, "cannot be read: " + describe_refusal(request, response)};
  return kind_ == Kind::etcd ? etcd_value(response.body) : config::TextFile{response.body, {}};
}

asio::awaitable<HttpResponse> ConfigPlace::exchange(HttpRequest& request) const {
  if (kind_ == Kind::url) co_return co_await http_get(request);
  if (!login_.empty()) {
    HttpRequest login = request;
    login.url.target = "/v3/auth/authenticate";
    login.body = login_;
    HttpResponse answer = co_await http_exchange(login);
    const std::string token = parse_etcd_token(answer.body);
    if (token.empty() && answer.problem.empty()) answer.problem = login.shown() + ": it refuses ETCDCTL_USER";
    if (token.empty()) co_return answer;
    request.fields.push_back({"Authorization", token});
  }
  co_return co_await http_exchange(request);
}

asio::awaitable<config::TextFile> ConfigPlace::ask(HttpRequest request) const {
  asio::steady_timer deadline(co_await asio::this_coro::executor, kPlacePatience);
  const auto expire = [&]() -> asio::awaitable<void> { co_await deadline.async_wait(asio::use_awaitable); };
  const std::variant<HttpResponse, std::monostate> ended = co_await (exchange(request) || expire());
  if (ended.index() == 1)
    co_return config::TextFile{std::nullopt, fmt::format("cannot be read: {} did not answer within {} s",
                                                         request.shown(), kPlacePatience.count())};
  co_return text_of(request, std::get<0>(ended));
}

}  // namespace millrace::control
