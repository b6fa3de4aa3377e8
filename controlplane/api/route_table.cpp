#include "controlplane/api/route_table.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <boost/asio/use_awaitable.hpp>

namespace millrace::control {
namespace {

bool is_name(const std::string& part) { return part.starts_with('{'); }
std::string name_in(const std::string& part) { return part.substr(1, part.size() - 2); }

// "/servers/" is "/servers".
size_t part_count(const std::vector<std::string>& path) {
  return !path.empty() && path.back().empty() ? path.size() - 1 : path.size();
}

bool matches(const std::vector<std::string>& pattern, const std::vector<std::string>& path) {
  if (part_count(path) != pattern.size()) return false;
  for (size_t i = 0; i < pattern.size(); ++i)
    if (is_name(pattern[i]) ? path[i].empty() : pattern[i] != path[i]) return false;
  return true;
}

const Operation* find_operation(const Path& path, const std::string& method) {
  const auto found = std::ranges::find(path.operations, method, &Operation::method);
  return found == path.operations.end() ? nullptr : &*found;
}

ApiReply wrong_method(const Path& path, const std::string& method) {
  std::vector<std::string_view> methods;
  for (const Operation& operation : path.operations) methods.emplace_back(operation.method);
  return method_reply(method, fmt::format("{}", fmt::join(methods, ", ")));
}

// The first parameter that the operation does not have, as an answer.
std::optional<ApiReply> refuse_parameters(const Operation& operation, const Target& target) {
  for (const auto& [name, value] : target.query) {
    if (std::ranges::find(operation.parameters, name, &Parameter::name) != operation.parameters.end()) continue;
    std::vector<std::string_view> known;
    for (const Parameter& parameter : operation.parameters) known.emplace_back(parameter.name);
    return error_reply(400, fmt::format("unknown parameter '{}'", name),
                       known.empty() ? "this path has no parameters"
                                     : fmt::format("parameters of this path: {}", fmt::join(known, ", ")));
  }
  return std::nullopt;
}

}  // namespace

RouteTable::RouteTable(std::vector<Path> paths) : paths_(std::move(paths)) {
  for (const Path& path : paths_) {
    std::vector<std::string> parts = parse_target(path.pattern)->path;
    parts.resize(part_count(parts));
    parts_.push_back(std::move(parts));
  }
}

const Path* RouteTable::find(const Target& target) const {
  for (size_t i = 0; i < paths_.size(); ++i)
    if (matches(parts_[i], target.path)) return &paths_[i];
  return nullptr;
}

ApiReply RouteTable::nothing_here() const {
  std::vector<std::string_view> patterns;
  for (const Path& path : paths_) patterns.emplace_back(path.pattern);
  return error_reply(404, "there is nothing at this path", fmt::format("paths: {}", fmt::join(patterns, ", ")));
}

bool RouteTable::writes(const ApiRequest& request) const {
  const std::optional<Target> target = parse_target(request.target);
  const Path* path = target ? find(*target) : nullptr;
  const Operation* operation = path == nullptr ? nullptr : find_operation(*path, request.method);
  return operation == nullptr ? request.method != "GET" : operation->writes();
}

boost::asio::awaitable<ApiReply> RouteTable::answer(Daemon& daemon, const ApiRequest& request) const {
  const std::optional<Target> target = parse_target(request.target);
  if (!target) co_return error_reply(400, "the request target is malformed", "percent-encode it");
  const Path* path = find(*target);
  if (path == nullptr) co_return nothing_here();
  const Operation* operation = find_operation(*path, request.method);
  if (operation == nullptr) co_return wrong_method(*path, request.method);
  if (!path->takes_any_parameter)
    if (std::optional<ApiReply> refused = refuse_parameters(*operation, *target)) co_return std::move(*refused);
  Call call{request, *target, {}};
  const std::vector<std::string>& parts = parts_[static_cast<size_t>(path - paths_.data())];
  for (size_t i = 0; i < parts.size(); ++i)
    if (is_name(parts[i])) call.parts.emplace(name_in(parts[i]), target->path[i]);
  co_return co_await operation->handler.run(daemon, call);
}

}  // namespace millrace::control
