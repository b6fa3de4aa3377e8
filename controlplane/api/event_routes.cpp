#include "controlplane/api/event_routes.h"

#include <fmt/format.h>

#include <charconv>

#include "controlplane/api/event_stream.h"
#include "controlplane/api/views.h"

namespace millrace::control {
namespace {

std::optional<uint64_t> parse_id(const std::string& text) {
  uint64_t id = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), id);
  if (error != std::errc{} || end != text.data() + text.size() || text.size() > 18) return std::nullopt;
  return id;
}

ApiReply list_events(const EventLog& log, uint64_t after) {
  Json rows = Json::array();
  for (uint64_t id = std::max(after + 1, log.first_id()); id <= log.last_id(); ++id)
    rows.push_back(Json::parse(log.at(id).json));
  return {200,
          {{"events", std::move(rows)},
           {"last_id", log.last_id()},
           {"streams", log.listener_count()},
           {"cut_off", log.cut_off()}},
          {}};
}

}  // namespace

ApiReply get_events(Daemon& daemon, const Call& call) {
  const std::shared_ptr<EventLog>& log = daemon.events();
  const std::string* after_text = call.parameter("after");
  // A browser that connects again tells where it was.
  if (!call.request.last_event_id.empty()) after_text = &call.request.last_event_id;
  const std::optional<uint64_t> after = after_text == nullptr ? log->last_id() : parse_id(*after_text);
  if (!after)
    return error_reply(400, fmt::format("there is no event '{}'", *after_text), "write an event's id, or 0 for all");
  const std::string* follow = call.parameter("follow");
  if (follow != nullptr && *follow != "0" && *follow != "1")
    return error_reply(400, "follow is neither 0 nor 1", "write follow=0 for a list");
  if (follow != nullptr && *follow == "0") return list_events(*log, after_text == nullptr ? 0 : *after);
  if (log->listener_count() >= kEventStreamMax)
    return error_reply(503, fmt::format("{} streams of events are open", kEventStreamMax),
                       "close one, or ask with follow=0");
  ApiReply reply;
  reply.stream = std::make_shared<EventStream>(daemon.executor(), log, *after);
  return reply;
}

}  // namespace millrace::control
