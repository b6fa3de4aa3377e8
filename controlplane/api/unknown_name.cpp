#include "controlplane/api/unknown_name.h"

#include <fmt/format.h>

#include <algorithm>

namespace millrace::control {
namespace {

// A list in an error stays readable.
constexpr size_t kNamesInErrorMax = 20;
// So long a request may keep one of the API's connections.
constexpr uint32_t kIntervalMaxS = 60;

std::string join_names(const std::vector<std::string>& names) {
  std::string text;
  for (size_t i = 0; i < std::min(names.size(), kNamesInErrorMax); ++i) text += (i == 0 ? "" : ", ") + names[i];
  if (names.size() > kNamesInErrorMax) text += fmt::format(" and {} more", names.size() - kNamesInErrorMax);
  return text.empty() ? "none" : text;
}

}  // namespace

ApiReply unknown_service(const Daemon& daemon, const std::string& name) {
  std::vector<std::string> names;
  for (const DesiredService& service : daemon.desired().services) names.push_back(service.name);
  return error_reply(404, fmt::format("there is no service '{}'", name), "known services: " + join_names(names));
}

ApiReply unknown_backend(const DesiredService& service, const std::string& endpoint) {
  std::vector<std::string> names;
  for (const DesiredBackend& backend : service.backends) names.push_back(format_endpoint(backend.endpoint));
  return error_reply(404, fmt::format("service '{}' has no backend '{}'", service.name, endpoint),
                     "its backends: " + join_names(names));
}

}  // namespace millrace::control
