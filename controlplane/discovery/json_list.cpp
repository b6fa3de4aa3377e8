// json_list.cpp: parse_json_list: a list of objects, and the paths inside them; and what stands in JSON by name.
#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <optional>

#include "controlplane/config/error_text.h"
#include "controlplane/config/values.h"
#include "controlplane/discovery/backend_text.h"
#include "controlplane/discovery/json_answer.h"

namespace millrace::control {
namespace {

using Json = nlohmann::json;

// The next key of a path; quotes keep dots together: a.'b.c'.[0]
std::string take_key(std::string_view& path) {
  std::string key;
  char quoted = 0;
  size_t at = 0;
  for (; at < path.size() && (quoted != 0 || path[at] != '.'); ++at) {
    if (quoted != 0 ? path[at] == quoted : path[at] == '\'' || path[at] == '"')
      quoted = quoted != 0 ? 0 : path[at];
    else
      key += path[at];
  }
  path.remove_prefix(std::min(at + 1, path.size()));
  return key;
}

// null: there is no such value.
const Json* step(const Json& from, const std::string& key) {
  if (key.size() > 2 && key.front() == '[' && key.back() == ']') {
    const auto index = config::parse_decimal(std::string_view(key).substr(1, key.size() - 2), SIZE_MAX);
    return index && from.is_array() && *index < from.size() ? &from[*index] : nullptr;
  }
  if (!from.is_object()) return nullptr;
  const auto found = from.find(key);
  return found == from.end() ? nullptr : &*found;
}

std::string text_at(const Json& entry, std::string_view path) {
  const Json* value = &entry;
  while (value != nullptr && !path.empty()) value = step(*value, take_key(path));
  return value == nullptr ? "" : scalar_text(*value);
}

}  // namespace

std::optional<Json> parse_json_answer(std::string_view text, std::string& problem) {
  bool too_deep = false;
  const auto watch_depth = [&](int depth, Json::parse_event_t, Json&) {
    too_deep |= depth > kJsonDepthMax;
    return !too_deep;
  };
  Json parsed = Json::parse(text, watch_depth, false);
  if (too_deep)
    problem = fmt::format("its JSON is more than {} deep", kJsonDepthMax);
  else if (parsed.is_discarded())
    problem = "it is no JSON, or not all of it";
  else
    return parsed;
  return std::nullopt;
}

std::string scalar_text(const Json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_number_integer()) return value.dump();
  // gobetween takes 1.0 for 1.
  if (value.is_number_float() && value.get<double>() == static_cast<double>(static_cast<int64_t>(value.get<double>())))
    return std::to_string(static_cast<int64_t>(value.get<double>()));
  return {};
}

const Json& member(const Json& object, const char* key) {
  static const Json kNothing;
  if (!object.is_object()) return kNothing;
  const auto found = object.find(key);
  return found == object.end() ? kNothing : *found;
}

std::string member_text(const Json& object, const char* key) { return scalar_text(member(object, key)); }

Answer parse_json_list(std::string_view text, const config::JsonPatterns& patterns) {
  std::string problem;
  const std::optional<Json> list = parse_json_answer(text, problem);
  if (!list) return Answer::failed(problem);
  if (!list->is_array()) return Answer::failed(fmt::format("its JSON is {}, not a list", list->type_name()));
  AnswerBuilder builder;
  for (size_t i = 0; i < list->size(); ++i) {
    const Json& entry = (*list)[i];
    const BackendParts parts{.host = text_at(entry, patterns.host),
                             .port = text_at(entry, patterns.port),
                             .weight = text_at(entry, patterns.weight),
                             .priority = text_at(entry, patterns.priority),
                             .max_connections = text_at(entry, patterns.max_connections),
                             .sni = text_at(entry, patterns.sni)};
    if (!builder.add(parse_parts(parts), fmt::format("entry {}", i + 1))) break;
  }
  return builder.take("entries");
}

}  // namespace millrace::control
