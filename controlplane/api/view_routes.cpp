#include "controlplane/api/view_routes.h"

#include <fmt/format.h>

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>

#include "controlplane/api/number_parameter.h"
#include "controlplane/api/views.h"

namespace millrace::control {
namespace {

namespace asio = boost::asio;

// So long a request may keep one of the API's connections.
constexpr uint32_t kIntervalMaxS = 60;

}  // namespace

ApiReply get_status(Daemon& daemon, const Call&) { return {200, status_view(daemon), {}}; }
ApiReply get_counters(Daemon& daemon, const Call&) { return {200, counters_view(daemon), {}}; }
ApiReply get_snat(Daemon& daemon, const Call&) { return {200, snat_view(daemon), {}}; }
ApiReply get_steering(Daemon& daemon, const Call&) { return {200, steering_view(daemon), {}}; }
ApiReply get_version(Daemon&, const Call&) { return {200, version_view(), {}}; }

// With an interval: of the time from now on, so long; the connection waits for it.
asio::awaitable<ApiReply> get_stages(Daemon& daemon, const Call& call) {
  std::optional<uint32_t> worker, interval_s;
  for (const auto& [name, text] : call.target.query) {
    const bool is_worker = name == "worker";
    const std::optional<uint32_t> number =
        parse_number(text, is_worker ? 0 : 1, is_worker ? kWorkerMax : kIntervalMaxS);
    if (!number)
      co_return error_reply(400, fmt::format("{} '{}' is not possible", name, text),
                            is_worker ? "write a worker's number, as millctl status shows them"
                                      : fmt::format("write seconds, from 1 to {}", kIntervalMaxS));
    (is_worker ? worker : interval_s) = number;
  }
  const std::shared_ptr<const Segment> segment = daemon.link().segment();
  if (!segment) co_return ApiReply{200, {{"connected", false}}, {}};
  if (worker && *worker >= segment->worker_count())
    co_return error_reply(404, fmt::format("there is no worker {}", *worker),
                          fmt::format("workers: 0 to {}", segment->worker_count() - 1));
  if (!interval_s) co_return ApiReply{200, stages_view(read_stages(*segment), segment->tsc_hz(), worker), {}};

  const std::vector<StagesLive> before = read_stages(*segment);
  asio::steady_timer interval(co_await asio::this_coro::executor, std::chrono::seconds(*interval_s));
  co_await interval.async_wait(asio::use_awaitable);
  if (daemon.link().segment() != segment)
    co_return error_reply(409, "the dataplane went away during the interval", "ask again when it is back");
  ApiReply reply{200, stages_view(stages_between(before, read_stages(*segment)), segment->tsc_hz(), worker), {}};
  reply.body["interval_s"] = *interval_s;
  co_return reply;
}

}  // namespace millrace::control
