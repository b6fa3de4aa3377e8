#include "controlplane/health/probe_stream.h"

#include <boost/asio/write.hpp>

#include "controlplane/health/probe_errors.h"
#include "controlplane/health/probe_socket.h"

namespace millrace::control {

namespace asio = boost::asio;
using boost::system::error_code;

ProbeStream::ProbeStream(const asio::any_io_executor& executor, std::chrono::milliseconds timeout)
    : timeout_(timeout), socket_(executor), deadline_(executor, timeout, [this] {
        error_code ignored;
        socket_.close(ignored);
      }) {}

ProbeResult ProbeStream::failure(const error_code& error) const {
  return deadline_.passed() ? timed_out(timeout_) : failed_by(error);
}

asio::awaitable<std::optional<ProbeResult>> ProbeStream::open(Endpoint endpoint, TlsClient* tls) {
  const asio::ip::tcp::endpoint target = to_tcp(endpoint);
  error_code error = open_probe_socket(socket_, target);
  if (!error) std::tie(error) = co_await socket_.async_connect(target, kQuietly);
  if (error || deadline_.passed()) co_return failure(error);
  socket_.set_option(asio::ip::tcp::no_delay(true), error);
  if (tls == nullptr) co_return std::nullopt;
  co_return co_await shake_hands(endpoint, *tls);
}

asio::awaitable<std::optional<ProbeResult>> ProbeStream::shake_hands(const Endpoint& endpoint, TlsClient& tls) {
  if (!tls.problem().empty()) co_return ProbeResult{ProbeOutcome::not_run, tls.problem()};
  secure_ = std::make_unique<asio::ssl::stream<asio::ip::tcp::socket&>>(socket_, tls.context());
  SSL* connection = secure_->native_handle();
  tls.prepare(connection, endpoint.addr);
  const auto [error] = co_await secure_->async_handshake(asio::ssl::stream_base::client, kQuietly);
  if (deadline_.passed()) co_return timed_out(timeout_);
  std::string cause = tls.judge(connection, error);
  if (cause.empty()) co_return std::nullopt;
  co_return ProbeResult{ProbeOutcome::failed, std::move(cause)};
}

asio::awaitable<std::optional<ProbeResult>> ProbeStream::write(std::string_view bytes) {
  error_code error;
  const asio::const_buffer buffer(bytes.data(), bytes.size());
  if (secure_)
    std::tie(error, std::ignore) = co_await asio::async_write(*secure_, buffer, kQuietly);
  else
    std::tie(error, std::ignore) = co_await asio::async_write(socket_, buffer, kQuietly);
  if (error || deadline_.passed()) co_return failure(error);
  co_return std::nullopt;
}

asio::awaitable<ProbeStream::Read> ProbeStream::read_some(std::span<char> room) {
  error_code error;
  size_t bytes = 0;
  const asio::mutable_buffer buffer(room.data(), room.size());
  if (secure_)
    std::tie(error, bytes) = co_await secure_->async_read_some(buffer, kQuietly);
  else
    std::tie(error, bytes) = co_await socket_.async_read_some(buffer, kQuietly);
  if (deadline_.passed()) co_return Read{0, timed_out(timeout_)};
  // A TLS peer that closes without saying so first is as closed.
  if (error == asio::error::eof || error == asio::ssl::error::stream_truncated) co_return Read{};
  if (error) co_return Read{0, failure(error)};
  co_return Read{bytes, std::nullopt};
}

}  // namespace millrace::control
