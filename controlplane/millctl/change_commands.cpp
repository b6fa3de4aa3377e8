#include "controlplane/millctl/change_commands.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <cstdio>
#include <ctime>
#include <iostream>
#include <iterator>

#include "controlplane/config/document.h"
#include "controlplane/config/json_text.h"
#include "controlplane/config/text_file.h"
#include "controlplane/config/tunables.h"
#include "controlplane/config/values.h"
#include "controlplane/millctl/client.h"
#include "controlplane/millctl/finish.h"
#include "controlplane/millctl/show.h"

namespace millrace::millctl {
namespace {

std::string service_target(const std::string& name) { return "/v1/services/" + percent_encode(name); }

std::string backend_target(const std::string& service, const std::string& backend) {
  return service_target(service) + "/backends/" + percent_encode(backend);
}

struct Body {
  std::string text;
  std::string problem;
};

// TOML as the JSON that the API takes: the table of the service where the file has it, otherwise all of it.
Body to_body(const std::string& text, const std::string& name) {
  if (config::looks_like_json(text)) return {text, {}};
  try {
    const toml::table root = toml::parse(std::string_view(text));
    const toml::table* server = root["servers"][name].as_table();
    if (server == nullptr && root.contains("servers"))
      return {{}, fmt::format("has servers, but no [servers.{}]", name)};
    return {config::to_json(server == nullptr ? root : *server).dump(), {}};
  } catch (const toml::parse_error& error) {
    return {{}, fmt::format("line {}: {}", error.source().begin.line, error.description())};
  }
}

Body read_body(const std::string& file, const std::string& name) {
  if (file == "-") return to_body({std::istreambuf_iterator<char>(std::cin), {}}, name);
  const config::TextFile read = config::read_text_file(file);
  if (!read.text) return {{}, read.problem};
  return to_body(*read.text, name);
}

Exit send_service(const Options& options, const char* method, const std::string& target, const std::string& name,
                  const std::string& file) {
  const Body body = read_body(file, name);
  if (body.problem.empty()) return finish(options, Client(options.socket).ask(method, target, body.text), show_change);
  complain(fmt::format("{}: {}", file, body.problem));
  return Exit::refused;
}

Json to_json(const BackendOptions& which) {
  Json body = Json::object();
  if (which.weight) body["weight"] = *which.weight;
  if (which.priority) body["priority"] = *which.priority;
  if (which.max_connections) body["max_connections"] = *which.max_connections;
  if (!which.sni.empty()) body["sni"] = which.sni;
  if (!which.proxy_protocol.empty()) body["proxy_protocol"] = which.proxy_protocol;
  return body;
}

// NAME=VALUE and names to reset as one change; null: why not in `problem`.
Json to_json(const TuneOptions& which, std::string& problem) {
  Json body = Json::object();
  const auto add = [&](const std::string& name, Json value) {
    if (body.contains(name)) problem = fmt::format("{} is named twice", name);
    body[name] = std::move(value);
  };
  for (const std::string& assignment : which.assignments) {
    const size_t at = assignment.find('=');
    if (at == std::string::npos) {
      problem = fmt::format("'{}' has no value: write {}=VALUE, or --reset {}", assignment, assignment, assignment);
      return nullptr;
    }
    const std::string name = assignment.substr(0, at);
    const std::string value = assignment.substr(at + 1);
    const config::Tunable* tunable = config::find_tunable(name);
    const std::optional<uint64_t> number = config::parse_decimal(value, INT64_MAX);
    if (tunable != nullptr && tunable->is_number && number)
      add(name, *number);
    else
      add(name, value);
  }
  for (const std::string& name : which.resets) add(name, nullptr);
  return problem.empty() ? body : Json();
}

std::string show_config(const Json& body) { return part(body, "config").dump(2) + "\n"; }

std::string show_event(const Json& event) {
  const auto seconds = static_cast<std::time_t>(number(event, "time_ms") / 1000);
  std::string text = fmt::format("{:%Y-%m-%d %H:%M:%S}  {:>6}  {:<9}  {}", fmt::localtime(seconds), field(event, "id"),
                                 field(event, "kind"), field(event, "what"));
  for (const char* name : {"service", "backend", "generation", "count"})
    if (event.contains(name)) text += fmt::format("  {} {}", name, field(event, name));
  if (event.contains("cause")) text += "  (" + field(event, "cause") + ")";
  return text + "\n";
}

std::string show_events(const Json& body) {
  std::string text;
  for (const Json& event : part(body, "events")) text += show_event(event);
  return text.empty() ? "nothing has happened yet\n" : text;
}

// Takes a stream apart, line by line: only `data:` lines matter, each an event of its own.
class EventPrinter {
 public:
  explicit EventPrinter(bool json) : json_(json) {}
  bool take(std::string_view piece) {
    rest_ += piece;
    for (size_t end = 0; (end = rest_.find('\n')) != std::string::npos; rest_.erase(0, end + 1))
      print_line(std::string_view(rest_).substr(0, end));
    return std::fflush(stdout) == 0;
  }

 private:
  void print_line(std::string_view line) {
    if (!line.starts_with("data: ")) return;
    const Json event = Json::parse(line.substr(6), nullptr, false);
    if (event.is_object()) print(json_ ? event.dump() + "\n" : show_event(event));
  }

  bool json_;
  std::string rest_;
};

}  // namespace

Exit run_service_add(const Options& options, const std::string& name, const std::string& file) {
  return send_service(options, "POST", "/servers/" + percent_encode(name), name, file);
}

Exit run_service_set(const Options& options, const std::string& name, const std::string& file, bool merge) {
  return send_service(options, merge ? "PATCH" : "PUT", service_target(name), name, file);
}

Exit run_service_remove(const Options& options, const std::string& name) {
  return finish(options, Client(options.socket).ask("DELETE", service_target(name), ""), show_change);
}

Exit run_service_show(const Options& options, const std::string& name) {
  return finish(options, Client(options.socket).get(service_target(name)), show_config);
}

Exit run_backend_add(const Options& options, const std::string& service, const std::string& backend,
                     const BackendOptions& which) {
  Json body = to_json(which);
  body["backend"] = backend;
  return finish(options, Client(options.socket).post(service_target(service) + "/backends", body.dump()), show_change);
}

Exit run_backend_set(const Options& options, const std::string& service, const std::string& backend,
                     const BackendOptions& which) {
  const std::string body = to_json(which).dump();
  return finish(options, Client(options.socket).ask("PATCH", backend_target(service, backend), body), show_change);
}

Exit run_backend_remove(const Options& options, const std::string& service, const std::string& backend) {
  return finish(options, Client(options.socket).ask("DELETE", backend_target(service, backend), ""), show_change);
}

Exit run_tune(const Options& options, const TuneOptions& which) {
  const Client client(options.socket);
  if (which.assignments.empty() && which.resets.empty())
    return finish(options, client.get("/v1/settings"), show_settings);
  std::string problem;
  const Json body = to_json(which, problem);
  if (!body.is_null()) return finish(options, client.ask("PATCH", "/v1/settings", body.dump()), show_change);
  complain(problem);
  return Exit::usage;
}

Exit run_changes(const Options& options, bool drop) {
  const Client client(options.socket);
  if (drop) return finish(options, client.ask("DELETE", "/v1/changes", ""), show_change);
  return finish(options, client.get("/v1/changes"), show_changes);
}

Exit run_dump(const Options& options, const std::string& format) {
  const Answer answer = Client(options.socket).get("/dump?format=" + (options.json ? "json" : format));
  if (answer.ok() && !answer.text.empty()) {
    print(answer.text);
    return Exit::done;
  }
  return finish(options, answer, [](const Json& body) { return body.dump(2) + "\n"; });
}

Exit run_events(const Options& options, uint64_t after, bool follow) {
  const Client client(options.socket);
  if (!follow) return finish(options, client.get(fmt::format("/v1/events?follow=0&after={}", after)), show_events);
  EventPrinter printer(options.json);
  const Answer answer = client.follow(fmt::format("/v1/events?after={}", after),
                                      [&](std::string_view piece) { return printer.take(piece); });
  if (!answer.ok()) return finish(options, answer, show_events);
  if (answer.problem.empty()) return Exit::done;
  complain(answer.problem);
  return Exit::unreachable;
}

}  // namespace millrace::millctl
