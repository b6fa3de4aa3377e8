#include "controlplane/health/http_probe.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <boost/asio/this_coro.hpp>

#include "controlplane/config/error_text.h"
#include "controlplane/health/probe_stream.h"

namespace millrace::control {
namespace {

namespace asio = boost::asio;

// A piece of an answer; the parser takes one after the other.
constexpr size_t kReadBytes = 4096;

std::string name_of(const config::StatusRange& range) {
  return range.first == range.last ? std::to_string(range.first) : fmt::format("{}-{}", range.first, range.last);
}

// The name in a Host header, which may have a port; empty where it is an address.
std::string server_name(const std::string& host) {
  const std::string name = host.substr(0, host.find(':'));
  return host.starts_with('[') || parse_ip(name) ? std::string() : name;
}

std::string list_ranges(const std::vector<config::StatusRange>& ranges) {
  std::string text;
  for (const config::StatusRange& range : ranges) text += (text.empty() ? "" : " or ") + name_of(range);
  return text;
}

}  // namespace

HttpProbe::HttpProbe(const config::HealthcheckConfig& check)
    : check_(check.http), expected_(list_ranges(check.http.expect)) {
  if (check.tls.enabled) tls_.emplace(check.tls, server_name(check_.host), std::vector<std::string>{"http/1.1"}, false);
}

std::string HttpProbe::request(const Endpoint& endpoint) const {
  return fmt::format("{} {} HTTP/1.1\r\nHost: {}\r\nUser-Agent: millrace/" MR_VERSION
                     "\r\nAccept: */*\r\nConnection: close\r\n\r\n",
                     check_.method, check_.path, check_.host.empty() ? format_endpoint(endpoint) : check_.host);
}

ProbeResult HttpProbe::judge(const HttpAnswer& answer) const {
  const unsigned status = answer.status();
  const bool expected = std::ranges::any_of(check_.expect, [status](const config::StatusRange& range) {
    return status >= range.first && status <= range.last;
  });
  if (!expected) return {ProbeOutcome::failed, fmt::format("answered {}, not {}", status, expected_)};
  if (!check_.body_contains.empty() && answer.body().find(check_.body_contains) == std::string_view::npos)
    return {ProbeOutcome::failed,
            fmt::format("answered {} without {} in its body", status, config::quote(check_.body_contains))};
  if (check_.body_matches && !check_.body_matches.matches(answer.body()))
    return {ProbeOutcome::failed, fmt::format("answered {} with a body that does not match {}", status,
                                              config::quote(check_.body_matches.text()))};
  return {ProbeOutcome::passed, fmt::format("answered {}", status)};
}

asio::awaitable<ProbeResult> HttpProbe::run(Endpoint endpoint, std::chrono::milliseconds timeout) {
  ProbeStream stream(co_await asio::this_coro::executor, timeout);
  if (std::optional<ProbeResult> end = co_await stream.open(endpoint, tls_ ? &*tls_ : nullptr)) co_return *end;
  const std::string bytes = request(endpoint);
  if (std::optional<ProbeResult> end = co_await stream.write(bytes)) co_return *end;
  HttpAnswer answer(check_.looks_at_body());
  AnswerState state = AnswerState::more;
  std::array<char, kReadBytes> piece;
  while (state == AnswerState::more) {
    const ProbeStream::Read read = co_await stream.read_some(piece);
    if (read.failure) co_return *read.failure;
    state = read.bytes == 0 ? answer.end() : answer.take({piece.data(), read.bytes});
  }
  if (state == AnswerState::broken) co_return ProbeResult{ProbeOutcome::failed, answer.problem()};
  co_return judge(answer);
}

}  // namespace millrace::control
