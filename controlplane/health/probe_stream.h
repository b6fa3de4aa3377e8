// probe_stream.h: the connection of a check that talks: TCP, or TLS over it, and its deadline.
// Thread: the event loop.
// Bound:  every call ends when the deadline passes; nothing may be called after that.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include "controlplane/health/deadline.h"
#include "controlplane/health/probe.h"
#include "controlplane/health/tls_client.h"

namespace millrace::control {

class ProbeStream {
 public:
  ProbeStream(const boost::asio::any_io_executor& executor, std::chrono::milliseconds timeout);

  // Connects and, with `tls`, shakes hands. What ended the check; nullopt: go on. So with write().
  boost::asio::awaitable<std::optional<ProbeResult>> open(Endpoint endpoint, TlsClient* tls);
  boost::asio::awaitable<std::optional<ProbeResult>> write(std::string_view bytes);

  struct Read {
    size_t bytes = 0;  // 0: the backend has closed its side
    std::optional<ProbeResult> failure;
  };
  boost::asio::awaitable<Read> read_some(std::span<char> room);

  // The result of a check that `error` ended, or the deadline.
  ProbeResult failure(const boost::system::error_code& error) const;

 private:
  boost::asio::awaitable<std::optional<ProbeResult>> shake_hands(const Endpoint& endpoint, TlsClient& tls);

  std::chrono::milliseconds timeout_;
  boost::asio::ip::tcp::socket socket_;
  std::unique_ptr<boost::asio::ssl::stream<boost::asio::ip::tcp::socket&>> secure_;  // null: TCP alone
  Deadline deadline_;
};

}  // namespace millrace::control
