// application.h: one side's application: plays a Talk. It reads, pauses, writes and closes its half.
#pragma once

#include <cstddef>

#include "tests/sim/script.h"

namespace millrace::sim {

class Application {
 public:
  explicit Application(const Talk& talk) : talk_(talk) {}

  // Does all that is due. `received`: bytes of the peer's stream that are there in order.
  void run(VirtualMs now_ms, uint64_t received, bool fin_received);
  // When run() has something to do although nothing arrives.
  VirtualMs next_ms() const;

  uint64_t read() const { return read_; }
  uint64_t written() const { return written_; }
  bool has_closed() const { return has_closed_; }

 private:
  void read_on(VirtualMs now_ms, uint64_t received);
  void write_on(VirtualMs now_ms, bool read_fin);
  void close_when_due(VirtualMs now_ms, bool read_fin);

  const Talk& talk_;
  uint64_t read_ = 0;
  uint64_t written_ = 0;
  bool has_closed_ = false;
  size_t next_write_ = 0;
  size_t next_pause_ = 0;
  VirtualMs paused_until_ms_ = 0;
  VirtualMs due_ms_ = kNever;  // of the next write or of the close, once its condition holds
};

}  // namespace millrace::sim
