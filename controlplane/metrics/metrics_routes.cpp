#include "controlplane/metrics/metrics_routes.h"

#include <fmt/format.h>

#include "controlplane/api/target.h"
#include "controlplane/metrics/metrics_page.h"

namespace millrace::control {

boost::asio::awaitable<ApiReply> route_metrics(const Daemon& daemon, ApiRequest request) {
  const std::optional<Target> target = parse_target(request.target);
  if (!target) co_return error_reply(400, "the request target is malformed", "percent-encode it");
  if (target->path.size() != 1 || target->path[0] != "metrics")
    co_return error_reply(404, "there is nothing at this path", "metrics are at /metrics");
  if (request.method != "GET") co_return method_reply(request.method, "GET");
  ApiReply reply;
  reply.text = metrics_page(daemon);
  co_return reply;
}

}  // namespace millrace::control
