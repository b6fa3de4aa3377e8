#include "controlplane/config/backend_line.h"

#include <set>
#include <type_traits>

#include "controlplane/config/error_text.h"
#include "millrace/limits.h"

namespace millrace::config {

namespace {

// What is wrong with an option; both empty: nothing.
struct Complaint {
  std::string problem;
  std::string remedy;
};

Complaint apply_proxy_protocol(std::string_view value, BackendConfig& backend) {
  if (value == "none" || value == "1" || value == "2") {
    backend.proxy_protocol = value == "1" ? ProxyProtocol::v1 : value == "2" ? ProxyProtocol::v2 : ProxyProtocol::none;
    return {};
  }
  return {quote(value) + " is no version of the PROXY protocol",
          "write proxy_protocol=1, proxy_protocol=2 or proxy_protocol=none"};
}

// "weight=5", "priority=1", "max_connections=100", "proxy_protocol=2" or "sni=www.example.com".
Complaint apply_option(std::string_view word, BackendConfig& backend) {
  const size_t equals = word.find('=');
  const std::string_view name = word.substr(0, equals);
  const std::string_view value = equals == std::string_view::npos ? "" : word.substr(equals + 1);
  const auto number = [&](uint32_t max, auto& field) -> Complaint {
    const std::optional<uint64_t> parsed = parse_decimal(value, max);
    if (!parsed)
      return {quote(word) + " is out of range",
              "write " + std::string(name) + "=N with N from 0 to " + std::to_string(max)};
    field = static_cast<std::remove_reference_t<decltype(field)>>(*parsed);
    return {};
  };
  if (name == "weight") return number(kWeightMax, backend.weight);
  if (name == "priority") return number(kPriorityMax, backend.priority);
  if (name == "max_connections") return number(UINT32_MAX, backend.connections_max);
  if (name == "proxy_protocol") return apply_proxy_protocol(value, backend);
  if (name == "sni") {
    backend.host = value;
    if (value.empty()) return {quote(word) + " names no server", "write sni=www.example.com"};
    return {};
  }
  const std::string_view nearest =
      nearest_word(name, {"weight", "priority", "max_connections", "sni", "proxy_protocol"});
  return {quote(word) + " is no option of a backend",
          nearest.empty() ? "write weight=N, priority=N, max_connections=N, sni=NAME or proxy_protocol=VERSION"
                          : "did you mean " + std::string(nearest) + "?"};
}

}  // namespace

Parsed<BackendConfig> parse_backend(std::string_view text, ProxyProtocol proxy_protocol) {
  const std::vector<std::string_view> words = split_words(text);
  if (words.empty()) return {"is empty", "write a backend, such as \"10.0.0.1:80 weight=5\""};
  Parsed<Endpoint> endpoint = parse_target_endpoint(words[0]);
  if (!endpoint.value) return {std::move(endpoint.problem), std::move(endpoint.remedy)};
  if (const std::string_view unfit = unicast_problem(endpoint.value->addr); !unfit.empty())
    return {quote(words[0]) + " " + std::string(unfit),
            "write the address that the machine has on the backends' network"};
  BackendConfig backend{.endpoint = *endpoint.value, .proxy_protocol = proxy_protocol};
  std::set<std::string_view> given;
  for (const std::string_view word : std::vector(words.begin() + 1, words.end())) {
    if (Complaint complaint = apply_option(word, backend); !complaint.problem.empty())
      return {std::move(complaint.problem), std::move(complaint.remedy)};
    if (!given.insert(word.substr(0, word.find('='))).second)
      return {quote(word) + " is given twice", "write each option once"};
  }
  return backend;
}

}  // namespace millrace::config
