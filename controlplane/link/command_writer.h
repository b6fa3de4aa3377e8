// command_writer.h: puts messages on the command ring; what does not fit waits here and is sent later, in order.
// Thread: the event loop.
// Memory: one batch, 256 bytes a message; a new batch is only taken when the last one is on the ring.
// Fails:  never; a corrupt ring shows in sound().      Tests: tests/unit/control/link_test.cpp
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "millrace/messages.h"
#include "millrace/shared_ring.h"

namespace millrace::control {

class CommandWriter {
 public:
  // `first_sequence` differs between runs of millraced, so that an answer to an earlier one is not taken for ours.
  // `memory` is the ring's own.
  CommandWriter(SharedRing<Command> ring, std::span<const std::byte> memory, uint32_t first_sequence);

  // Takes the messages, numbers them and sends what fits. Only when idle().
  void send(std::vector<Command> batch);
  // Sends more of the batch. True: all of it is on the ring.
  bool flush();
  bool idle() const { return sent_ == batch_.size(); }
  // False once the ring is corrupt, or is not where this writer left it: the dataplane lays a ring anew that it found
  // broken, and what was in it is lost.
  bool sound() const;
  // The message of the last batch with this number; nullptr: of an earlier one.
  const Command* find(uint32_t sequence) const;
  // Whether this writer ever gave that number.
  bool is_mine(uint32_t sequence) const { return sequence - first_sequence_ < next_sequence_ - first_sequence_; }

 private:
  SharedRing<Command> ring_;
  const rte_ring* header_;
  uint32_t position_;  // of the producer, as this writer counts it
  uint32_t first_sequence_;
  uint32_t next_sequence_;
  std::vector<Command> batch_;
  size_t sent_ = 0;
};

}  // namespace millrace::control
