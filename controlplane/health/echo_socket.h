// echo_socket.h: sends ICMP echo requests of one family and knows whose answers come back. One socket for all backends.
// Thread: the event loop.
// Bound:  65,536 unanswered requests at a time.
// Fails:  open() without the right to; send() as the kernel says.      Tests: tests/unit/control/health_icmp_test.cpp
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstdint>
#include <memory>
#include <optional>
#include <random>
#include <unordered_map>

#include "millrace/addr.h"

namespace millrace::control {

// A request that waits for its answer.
struct Echo {
  IpAddr to;
  uint64_t token = 0;  // in its data, so that nobody can answer who did not see it
  bool answered = false;
  boost::asio::steady_timer* waiter = nullptr;  // cancelled when it is answered
};

class EchoSocket : public std::enable_shared_from_this<EchoSocket> {
 public:
  // A datagram socket of ICMP, which needs no right but net.ipv4.ping_group_range, else a raw one (CAP_NET_RAW).
  // Null: `error` says why there is neither.
  static std::shared_ptr<EchoSocket> open(const boost::asio::any_io_executor& executor, Family family,
                                          boost::system::error_code& error);

  // Sends `echo`, which must stay where it is until forget() of the number that is returned; nullopt: see `error`.
  std::optional<uint16_t> send(Echo& echo, boost::system::error_code& error);
  void forget(uint16_t number);

 private:
  EchoSocket(const boost::asio::any_io_executor& executor, int descriptor, Family family, bool raw);
  void listen();
  void receive_all();
  void take(const IpAddr& from, const uint8_t* packet, size_t bytes);

  boost::asio::posix::stream_descriptor descriptor_;
  Family family_;
  bool raw_;  // IPv4 answers come with their IP header, and everybody's answers come
  bool listening_ = false;
  uint16_t identifier_;  // of raw sockets; the kernel gives the others one
  uint16_t next_number_ = 0;
  std::unordered_map<uint16_t, Echo*> waiting_;  // by number
  std::mt19937_64 random_;
};

}  // namespace millrace::control
