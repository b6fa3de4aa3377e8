#include "controlplane/health/udp_probe.h"

#include <boost/asio/ip/udp.hpp>
#include <boost/asio/this_coro.hpp>

#include "controlplane/health/answer_judge.h"
#include "controlplane/health/deadline.h"
#include "controlplane/health/probe_errors.h"

namespace millrace::control {

namespace asio = boost::asio;
using asio::ip::udp;

asio::awaitable<ProbeResult> UdpProbe::run(Endpoint endpoint, std::chrono::milliseconds timeout) {
  const auto executor = co_await asio::this_coro::executor;
  const udp::endpoint target(to_asio(endpoint.addr), endpoint.port.host());
  udp::socket socket(executor);
  boost::system::error_code error;
  socket.open(target.protocol(), error);
  // Connected: nobody else's datagrams come in, and an ICMP error says that nobody listens there.
  if (!error) socket.connect(target, error);
  if (error) co_return failed_by(error);

  const Deadline deadline(executor, timeout, [&socket] {
    boost::system::error_code ignored;
    socket.close(ignored);
  });
  std::tie(error, std::ignore) = co_await socket.async_send(asio::buffer(check_.send), kQuietly);
  std::string answer(check_.answer_bytes, '\0');
  size_t bytes = 0;
  if (!error) std::tie(error, bytes) = co_await socket.async_receive(asio::buffer(answer), kQuietly);
  if (deadline.passed()) co_return timed_out(timeout);
  if (error && error != asio::error::message_size) co_return failed_by(error);
  if (bytes == 0) co_return ProbeResult{ProbeOutcome::failed, "answered an empty datagram"};
  co_return judge_answer(std::string_view(answer).substr(0, bytes), check_);
}

}  // namespace millrace::control
