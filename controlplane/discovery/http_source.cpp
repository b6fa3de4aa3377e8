#include "controlplane/discovery/http_source.h"

#include "controlplane/discovery/backend_text.h"

namespace millrace::control {
namespace {

// The URL was checked when the file was read.
HttpRequest request_for(const std::string& endpoint, const std::string& ca_path) {
  return {.url = config::parse_url(endpoint).value.value_or(config::Url{}),
          .tls = {.ca_path = ca_path},
          .body_bytes_max = kAnswerBytesMax};
}

}  // namespace

JsonSource::JsonSource(const config::JsonDiscovery& config)
    : request_(request_for(config.endpoint, config.ca_path)), patterns_(config.patterns) {}

boost::asio::awaitable<Answer> JsonSource::ask(std::chrono::milliseconds) {
  HttpResponse response = co_await http_get(request_);
  if (!response.problem.empty()) co_return Answer::failed(std::move(response.problem));
  co_return parse_json_list(response.body, patterns_);
}

PlaintextSource::PlaintextSource(const config::PlaintextDiscovery& config)
    : request_(request_for(config.endpoint, config.ca_path)), pattern_(config.pattern) {}

boost::asio::awaitable<Answer> PlaintextSource::ask(std::chrono::milliseconds) {
  HttpResponse response = co_await http_get(request_);
  if (!response.problem.empty()) co_return Answer::failed(std::move(response.problem));
  co_return pattern_ ? parse_lines(response.body, pattern_) : parse_lines(response.body);
}

}  // namespace millrace::control
