#include "controlplane/api/tcp_listener.h"

#include <fmt/format.h>

#include "controlplane/net/asio_types.h"

namespace millrace::control {

namespace asio = boost::asio;

std::unique_ptr<TcpListener> TcpListener::open(asio::any_io_executor executor, const Endpoint& bind,
                                               const std::string& key, std::string& problem) {
  std::unique_ptr<TcpListener> listener(new TcpListener(executor));
  const asio::ip::tcp::endpoint endpoint = to_tcp(bind);
  boost::system::error_code error;
  listener->acceptor_.open(endpoint.protocol(), error);
  if (!error) listener->acceptor_.set_option(asio::socket_base::reuse_address(true), error);
  if (!error) listener->acceptor_.bind(endpoint, error);
  if (!error) listener->acceptor_.listen(asio::socket_base::max_listen_connections, error);
  if (!error) return listener;
  problem = fmt::format("cannot listen at {}: {}; set {} to a free port of this host", format_endpoint(bind),
                        error.message(), key);
  return nullptr;
}

}  // namespace millrace::control
