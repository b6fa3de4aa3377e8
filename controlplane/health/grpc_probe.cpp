#include "controlplane/health/grpc_probe.h"

#include <array>
#include <boost/asio/this_coro.hpp>

#include "controlplane/health/grpc_call.h"
#include "controlplane/health/probe_stream.h"

namespace millrace::control {

namespace asio = boost::asio;

GrpcProbe::GrpcProbe(const config::HealthcheckConfig& check)
    : service_(check.grpc_service), authority_(check.tls.server_name) {
  if (check.tls.enabled) tls_.emplace(check.tls, std::string(), std::vector<std::string>{"h2"}, true);
}

asio::awaitable<ProbeResult> GrpcProbe::run(Endpoint endpoint, std::chrono::milliseconds timeout) {
  ProbeStream stream(co_await asio::this_coro::executor, timeout);
  if (std::optional<ProbeResult> end = co_await stream.open(endpoint, tls_ ? &*tls_ : nullptr)) co_return *end;
  GrpcCall call(service_, authority_.empty() ? format_endpoint(endpoint) : authority_, tls_ ? "https" : "http");
  std::array<char, 4096> piece;
  for (bool more = true; more;) {
    const std::string output = call.take_output();
    if (!output.empty())
      if (std::optional<ProbeResult> end = co_await stream.write(output)) co_return *end;
    const ProbeStream::Read read = co_await stream.read_some(piece);
    if (read.failure) co_return *read.failure;
    if (read.bytes == 0) call.end();
    more = read.bytes != 0 && call.take({piece.data(), read.bytes});
  }
  co_return call.result();
}

}  // namespace millrace::control
