// stream_listener.h: where the HTTP server takes connections from, a UNIX socket or a TCP port.
// Thread: the event loop.
#pragma once

#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/generic/stream_protocol.hpp>

namespace millrace::control {

using StreamAcceptor = boost::asio::basic_socket_acceptor<boost::asio::generic::stream_protocol>;

class StreamListener {
 public:
  virtual ~StreamListener() = default;
  StreamListener(const StreamListener&) = delete;
  StreamListener& operator=(const StreamListener&) = delete;

  StreamAcceptor& acceptor() { return acceptor_; }

 protected:
  explicit StreamListener(boost::asio::any_io_executor executor) : acceptor_(executor) {}

  StreamAcceptor acceptor_;
};

}  // namespace millrace::control
