// discovery_table.cpp: [servers.NAME.discovery] and the backends of a static_list.
#include <set>
#include <type_traits>
#include <utility>

#include "controlplane/config/tables.h"
#include "millrace/limits.h"

namespace millrace::config {

namespace {

enum class Kind { fixed };

bool apply_proxy_protocol(std::string_view value, const Text& text, BackendConfig& backend, ErrorList& errors) {
  if (value == "none" || value == "1" || value == "2") {
    backend.proxy_protocol = value == "1" ? ProxyProtocol::v1 : value == "2" ? ProxyProtocol::v2 : ProxyProtocol::none;
    return true;
  }
  errors.add(text.origin, quote(value) + " is no version of the PROXY protocol",
             "write proxy_protocol=1, proxy_protocol=2 or proxy_protocol=none");
  return false;
}

// Applies "weight=5", "priority=1", "max_connections=100", "proxy_protocol=2" or "sni=www.example.com"; false after reporting.
bool apply_option(std::string_view word, const Text& text, BackendConfig& backend, ErrorList& errors) {
  const size_t equals = word.find('=');
  const std::string_view name = word.substr(0, equals);
  const std::string_view value = equals == std::string_view::npos ? "" : word.substr(equals + 1);
  const auto number = [&](uint32_t max, auto& field) {
    const std::optional<uint64_t> parsed = parse_decimal(value, max);
    if (parsed) {
      field = static_cast<std::remove_reference_t<decltype(field)>>(*parsed);
      return true;
    }
    errors.add(text.origin, quote(word) + " is out of range",
               "write " + std::string(name) + "=N with N from 0 to " + std::to_string(max));
    return false;
  };
  if (name == "weight") return number(kWeightMax, backend.weight);
  if (name == "priority") return number(kPriorityMax, backend.priority);
  if (name == "max_connections") return number(UINT32_MAX, backend.connections_max);
  if (name == "proxy_protocol") return apply_proxy_protocol(value, text, backend, errors);
  if (name == "sni") {
    backend.host = value;
    if (value.empty()) errors.add(text.origin, quote(word) + " names no server", "write sni=www.example.com");
    return !value.empty();
  }
  const std::string_view nearest =
      nearest_word(name, {"weight", "priority", "max_connections", "sni", "proxy_protocol"});
  errors.add(text.origin, quote(word) + " is no option of a backend",
             nearest.empty() ? "write weight=N, priority=N, max_connections=N, sni=NAME or proxy_protocol=VERSION"
                             : "did you mean " + std::string(nearest) + "?");
  return false;
}

// Reports and returns nullopt when the line is no backend.
std::optional<BackendConfig> read_backend(const Text& text, ProxyProtocol proxy_protocol, ErrorList& errors) {
  const std::vector<std::string_view> words = split_words(text.text);
  if (words.empty()) {
    errors.add(text.origin, "is empty", "write a backend, such as \"10.0.0.1:80 weight=5\"");
    return std::nullopt;
  }
  Parsed<Endpoint> endpoint = parse_target_endpoint(words[0]);
  if (!endpoint.value) {
    errors.add(text.origin, std::move(endpoint.problem), std::move(endpoint.remedy));
    return std::nullopt;
  }
  if (const std::string_view unfit = unicast_problem(endpoint.value->addr); !unfit.empty()) {
    errors.add(text.origin, quote(words[0]) + " " + std::string(unfit),
               "write the address that the machine has on the backends' network");
    return std::nullopt;
  }
  BackendConfig backend{.endpoint = *endpoint.value, .proxy_protocol = proxy_protocol};
  std::set<std::string_view> given;
  for (const std::string_view word : std::vector(words.begin() + 1, words.end())) {
    if (!apply_option(word, text, backend, errors)) return std::nullopt;
    if (!given.insert(word.substr(0, word.find('='))).second) {
      errors.add(text.origin, quote(word) + " is given twice", "write each option once");
      return std::nullopt;
    }
  }
  return backend;
}

void read_static_list(TableReader& table, ServiceConfig& service, ServiceOrigins& origins) {
  const std::vector<Text> texts = table.read_texts(
      "static_list", "write static_list = [\"10.0.0.1:80 weight=5\", \"10.0.0.2:80\"]", origins.backends_complete);
  if (texts.size() > kBackendPerServiceMax) {
    table.errors().add(table.origin_of("static_list"), "holds " + std::to_string(texts.size()) + " backends",
                       "write at most " + std::to_string(kBackendPerServiceMax) + " a service");
    origins.backends_complete = false;
    return;
  }
  for (const Text& text : texts) {
    if (const std::optional<BackendConfig> backend = read_backend(text, service.proxy_protocol, table.errors())) {
      service.backends.push_back(*backend);
      origins.backends.push_back(text.origin);
    } else {
      origins.backends_complete = false;
    }
  }
}

}  // namespace

void read_discovery_table(TableReader& table, ServiceConfig& service, ServiceOrigins& origins) {
  static constexpr char kLater[] = "use kind = \"static\" with a static_list";
  static constexpr Choice<Kind> kKinds[] = {{"static", Kind::fixed},          {"srv", std::nullopt, kLater},
                                            {"docker", std::nullopt, kLater}, {"json", std::nullopt, kLater},
                                            {"exec", std::nullopt, kLater},   {"plaintext", std::nullopt, kLater},
                                            {"consul", std::nullopt, kLater}, {"lxd", std::nullopt, kLater}};
  if (!table.has("kind")) table.report_missing("kind", "write kind = \"static\"");
  const std::optional<Kind> kind = table.read_choice("kind", kKinds);
  if (table.has("kind") && !kind) {
    // One error about the kind is enough; its own keys come and go with it.
    origins.backends_complete = false;
    for (const char* prefix : {"srv_", "docker_", "json_", "exec_", "plaintext_", "consul_", "lxd_"})
      table.ignore_prefix(prefix);
    for (const char* key : {"static_list", "interval", "timeout", "failpolicy"}) table.ignore(key);
  } else {
    read_static_list(table, service, origins);
    constexpr char kProblem[] = "has no meaning for a static list, which never changes by itself";
    for (const char* key : {"interval", "timeout", "failpolicy"}) table.refuse(key, kProblem, "remove it");
  }
  table.finish();
}

}  // namespace millrace::config
