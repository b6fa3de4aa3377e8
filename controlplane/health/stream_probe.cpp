#include "controlplane/health/stream_probe.h"

#include <boost/asio/this_coro.hpp>

#include "controlplane/health/answer_judge.h"
#include "controlplane/health/probe_stream.h"

namespace millrace::control {

namespace asio = boost::asio;

StreamProbe::StreamProbe(const config::HealthcheckConfig& check) : check_(check.probe) {
  if (check.tls.enabled) tls_.emplace(check.tls, std::string(), check.tls.alpn, !check.tls.alpn.empty());
}

asio::awaitable<ProbeResult> StreamProbe::run(Endpoint endpoint, std::chrono::milliseconds timeout) {
  ProbeStream stream(co_await asio::this_coro::executor, timeout);
  if (std::optional<ProbeResult> end = co_await stream.open(endpoint, tls_ ? &*tls_ : nullptr)) co_return *end;
  if (std::optional<ProbeResult> end = co_await stream.write(check_.send)) co_return *end;
  std::string answer(check_.answer_bytes, '\0');
  size_t filled = 0;
  while (filled < answer.size()) {
    const ProbeStream::Read read = co_await stream.read_some(std::span(answer).subspan(filled));
    if (read.failure) co_return *read.failure;
    if (read.bytes == 0) break;
    filled += read.bytes;
  }
  co_return judge_answer(std::string_view(answer).substr(0, filled), check_);
}

}  // namespace millrace::control
