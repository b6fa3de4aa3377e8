#include "controlplane/api/setting_body.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "controlplane/config/error_text.h"
#include "controlplane/config/json_text.h"
#include "controlplane/config/tunables.h"

namespace millrace::control {
namespace {

Refusal unknown_setting(const std::string& name) {
  const std::string_view nearest = config::nearest_tunable(name);
  std::vector<std::string_view> names;
  for (const config::Tunable& tunable : config::tunables()) names.push_back(tunable.name);
  return {400, fmt::format("{} is no setting that can be tuned", config::quote(name)),
          nearest.empty() ? "tune " + config::list_words(names) : fmt::format("did you mean {}?", nearest)};
}

}  // namespace

Refusal tune(const std::string& body, config::Changes& changes, std::string& what) {
  const char* const remedy = R"(send {"timeouts.syn_sent": "5s", "logging.level": null}; null goes back to the file)";
  // It leaves out what is null.
  const config::JsonText values = config::parse_json(body);
  if (!values.root) return {400, fmt::format("the body is no JSON object: {}", values.problem), remedy};
  const auto said = nlohmann::ordered_json::parse(body);
  if (said.empty()) return {400, "the body names no setting", remedy};
  for (const auto& [name, value] : said.items())
    if (config::find_tunable(name) == nullptr) return unknown_setting(name);
  for (const auto& [name, value] : said.items()) {
    const toml::node* wanted = values.root->get(name);
    if (wanted != nullptr)
      changes.tuned.insert_or_assign(name, *wanted);
    else
      changes.tuned.erase(name);
    what += what.empty() ? "" : ", ";
    what += wanted == nullptr ? name + " reset" : fmt::format("{} = {}", name, config::escape(value.dump()));
  }
  return {};
}

}  // namespace millrace::control
