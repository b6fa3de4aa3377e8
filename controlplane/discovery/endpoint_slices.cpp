#include "controlplane/discovery/endpoint_slices.h"

#include <fmt/format.h>

#include "controlplane/config/error_text.h"
#include "controlplane/discovery/backend_text.h"
#include "controlplane/discovery/json_answer.h"

namespace millrace::control {
namespace {

using Json = nlohmann::json;
using Entry = config::Parsed<config::BackendConfig>;

// nullptr: there is none, or it is null.
const Json* value_in(const Json& object, const char* key) {
  if (!object.is_object()) return nullptr;
  const auto found = object.find(key);
  return found == object.end() || found->is_null() ? nullptr : &*found;
}

std::string text_in(const Json& object, const char* key) {
  const Json* value = value_in(object, key);
  return value == nullptr ? "" : scalar_text(*value);
}

std::string metadata_of(const Json& object, const char* key) {
  const Json* metadata = value_in(object, "metadata");
  return metadata == nullptr ? "" : text_in(*metadata, key);
}

// What is not said counts as ready, as the API has it. One that terminates is never ready.
bool is_ready(const Json& endpoint) {
  const Json* conditions = value_in(endpoint, "conditions");
  const Json* ready = conditions == nullptr ? nullptr : value_in(*conditions, "ready");
  return ready == nullptr || *ready == Json(true);
}

// The number of the port that is wanted. Empty: `problem` says why.
std::string port_of(const Json& slice, const std::string& wanted, std::string& problem) {
  const Json* ports = value_in(slice, "ports");
  std::vector<std::string> fitting;
  if (ports != nullptr && ports->is_array())
    for (const Json& port : *ports) {
      const std::string number = text_in(port, "port");
      if (wanted.empty() || wanted == text_in(port, "name") || wanted == number) fitting.push_back(number);
    }
  if (fitting.size() == 1 || (!fitting.empty() && !wanted.empty())) return fitting.front();
  problem = !wanted.empty()   ? fmt::format("has no port {}", config::quote(wanted))
            : fitting.empty() ? "has no port"
                              : fmt::format("has {} ports: name one by kubernetes_port", fitting.size());
  return "";
}

Entry parse_endpoint(const Json& endpoint, const std::string& port) {
  const Json* addresses = value_in(endpoint, "addresses");
  if (addresses == nullptr || !addresses->is_array() || addresses->empty())
    return Entry("it has an endpoint without an address", "give it one");
  return parse_parts({.host = scalar_text(addresses->front()), .port = port});
}

EndpointSlice parse_slice(const Json& object, const std::string& wanted_port) {
  EndpointSlice slice{.name = metadata_of(object, "name")};
  const Json* endpoints = value_in(object, "endpoints");
  if (endpoints == nullptr || !endpoints->is_array()) return slice;
  std::string problem;
  const std::string port = port_of(object, wanted_port, problem);
  if (text_in(object, "addressType") == "FQDN") problem = "has names in place of addresses";
  for (const Json& endpoint : *endpoints) {
    if (!is_ready(endpoint)) continue;
    if (slice.entries.size() > kEntryMax) break;
    if (problem.empty()) {
      slice.entries.push_back(parse_endpoint(endpoint, port));
    } else {
      slice.entries.emplace_back(problem, "mend the service");
      break;
    }
  }
  return slice;
}

}  // namespace

SlicePage parse_slice_page(std::string_view body, const std::string& port) {
  SlicePage page;
  const std::optional<Json> list = parse_json_answer(body, page.problem);
  if (!list) return page;
  const Json* items = value_in(*list, "items");
  page.resource_version = metadata_of(*list, "resourceVersion");
  page.next_page = metadata_of(*list, "continue");
  if (page.resource_version.empty() || (items != nullptr && !items->is_array())) {
    page.problem = "it is no list of EndpointSlices";
    return page;
  }
  if (items != nullptr)
    for (const Json& item : *items) page.slices.push_back(parse_slice(item, port));
  return page;
}

SliceEvent parse_slice_event(std::string_view line, const std::string& port) {
  SliceEvent event;
  const std::optional<Json> said = parse_json_answer(line, event.problem);
  if (!said) return event;
  const std::string type = text_in(*said, "type");
  const Json* object = value_in(*said, "object");
  if (type == "BOOKMARK") {
    event.kind = SliceEvent::Kind::bookmark;
  } else if (type == "ERROR") {
    event.kind = SliceEvent::Kind::gone;
  } else if (object == nullptr || (type != "ADDED" && type != "MODIFIED" && type != "DELETED")) {
    event.problem = "its watch has a bad event";
  } else {
    event.kind = type == "DELETED" ? SliceEvent::Kind::deleted : SliceEvent::Kind::stored;
    event.slice = parse_slice(*object, port);
    if (event.slice.name.empty()) event.problem = "its watch has a slice without a name";
  }
  return event;
}

}  // namespace millrace::control
