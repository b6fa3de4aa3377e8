#include "controlplane/api/setting_routes.h"

#include <algorithm>
#include <boost/asio/use_awaitable.hpp>

#include "controlplane/api/server_routes.h"
#include "controlplane/api/setting_body.h"
#include "controlplane/api/views.h"
#include "controlplane/config/document.h"
#include "controlplane/config/tunables.h"
#include "controlplane/state/setting_changes.h"

namespace millrace::control {
namespace {

namespace asio = boost::asio;

// "10s", "64": without TOML's quotes.
std::string text_of(const toml::node& value) {
  const Json json = config::to_json(value);
  return json.is_string() ? json.get<std::string>() : json.dump();
}

Json setting_view(const config::Config& config, const config::Tunable& tunable) {
  Json view = {{"name", tunable.name},
               {"value", tunable.in_force(config)},
               {"default", tunable.default_text},
               {"range", tunable.range},
               {"about", tunable.about},
               {"tuned", config.document->changes.tuned.contains(tunable.name)}};
  if (const toml::node* said = config.document->settings_in_file.get(tunable.name)) view["file"] = text_of(*said);
  return view;
}

}  // namespace

ApiReply get_settings(Daemon& daemon, const Call&) {
  Json settings = Json::array();
  for (const config::Tunable& tunable : config::tunables()) settings.push_back(setting_view(daemon.config(), tunable));
  return {200, {{"settings", std::move(settings)}}, {}};
}

asio::awaitable<ApiReply> patch_settings(Daemon& daemon, const Call& call) {
  const Turns::Turn turn = co_await daemon.turns().take();
  const config::Changes& before = daemon.config().document->changes;
  config::Changes changes = before;
  std::string what;
  const Refusal refusal = tune(call.request.body, changes, what);
  if (refusal.status != 0) co_return error_reply(refusal.status, refusal.error, refusal.remedy);
  // Of a file that loses its [flow_log] later the rate is of no use, and no reason to refuse it.
  const bool tunes_rate = changes.tuned.contains("flow_log.rate") &&
                          std::ranges::count(tuned_changes(before.tuned, changes.tuned), "flow_log.rate") != 0;
  if (tunes_rate && daemon.config().flow_log.output.empty())
    co_return error_reply(400, "flow_log.rate cannot be tuned: the file has no [flow_log]",
                          "write [flow_log] with output = \"stdout\" in the file, or reset the setting");
  co_return co_await apply_changes(daemon, std::move(changes), std::move(what));
}

}  // namespace millrace::control
