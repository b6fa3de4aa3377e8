// tcp_listener.h: a TCP port of the host's own, for the API and for metrics.
// Fails:  with one sentence that names the address and what to do.
// Thread: the event loop.      Tests: tests/unit/control/{api_tcp,metrics}_test.cpp
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <memory>
#include <string>

#include "controlplane/api/stream_listener.h"
#include "millrace/addr.h"

namespace millrace::control {

class TcpListener : public StreamListener {
 public:
  // `key`: the setting that names the address, "[metrics] bind". "[::]" takes IPv4 clients, too. Null and a sentence in
  // `problem` on failure.
  static std::unique_ptr<TcpListener> open(boost::asio::any_io_executor executor, const Endpoint& bind,
                                           const std::string& key, std::string& problem);

 private:
  using StreamListener::StreamListener;
};

}  // namespace millrace::control
