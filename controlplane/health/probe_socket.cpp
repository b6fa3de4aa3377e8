#include "controlplane/health/probe_socket.h"

#include <sys/socket.h>

namespace millrace::control {

namespace asio = boost::asio;

boost::system::error_code open_probe_socket(asio::ip::tcp::socket& socket, const asio::ip::tcp::endpoint& target) {
  boost::system::error_code error;
  socket.open(target.protocol(), error);
  if (error) return error;
  // Not by set_option: Asio takes back in a socket's destructor the linger option that it was told of.
  const linger reset{.l_onoff = 1, .l_linger = 0};
  setsockopt(socket.native_handle(), SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
  return error;
}

}  // namespace millrace::control
