#include "tests/sim/application.h"

#include <algorithm>

namespace millrace::sim {

void Application::run(VirtualMs now_ms, uint64_t received, bool fin_received) {
  read_on(now_ms, received);
  const bool read_fin = fin_received && read_ == received;
  write_on(now_ms, read_fin);
  close_when_due(now_ms, read_fin);
}

VirtualMs Application::next_ms() const { return std::min(due_ms_, paused_until_ms_ == 0 ? kNever : paused_until_ms_); }

void Application::read_on(VirtualMs now_ms, uint64_t received) {
  while (paused_until_ms_ <= now_ms) {
    paused_until_ms_ = 0;
    const bool may_pause = next_pause_ < talk_.pauses.size();
    read_ = may_pause ? std::min(received, talk_.pauses[next_pause_].at_read) : received;
    if (!may_pause || read_ < talk_.pauses[next_pause_].at_read || received == read_) return;
    paused_until_ms_ = now_ms + talk_.pauses[next_pause_++].ms;
  }
}

void Application::write_on(VirtualMs now_ms, bool read_fin) {
  for (; next_write_ < talk_.writes.size(); ++next_write_) {
    const Write& write = talk_.writes[next_write_];
    if (read_ < write.after_read || (write.after_fin && !read_fin)) return;
    if (due_ms_ == kNever) due_ms_ = now_ms + write.delay_ms;
    if (now_ms < due_ms_) return;
    written_ += write.byte_count;
    due_ms_ = kNever;
  }
}

void Application::close_when_due(VirtualMs now_ms, bool read_fin) {
  if (has_closed_ || next_write_ < talk_.writes.size()) return;
  if (read_ < talk_.close_after_read || (talk_.close_after_fin && !read_fin)) return;
  if (due_ms_ == kNever) due_ms_ = now_ms + talk_.close_delay_ms;
  if (now_ms < due_ms_) return;
  has_closed_ = true;
  due_ms_ = kNever;
}

}  // namespace millrace::sim
