#include "controlplane/dns/ares_question.h"

#include <sys/time.h>

#include <boost/asio/use_awaitable.hpp>
#include <utility>

#include "controlplane/net/asio_types.h"

namespace millrace::control {
namespace {

namespace asio = boost::asio;
using Descriptor = asio::posix::stream_descriptor;

constexpr int kTryMs = 1000;
constexpr int kTries = 2;
constexpr int kUdpBytes = 1232;  // of EDNS: what crosses every path without fragments (DNS flag day 2020)

}  // namespace

AresQuestion::AresQuestion(const asio::any_io_executor& executor)
    : executor_(executor), timer_(executor), done_(executor, asio::steady_timer::time_point::max()) {}

AresQuestion::~AresQuestion() { close(); }

std::string AresQuestion::open(const std::optional<Endpoint>& server, bool tcp) {
  ares_options options{};
  options.flags = ARES_FLAG_EDNS | (tcp ? ARES_FLAG_USEVC : 0);
  options.ednspsz = kUdpBytes;
  options.timeout = kTryMs;
  options.tries = kTries;
  options.sock_state_cb = socket_changed;
  options.sock_state_cb_data = this;
  const int mask = ARES_OPT_FLAGS | ARES_OPT_EDNSPSZ | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB;
  int status = ares_init_options(&channel_, &options, mask);
  if (status != ARES_SUCCESS) {
    channel_ = nullptr;
    return ares_strerror(status);
  }
  if (server) status = ares_set_servers_ports_csv(channel_, format_endpoint(*server).c_str());
  return status == ARES_SUCCESS ? "" : ares_strerror(status);
}

void AresQuestion::close() {
  timer_.cancel();
  if (channel_ != nullptr) ares_destroy(std::exchange(channel_, nullptr));
  for (auto& [fd, socket] : sockets_) socket->descriptor.release();
  sockets_.clear();
}

void AresQuestion::finish() {
  finished_ = true;
  done_.cancel();
}

asio::awaitable<void> AresQuestion::wait() {
  arm_timer();
  if (!finished_) co_await done_.async_wait(kQuietly);
}

// c-ares opens and closes its sockets itself; both 0: it is about to close.
void AresQuestion::socket_changed(void* self, ares_socket_t fd, int readable, int writable) {
  AresQuestion& question = *static_cast<AresQuestion*>(self);
  std::shared_ptr<Socket>& socket = question.sockets_[fd];
  if (readable == 0 && writable == 0) {
    if (socket) socket->descriptor.release();
    question.sockets_.erase(fd);
    return;
  }
  if (!socket) {
    socket = std::make_shared<Socket>(question.executor_);
    socket->descriptor.assign(fd);
  }
  socket->wants_read = readable != 0;
  socket->wants_write = writable != 0;
  question.arm(fd, socket);
}

void AresQuestion::arm(ares_socket_t fd, const std::shared_ptr<Socket>& socket) {
  const auto wait = [&](Descriptor::wait_type type, bool& waiting) {
    waiting = true;
    socket->descriptor.async_wait(type, [self = shared_from_this(), fd, socket, type](auto error) {
      (type == Descriptor::wait_read ? socket->reading : socket->writing) = false;
      if (error || !socket->descriptor.is_open() || self->channel_ == nullptr) return;
      self->process(type == Descriptor::wait_read ? fd : ARES_SOCKET_BAD,
                    type == Descriptor::wait_write ? fd : ARES_SOCKET_BAD);
      if (socket->descriptor.is_open()) self->arm(fd, socket);
    });
  };
  if (socket->wants_read && !socket->reading) wait(Descriptor::wait_read, socket->reading);
  if (socket->wants_write && !socket->writing) wait(Descriptor::wait_write, socket->writing);
}

void AresQuestion::process(ares_socket_t read_fd, ares_socket_t write_fd) {
  ares_process_fd(channel_, read_fd, write_fd);
  arm_timer();
}

void AresQuestion::arm_timer() {
  timeval left{};
  if (channel_ == nullptr || finished_ || ares_timeout(channel_, nullptr, &left) == nullptr) return;
  timer_.expires_after(std::chrono::seconds(left.tv_sec) + std::chrono::microseconds(left.tv_usec));
  timer_.async_wait([self = shared_from_this()](auto error) {
    if (!error && self->channel_ != nullptr) self->process(ARES_SOCKET_BAD, ARES_SOCKET_BAD);
  });
}

}  // namespace millrace::control
