#include "controlplane/metrics/metrics_routes.h"

#include <memory>

#include "controlplane/api/target.h"
#include "controlplane/metrics/metrics_page.h"

namespace millrace::control {
namespace {

class MetricsStream : public ReplyStream {
 public:
  explicit MetricsStream(const Daemon& daemon) : page_(daemon) {}

  const char* content_type() const override { return "text/plain; version=0.0.4; charset=utf-8"; }
  bool has_end() const override { return true; }
  boost::asio::awaitable<std::string> next() override { co_return page_.next_piece(); }
  void stop() override {}
  void cut_off() override {}

 private:
  MetricsPage page_;
};

}  // namespace

boost::asio::awaitable<ApiReply> route_metrics(const Daemon& daemon, ApiRequest request) {
  const std::optional<Target> target = parse_target(request.target);
  if (!target) co_return error_reply(400, "the request target is malformed", "percent-encode it");
  if (target->path.size() != 1 || target->path[0] != "metrics")
    co_return error_reply(404, "there is nothing at this path", "metrics are at /metrics");
  if (request.method != "GET") co_return method_reply(request.method, "GET");
  ApiReply reply;
  reply.stream = std::make_shared<MetricsStream>(daemon);
  co_return reply;
}

}  // namespace millrace::control
