// consul_answer.cpp: parse_consul_health.
#include <fmt/format.h>

#include <algorithm>

#include "controlplane/config/error_text.h"
#include "controlplane/discovery/backend_text.h"
#include "controlplane/discovery/json_answer.h"
#include "controlplane/discovery/registry_answer.h"
#include "millrace/limits.h"

namespace millrace::control {
namespace {

using Json = nlohmann::json;

constexpr uint64_t kConsulWeightMax = 65535;

// The last tag "sni=NAME".
std::string sni_of(const Json& service) {
  constexpr std::string_view kMark = "sni=";
  std::string sni;
  const Json& tags = member(service, "Tags");
  if (!tags.is_array()) return sni;
  for (const Json& tag : tags)
    if (const std::string text = scalar_text(tag); text.starts_with(kMark)) sni = text.substr(kMark.size());
  return sni;
}

bool is_passing(const Json& entry) {
  const Json& checks = member(entry, "Checks");
  return !checks.is_array() ||
         std::ranges::all_of(checks, [](const Json& check) { return member_text(check, "Status") == "passing"; });
}

// nullopt: it says nothing about its weight.
std::optional<uint64_t> weight_of(const Json& entry) {
  const Json& weights = member(member(entry, "Service"), "Weights");
  return config::parse_decimal(member_text(weights, is_passing(entry) ? "Passing" : "Warning"), kConsulWeightMax);
}

std::string fit_weight(std::optional<uint64_t> weight, uint64_t weight_max) {
  if (!weight) return {};
  if (weight_max <= kWeightMax || *weight == 0) return std::to_string(*weight);
  return std::to_string(std::max<uint64_t>(1, *weight * kWeightMax / weight_max));
}

}  // namespace

Answer parse_consul_health(std::string_view text) {
  std::string problem;
  const std::optional<Json> list = parse_json_answer(text, problem);
  if (!list) return Answer::failed(problem);
  if (!list->is_array()) return Answer::failed(fmt::format("its JSON is {}, not a list", list->type_name()));
  uint64_t weight_max = 0;
  for (const Json& entry : *list) weight_max = std::max(weight_max, weight_of(entry).value_or(0));
  AnswerBuilder builder;
  for (const Json& entry : *list) {
    const Json& service = member(entry, "Service");
    const std::string own = member_text(service, "Address");
    const BackendParts parts{.host = own.empty() ? member_text(member(entry, "Node"), "Address") : own,
                             .port = member_text(service, "Port"),
                             .weight = fit_weight(weight_of(entry), weight_max),
                             .sni = sni_of(service)};
    if (!builder.add(parse_parts(parts), "instance " + config::quote(member_text(service, "ID")))) break;
  }
  return builder.take("instances");
}

}  // namespace millrace::control
