// probe_socket.h: the TCP socket of a check. Closing it resets the connection: a check leaves no TIME_WAIT behind, of
// which thousands a second would take this host's ports.
// Thread: any.
#pragma once

#include <boost/asio/ip/tcp.hpp>

namespace millrace::control {

// Opens `socket` for a connection to `target`.
boost::system::error_code open_probe_socket(boost::asio::ip::tcp::socket& socket,
                                            const boost::asio::ip::tcp::endpoint& target);

}  // namespace millrace::control
