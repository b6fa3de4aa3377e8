// asio_types.h: our addresses as Asio's, and errors as values.
// Thread: any.
#pragma once

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "millrace/addr.h"

namespace millrace::control {

// const auto [error, …] = co_await socket.async_…(…, kQuietly);
inline constexpr auto kQuietly = boost::asio::as_tuple(boost::asio::use_awaitable);

inline boost::asio::ip::address to_asio(const IpAddr& addr) {
  if (addr.is_ipv4()) return boost::asio::ip::address_v4(addr.ipv4().host());
  return boost::asio::ip::address_v6(addr.bytes);
}

inline boost::asio::ip::tcp::endpoint to_tcp(const Endpoint& endpoint) {
  return {to_asio(endpoint.addr), endpoint.port.host()};
}

}  // namespace millrace::control
