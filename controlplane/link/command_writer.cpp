#include "controlplane/link/command_writer.h"

namespace millrace::control {

CommandWriter::CommandWriter(SharedRing<Command> ring, std::span<const std::byte> memory, uint32_t first_sequence)
    : ring_(ring),
      header_(reinterpret_cast<const rte_ring*>(memory.data())),
      position_(__atomic_load_n(&header_->prod.tail, __ATOMIC_ACQUIRE)),
      first_sequence_(first_sequence),
      next_sequence_(first_sequence) {}

bool CommandWriter::sound() const {
  return ring_.sound() && __atomic_load_n(&header_->prod.tail, __ATOMIC_ACQUIRE) == position_;
}

void CommandWriter::send(std::vector<Command> batch) {
  batch_ = std::move(batch);
  sent_ = 0;
  for (Command& command : batch_) command.sequence = next_sequence_++;
  flush();
}

bool CommandWriter::flush() {
  for (; sent_ < batch_.size() && ring_.try_send(batch_[sent_]); ++sent_) ++position_;
  return idle();
}

const Command* CommandWriter::find(uint32_t sequence) const {
  if (batch_.empty()) return nullptr;
  const uint32_t position = sequence - batch_.front().sequence;
  return position < batch_.size() ? &batch_[position] : nullptr;
}

}  // namespace millrace::control
