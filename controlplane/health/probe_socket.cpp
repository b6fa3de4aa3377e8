#include "controlplane/health/probe_socket.h"

#include "controlplane/health/probe_errors.h"

namespace millrace::control {

namespace asio = boost::asio;

asio::ip::tcp::endpoint to_tcp(const Endpoint& endpoint) { return {to_asio(endpoint.addr), endpoint.port.host()}; }

boost::system::error_code open_probe_socket(asio::ip::tcp::socket& socket, const asio::ip::tcp::endpoint& target) {
  boost::system::error_code error;
  socket.open(target.protocol(), error);
  if (!error) socket.set_option(asio::socket_base::linger(true, 0), error);
  return error;
}

}  // namespace millrace::control
