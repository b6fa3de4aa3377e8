// paced_connection.h: one keep-alive HTTP connection with at most one request under way.
// Thread: one.
// Fails:  open() and receive() say so; the caller counts.
// Tests:  perf/lab --loads latency: a request that fails or stalls shows there
#pragma once

#include <cstdint>
#include <string>

#include "millrace/addr.h"

namespace millrace::perf {

class PacedConnection {
 public:
  explicit PacedConnection(const Endpoint& target) : target_(target) {}
  ~PacedConnection() { close(); }
  PacedConnection(const PacedConnection&) = delete;
  PacedConnection& operator=(const PacedConnection&) = delete;

  // Connects within kConnectSeconds, then never blocks again.
  bool open();
  void close();
  bool is_open() const { return fd_ >= 0; }
  bool is_waiting() const { return due_ns_ != 0; }
  int fd() const { return fd_; }

  // Sends a request that was due at `due_ns`. False: the connection is broken.
  bool send(int64_t due_ns);

  enum class Progress : uint8_t { partial, answered, broken };
  // Reads what has come. `answered`: the whole answer with status 200 is here, due_ns() was its request's.
  Progress receive();
  int64_t due_ns() const { return due_ns_; }
  void forget() { due_ns_ = 0; }

 private:
  bool is_whole() const;

  Endpoint target_;
  int fd_ = -1;
  int64_t due_ns_ = 0;  // 0: no request under way
  std::string answer_;
};

}  // namespace millrace::perf
