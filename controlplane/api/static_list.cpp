#include "controlplane/api/static_list.h"

#include <fmt/format.h>

#include <algorithm>

#include "controlplane/config/backend_line.h"
#include "controlplane/config/error_text.h"
#include "controlplane/discovery/json_answer.h"

namespace millrace::control {
namespace {

using Json = nlohmann::json;

constexpr char kRemedy[] =
    R"(send {"weight": 5, "priority": 1, "max_connections": 100, "sni": "www.example.com", "proxy_protocol": 2}, or some of it)";
constexpr const char* kOptions[] = {"weight", "priority", "max_connections", "sni", "proxy_protocol"};

// Of text or a number, as it stands in a line; nullopt: it cannot.
std::optional<std::string> option_text(const Json& value) {
  std::string text = scalar_text(value);
  const auto breaks_line = [](unsigned char c) { return c <= ' ' || c == 0x7f; };
  if (text.empty() || std::ranges::any_of(text, breaks_line)) return std::nullopt;
  return text;
}

Refusal take_option(const std::string& key, const Json& value, BackendWish& wish) {
  if (std::ranges::find(kOptions, key) == std::end(kOptions))
    return {400, fmt::format("unknown key {}", config::quote(key)), kRemedy};
  std::optional<std::string> text = option_text(value);
  if (!text && !value.is_null())
    return {400, fmt::format("{} is no text without spaces and no whole number", config::quote(key)), kRemedy};
  wish.options[key] = std::move(text);
  return {};
}

// A list of one may be written as a text.
toml::array& list_of(toml::table& server) {
  toml::table& discovery = *server["discovery"].as_table();
  if (const auto* text = discovery["static_list"].as_string())
    discovery.insert_or_assign("static_list", toml::array{text->get()});
  return *discovery["static_list"].as_array();
}

// The first word is the endpoint.
std::vector<std::string_view> words_of(const toml::node& line) {
  const auto* text = line.as_string();
  return text == nullptr ? std::vector<std::string_view>{} : config::split_words(text->get());
}

size_t find_line(const toml::array& list, const Endpoint& endpoint) {
  size_t at = 0;
  for (; at < list.size(); ++at) {
    const std::vector<std::string_view> words = words_of(*list.get(at));
    if (!words.empty() && config::parse_target_endpoint(words[0]).value == endpoint) break;
  }
  return at;
}

std::string to_line(const std::string& endpoint, const std::map<std::string, std::optional<std::string>>& options) {
  std::string line = endpoint;
  for (const char* name : kOptions)
    if (const auto given = options.find(name); given != options.end() && given->second)
      line += fmt::format(" {}={}", name, *given->second);
  return line;
}

// As the file's readers see it.
Refusal check_line(const std::string& line, Endpoint& endpoint) {
  const config::Parsed<config::BackendConfig> parsed = config::parse_backend(line, ProxyProtocol::none);
  if (!parsed.value) return {400, parsed.problem, parsed.remedy};
  endpoint = parsed.value->endpoint;
  return {};
}

Refusal not_there(const Endpoint& endpoint) {
  return {404, fmt::format("the static_list has no {}", format_endpoint(endpoint)), "GET /v1/backends lists them"};
}

}  // namespace

Refusal read_backend_wish(const std::string& body, bool adds, BackendWish& wish) {
  std::string problem;
  const std::optional<Json> said = parse_json_answer(body, problem);
  if (!said) return {400, "the body is no backend: " + problem, kRemedy};
  if (!said->is_object()) return {400, "the body is no JSON object", kRemedy};
  for (const auto& [key, value] : said->items()) {
    if (adds && key == "backend") {
      wish.endpoint = option_text(value).value_or("");
    } else if (Refusal refusal = take_option(key, value, wish); refusal.status != 0) {
      return refusal;
    }
  }
  if (adds && wish.endpoint.empty())
    return {400, "the body names no backend", R"(send {"backend": "10.0.0.1:80"}, and options beside it)"};
  if (!adds && wish.options.empty()) return {400, "the body changes nothing", kRemedy};
  return {};
}

Refusal add_backend(toml::table& server, const BackendWish& wish) {
  const std::string line = to_line(wish.endpoint, wish.options);
  Endpoint endpoint;
  if (Refusal refusal = check_line(line, endpoint); refusal.status != 0) return refusal;
  toml::array& list = list_of(server);
  if (find_line(list, endpoint) != list.size())
    return {409, fmt::format("the static_list has {} already", format_endpoint(endpoint)), "PATCH it"};
  list.push_back(line);
  return {};
}

Refusal change_backend(toml::table& server, const Endpoint& endpoint, const BackendWish& wish) {
  toml::array& list = list_of(server);
  const size_t at = find_line(list, endpoint);
  if (at == list.size()) return not_there(endpoint);
  const std::vector<std::string_view> words = words_of(*list.get(at));
  std::map<std::string, std::optional<std::string>> options;
  for (size_t i = 1; i < words.size(); ++i) {
    const size_t equals = words[i].find('=');
    options[std::string(words[i].substr(0, equals))] = std::string(words[i].substr(equals + 1));
  }
  for (const auto& [name, value] : wish.options) options[name] = value;
  const std::string line = to_line(std::string(words[0]), options);
  Endpoint same;
  if (Refusal refusal = check_line(line, same); refusal.status != 0) return refusal;
  list.replace(list.cbegin() + static_cast<std::ptrdiff_t>(at), line);
  return {};
}

Refusal remove_backend(toml::table& server, const Endpoint& endpoint) {
  toml::array& list = list_of(server);
  const size_t at = find_line(list, endpoint);
  if (at == list.size()) return not_there(endpoint);
  if (list.size() == 1)
    return {409, fmt::format("{} is the last backend of its service", format_endpoint(endpoint)),
            "add another one first, drain it, or DELETE the service"};
  list.erase(list.cbegin() + static_cast<std::ptrdiff_t>(at));
  return {};
}

}  // namespace millrace::control
