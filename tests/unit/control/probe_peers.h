// probe_peers.h: asks with a probe, and backends that behave as a test says, each in a thread of its own.
#pragma once

#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/udp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>
#include <chrono>
#include <functional>
#include <stop_token>
#include <string>
#include <thread>

#include "controlplane/health/probe.h"

namespace millrace::control {

struct Asked {
  ProbeResult result;
  std::chrono::milliseconds took{};
};

// One probe of the kind that `check` says, in a loop of its own, which must end with it.
inline Asked ask(const config::HealthcheckConfig& check, const Endpoint& target,
                 std::chrono::milliseconds timeout = std::chrono::seconds(5)) {
  boost::asio::io_context loop;
  Asked asked;
  const std::shared_ptr<Probe> probe = make_probes(loop.get_executor())(check);
  const auto start = std::chrono::steady_clock::now();
  boost::asio::co_spawn(loop, probe->run(target, timeout), [&](std::exception_ptr error, ProbeResult result) {
    EXPECT_FALSE(error);
    asked.result = std::move(result);
    asked.took = std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - start);
  });
  loop.run();
  return asked;
}

inline Endpoint loopback(uint16_t port) { return {parse_ip("127.0.0.1").value(), Be16::from_host(port)}; }

// Accepts one connection after the other and gives each to `script`, whose blocking calls throw when the peer is gone.
class ScriptedServer {
 public:
  using Socket = boost::asio::ip::tcp::socket;
  using Script = std::function<void(Socket& socket, const std::stop_token& stop)>;

  explicit ScriptedServer(Script script)
      : acceptor_(context_, {boost::asio::ip::address_v4::loopback(), 0}),
        thread_([this, script = std::move(script)](const std::stop_token& stop) { serve(script, stop); }) {}
  ~ScriptedServer() {
    thread_.request_stop();
    Socket waker(context_);
    boost::system::error_code ignored;
    waker.connect(acceptor_.local_endpoint(), ignored);
  }
  Endpoint at() const { return loopback(acceptor_.local_endpoint().port()); }

 private:
  void serve(const Script& script, const std::stop_token& stop) {
    while (true) {
      Socket socket(context_);
      acceptor_.accept(socket);
      if (stop.stop_requested()) return;
      try {
        script(socket, stop);
      } catch (const boost::system::system_error&) {  // the probe has gone
      }
    }
  }

  boost::asio::io_context context_;
  boost::asio::ip::tcp::acceptor acceptor_;
  std::jthread thread_;
};

// Scripts.
inline void say(ScriptedServer::Socket& socket, std::string_view bytes) {
  boost::asio::write(socket, boost::asio::buffer(bytes));
}
// Until the peer closes or resets.
inline void listen_on(ScriptedServer::Socket& socket) {
  char piece[4096];
  boost::system::error_code error;
  while (!error) socket.read_some(boost::asio::buffer(piece), error);
}
inline ScriptedServer::Script answers(std::string bytes) {
  return [bytes = std::move(bytes)](ScriptedServer::Socket& socket, const std::stop_token&) {
    char piece[4096];
    socket.read_some(boost::asio::buffer(piece));
    say(socket, bytes);
    listen_on(socket);
  };
}
inline ScriptedServer::Script answers_and_closes(std::string bytes) {
  return [bytes = std::move(bytes)](ScriptedServer::Socket& socket, const std::stop_token&) {
    char piece[4096];
    socket.read_some(boost::asio::buffer(piece));
    say(socket, bytes);
    socket.shutdown(ScriptedServer::Socket::shutdown_send);
    listen_on(socket);
  };
}
// `beginning`, then a byte of `drop` every few milliseconds for ever.
inline ScriptedServer::Script drips(std::string beginning, char drop) {
  return [beginning = std::move(beginning), drop](ScriptedServer::Socket& socket, const std::stop_token& stop) {
    say(socket, beginning);
    while (!stop.stop_requested()) {
      say(socket, {&drop, 1});
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
  };
}
// `beginning`, then as many bytes of `drop` as the peer takes.
inline ScriptedServer::Script pours(std::string beginning, char drop) {
  return [beginning = std::move(beginning), drop](ScriptedServer::Socket& socket, const std::stop_token& stop) {
    say(socket, beginning);
    const std::string flood(65'536, drop);
    while (!stop.stop_requested()) say(socket, flood);
  };
}
inline void resets(ScriptedServer::Socket& socket, const std::stop_token&) {
  char piece[4096];
  socket.read_some(boost::asio::buffer(piece));
  socket.set_option(boost::asio::socket_base::linger(true, 0));
  socket.close();
}
inline void is_silent(ScriptedServer::Socket& socket, const std::stop_token&) { listen_on(socket); }

}  // namespace millrace::control
