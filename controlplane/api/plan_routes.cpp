#include "controlplane/api/plan_routes.h"

#include <fmt/format.h>

#include <boost/asio/use_awaitable.hpp>
#include <charconv>

#include "controlplane/api/plan_view.h"
#include "controlplane/config/document.h"
#include "controlplane/config/values.h"

namespace millrace::control {
namespace {

namespace asio = boost::asio;

ApiReply refused_text(const Daemon& daemon, const std::vector<std::string>& errors) {
  ApiReply reply =
      error_reply(400, "this configuration is not possible; nothing was changed", "mend what the errors name");
  reply.body["file"] = daemon.file();  // as which the text was read
  reply.body["errors"] = errors;
  return reply;
}

ApiReply obstacle_reply(const Daemon& daemon, const ChangeReport& report) {
  const std::string& file = daemon.file();
  switch (report.obstacle) {
    case Obstacle::unconfirmed_change:
      return error_reply(409, "the last change waits to be confirmed", "millctl confirm or millctl rollback first");
    case Obstacle::nothing_unconfirmed:
      return error_reply(409, "no change waits to be confirmed",
                         "millctl history says what was done; one whose time has passed was taken back");
    case Obstacle::not_a_file:
      return error_reply(409, fmt::format("the configuration is read from {}", file),
                         "change it there and millctl reload");
    case Obstacle::file_not_writable:
      return error_reply(409, fmt::format("{}; nothing was changed", report.problem),
                         fmt::format("let millraced's user own {} and its directory, or write it yourself and millctl "
                                     "reload",
                                     file));
    case Obstacle::file_edited:
      return error_reply(409, fmt::format("{} was edited since it was read; nothing was changed", file),
                         "millctl reload puts that in force first; or apply the file itself");
    case Obstacle::no_such_entry:
      return error_reply(404, fmt::format("the history has no such configuration: {}", report.problem),
                         "GET /v1/history lists them");
    case Obstacle::nothing_before:
      return error_reply(409, "the history begins with what is in force", "millctl apply another configuration");
    case Obstacle::trial_cannot_be_kept:
      return error_reply(409, fmt::format("{}; nothing was changed", report.problem),
                         "the directory of the configuration file must be writable for a change on trial");
    case Obstacle::none:
      break;
  }
  return error_reply(500, "the change was stopped for no reason", "report it");
}

ApiReply change_reply(const Daemon& daemon, const ChangeReport& report) {
  if (report.obstacle != Obstacle::none) return obstacle_reply(daemon, report);
  if (report.reload.accepted) return {200, change_view(report), {}};
  ApiReply reply = refused_text(daemon, report.reload.errors);
  if (report.reload.outcome == Outcome::rejected) reply.status = 409;
  return reply;
}

// "60s", or plain seconds. nullopt: neither.
std::optional<std::chrono::seconds> parse_window(const std::string& text) {
  constexpr uint64_t kMs = 1000;
  const bool is_number = !text.empty() && text.find_first_not_of("0123456789") == std::string::npos;
  const config::Parsed<uint64_t> parsed = config::parse_duration_ms(is_number ? text + "s" : text);
  if (!parsed.value || *parsed.value < kMs || *parsed.value > kConfirmSecondsMax * kMs) return std::nullopt;
  return std::chrono::seconds(*parsed.value / kMs);
}

std::optional<uint64_t> parse_entry_number(const std::string& text) {
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size() || number == 0) return std::nullopt;
  return number;
}

ApiReply bad_number(const std::string& text) {
  return error_reply(400, fmt::format("'{}' is no number of the history", text), "GET /v1/history lists them");
}

}  // namespace

asio::awaitable<ApiReply> post_plan(Daemon& daemon, const Call& call) {
  const PlanReport report = co_await daemon.changes().plan(call.request.body);
  if (!report.errors.empty()) co_return refused_text(daemon, report.errors);
  co_return ApiReply{200, plan_view(report.plan), {}};
}

asio::awaitable<ApiReply> post_apply(Daemon& daemon, const Call& call) {
  std::optional<std::chrono::seconds> window;
  if (const std::string* asked = call.parameter("confirm_within")) {
    window = parse_window(*asked);
    if (!window)
      co_return error_reply(400, fmt::format("confirm_within '{}' is not possible", *asked),
                            "write 1s to 24h: confirm_within=60s");
  }
  const ChangeReport report = co_await daemon.changes().apply(call.request.body, window);
  co_return change_reply(daemon, report);
}

ApiReply post_confirm(Daemon& daemon, const Call&) {
  const ChangeReport report = daemon.changes().confirm();
  if (report.obstacle != Obstacle::none) return obstacle_reply(daemon, report);
  return {200, {{"confirmed", true}, {"time", report.reload.time}}, {}};
}

asio::awaitable<ApiReply> post_rollback(Daemon& daemon, const Call& call) {
  std::optional<uint64_t> number;
  if (const std::string* asked = call.parameter("to")) {
    number = parse_entry_number(*asked);
    if (!number) co_return bad_number(*asked);
  }
  const ChangeReport report = co_await daemon.changes().rollback(number);
  co_return change_reply(daemon, report);
}

ApiReply get_history(Daemon& daemon, const Call&) { return {200, history_view(daemon), {}}; }

// Whoever may only look sees no secrets, so it is the tree that is shown, without comments.
ApiReply get_history_entry(Daemon& daemon, const Call& call) {
  const std::optional<uint64_t> number = parse_entry_number(call.part("number"));
  if (!number) return bad_number(call.part("number"));
  std::string problem;
  const std::optional<HistoryEntry> entry = daemon.history().read(*number, problem);
  if (!entry)
    return error_reply(404, fmt::format("there is no entry {}: {}", *number, problem), "GET /v1/history lists them");
  Json view = {{"number", entry->number},
               {"time", entry->time},
               {"origin", origin_name(entry->origin)},
               {"summary", entry->summary}};
  const config::ChangesFile kept = config::parse_changes(entry->changes, daemon.file());
  const config::LoadResult loaded =
      config::parse_config(entry->text, daemon.file(), kept.changes ? &*kept.changes : nullptr);
  if (loaded.config) {
    view["config"] = config::to_toml(config::without_secrets(loaded.config->document->root));
  } else {
    view["errors"] = Json::array();
    for (const config::ConfigError& error : loaded.errors) view["errors"].push_back(config::format_error(error));
  }
  return {200, std::move(view), {}};
}

}  // namespace millrace::control
