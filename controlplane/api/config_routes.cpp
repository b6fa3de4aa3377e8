#include "controlplane/api/config_routes.h"

#include <fmt/format.h>

#include <boost/asio/use_awaitable.hpp>

#include "controlplane/api/views.h"

namespace millrace::control {

namespace asio = boost::asio;

asio::awaitable<ApiReply> post_reload(Daemon& daemon, const Call&) {
  const std::optional<ReloadReport> report = co_await daemon.reload();
  if (!report) co_return error_reply(409, "a reload is already under way", "ask again when it is done");
  if (report->accepted) co_return ApiReply{200, reload_view(*report), {}};
  ApiReply reply = error_reply(409, fmt::format("{} was not reloaded; the old configuration stays", daemon.file()),
                               "mend what the errors name and reload again");
  reply.body["errors"] = report->errors;
  co_return reply;
}

}  // namespace millrace::control
