// ares_question.h: one c-ares channel for one question, its sockets and its time driven by the event loop.
// Thread: the event loop.      Tests: tests/unit/control/dns_test.cpp
#pragma once

#include <ares.h>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "millrace/addr.h"

namespace millrace::control {

// Handlers of the loop keep it alive; close() makes them do nothing.
class AresQuestion : public std::enable_shared_from_this<AresQuestion> {
 public:
  explicit AresQuestion(const boost::asio::any_io_executor& executor);
  ~AresQuestion();
  AresQuestion(const AresQuestion&) = delete;
  AresQuestion& operator=(const AresQuestion&) = delete;

  // Empty, or why not.
  std::string open(const std::optional<Endpoint>& server, bool tcp);
  ares_channel channel() const { return channel_; }
  // Ends whatever is under way: c-ares calls its callbacks with ARES_EDESTRUCTION.
  void close();
  // From a callback of c-ares: there is a result.
  void finish();
  // Until finish().
  boost::asio::awaitable<void> wait();

 private:
  struct Socket {
    boost::asio::posix::stream_descriptor descriptor;
    bool wants_read = false;
    bool wants_write = false;
    bool reading = false;
    bool writing = false;
    explicit Socket(const boost::asio::any_io_executor& executor) : descriptor(executor) {}
  };

  static void socket_changed(void* self, ares_socket_t fd, int readable, int writable);
  void arm(ares_socket_t fd, const std::shared_ptr<Socket>& socket);
  void arm_timer();
  void process(ares_socket_t read_fd, ares_socket_t write_fd);

  boost::asio::any_io_executor executor_;
  ares_channel channel_ = nullptr;
  std::map<ares_socket_t, std::shared_ptr<Socket>> sockets_;
  boost::asio::steady_timer timer_;
  boost::asio::steady_timer done_;
  bool finished_ = false;
};

}  // namespace millrace::control
