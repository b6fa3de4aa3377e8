#include "controlplane/discovery/etcd_message.h"

#include <fmt/format.h>

#include <charconv>
#include <optional>

#include "controlplane/config/error_text.h"
#include "controlplane/discovery/json_answer.h"
#include "controlplane/net/base64.h"

namespace millrace::control {
namespace {

using Json = nlohmann::json;

// The first key behind all that begin with `prefix`; one zero byte: there is none.
std::string end_of(std::string_view prefix) {
  std::string end(prefix);
  while (!end.empty() && static_cast<uint8_t>(end.back()) == 0xff) end.pop_back();
  if (end.empty()) return std::string(1, '\0');
  end.back() = static_cast<char>(end.back() + 1);
  return end;
}

// A member that is an object; nullptr: there is none.
const Json* object_in(const Json& object, const char* key) {
  if (!object.is_object()) return nullptr;
  const auto found = object.find(key);
  return found == object.end() || !found->is_object() ? nullptr : &*found;
}

const Json* list_in(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found == object.end() || !found->is_array() ? nullptr : &*found;
}

std::string text_in(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found == object.end() ? "" : scalar_text(*found);
}

// 0: there is none.
int64_t number_in(const Json& object, const char* key) {
  const std::string text = text_in(object, key);
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc{} && end == text.data() + text.size() ? value : 0;
}

bool is_true(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && *found == Json(true);
}

int64_t revision_of(const Json& answer) {
  const Json* header = object_in(answer, "header");
  return header == nullptr ? 0 : number_in(*header, "revision");
}

// False: it is no pair.
bool take_pair(const Json* pair, bool removed, EtcdUpdate& update) {
  if (pair == nullptr || (pair->contains("value") && !(*pair)["value"].is_string())) return false;
  std::optional<std::string> key = from_base64(text_in(*pair, "key"));
  std::optional<std::string> value = from_base64(text_in(*pair, "value"));
  if (!key || key->empty() || !value) return false;
  update.pairs.push_back({std::move(*key), std::move(*value), removed});
  return true;
}

EtcdUpdate failed(std::string why) {
  EtcdUpdate update;
  update.problem = std::move(why);
  return update;
}

// Why the registry ends a watch.
std::string describe_end(const Json& result) {
  if (const int64_t compacted = number_in(result, "compact_revision"); compacted != 0)
    return fmt::format("its history before revision {} is compacted", compacted);
  return "it cancels the watch: " + config::quote(text_in(result, "cancel_reason"));
}

}  // namespace

std::string etcd_range(std::string_view prefix, size_t limit) {
  return Json{{"key", to_base64(prefix)}, {"range_end", to_base64(end_of(prefix))}, {"limit", std::to_string(limit)}}
      .dump();
}

std::string etcd_get(std::string_view key) { return Json{{"key", to_base64(key)}}.dump(); }

std::string etcd_watch(std::string_view prefix, int64_t revision) {
  return Json{{"create_request",
               {{"key", to_base64(prefix)},
                {"range_end", to_base64(end_of(prefix))},
                {"start_revision", std::to_string(revision)}}}}
      .dump();
}

std::string etcd_login(const std::string& username, const std::string& password) {
  return Json{{"name", username}, {"password", password}}.dump(-1, ' ', false, Json::error_handler_t::replace);
}

EtcdUpdate parse_etcd_range(std::string_view body) {
  std::string problem;
  const std::optional<Json> answer = parse_json_answer(body, problem);
  if (!answer) return failed(problem);
  EtcdUpdate update;
  update.revision = revision_of(*answer);
  if (update.revision <= 0) return failed("its answer has no revision");
  update.more = is_true(*answer, "more");
  if (const Json* pairs = list_in(*answer, "kvs"))
    for (const Json& pair : *pairs)
      if (!take_pair(pair.is_object() ? &pair : nullptr, false, update))
        return failed("its answer has a bad key or value");
  return update;
}

EtcdUpdate parse_etcd_watch(std::string_view line) {
  std::string problem;
  const std::optional<Json> said = parse_json_answer(line, problem);
  if (!said) return failed(problem);
  const Json* result = object_in(*said, "result");
  if (result == nullptr) return failed("it refuses the watch");
  if (is_true(*result, "canceled")) return failed(describe_end(*result));
  EtcdUpdate update;
  update.revision = revision_of(*result);
  if (const Json* events = list_in(*result, "events"))
    for (const Json& event : *events) {
      if (!event.is_object()) return failed("its watch has a bad event");
      const bool removed = text_in(event, "type") == "DELETE";
      if (!take_pair(object_in(event, "kv"), removed, update)) return failed("its watch has a bad key or value");
    }
  return update;
}

std::string parse_etcd_token(std::string_view body) {
  std::string problem;
  const std::optional<Json> answer = parse_json_answer(body, problem);
  return answer && answer->is_object() ? text_in(*answer, "token") : "";
}

}  // namespace millrace::control
