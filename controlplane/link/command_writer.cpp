#include "controlplane/link/command_writer.h"

namespace millrace::control {

void CommandWriter::send(std::vector<Command> batch) {
  batch_ = std::move(batch);
  sent_ = 0;
  for (Command& command : batch_) command.sequence = next_sequence_++;
  flush();
}

bool CommandWriter::flush() {
  while (sent_ < batch_.size() && ring_.try_send(batch_[sent_])) ++sent_;
  return idle();
}

const Command* CommandWriter::find(uint32_t sequence) const {
  if (batch_.empty()) return nullptr;
  const uint32_t position = sequence - batch_.front().sequence;
  return position < batch_.size() ? &batch_[position] : nullptr;
}

}  // namespace millrace::control
