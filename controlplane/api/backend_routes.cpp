#include "controlplane/api/backend_routes.h"

#include <fmt/format.h>

#include "controlplane/api/unknown_name.h"
#include "controlplane/api/views.h"

namespace millrace::control {
namespace {

// {"admin": "drain", "weight": 3}, one of both or both. Fills `change`, or says what is wrong.
std::optional<ApiReply> read_change(const std::string& body, Override& change) {
  const char* const remedy = R"(send {"admin": "enabled" | "drain" | "disabled"} or {"weight": 0..256})";
  const Json said = Json::parse(body, nullptr, false);
  if (said.is_discarded() || !said.is_object() || said.empty())
    return error_reply(400, "the body is no JSON object with a change", remedy);
  for (const auto& [key, value] : said.items()) {
    if (key == "admin") {
      for (const Admin admin : {Admin::enabled, Admin::drain, Admin::disabled})
        if (value == admin_name(admin)) change.admin = admin;
      if (!change.admin) return error_reply(400, fmt::format("admin {} is unknown", value.dump()), remedy);
    } else if (key == "weight") {
      if (!value.is_number_unsigned() || value.get<uint64_t>() > kWeightMax)
        return error_reply(400, fmt::format("weight {} is not possible", value.dump()), remedy);
      change.weight = value.get<uint16_t>();
    } else {
      return error_reply(400, fmt::format("unknown key {}", Json(key).dump()), remedy);
    }
  }
  return std::nullopt;
}

}  // namespace

ApiReply get_backends(Daemon& daemon, const Call& call) {
  const std::string* asked = call.parameter("service");
  if (asked == nullptr) return {200, backends_view(daemon, ""), {}};
  Json view = backends_view(daemon, *asked);
  if (find_service(daemon.desired(), *asked) == nullptr && view["backends"].empty())
    return unknown_service(daemon, *asked);
  return {200, std::move(view), {}};
}

ApiReply post_backend(Daemon& daemon, const Call& call) {
  const std::string& name = call.part("service");
  const std::string& endpoint_text = call.part("endpoint");
  const DesiredService* service = find_service(daemon.desired(), name);
  if (service == nullptr) return unknown_service(daemon, name);
  const std::optional<Endpoint> endpoint = parse_endpoint(endpoint_text);
  if (!endpoint || find_backend(*service, *endpoint) == nullptr) return unknown_backend(*service, endpoint_text);
  Override change;
  if (std::optional<ApiReply> refused = read_change(call.request.body, change)) return std::move(*refused);
  const BackendKey key(name, *endpoint);
  daemon.override_backend(key, change);
  ApiReply reply{200, backend_view(daemon, key), {}};
  reply.body["dataplane"] = daemon.link().status().connected ? "sent" : "waiting";
  return reply;
}

}  // namespace millrace::control
