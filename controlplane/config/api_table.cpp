// api_table.cpp: [api]: the UNIX socket, the TCP port with its TLS, and who may do what through it.
#include "controlplane/config/tables.h"

namespace millrace::config {

namespace {

constexpr size_t kTokenBytesMin = 16;
constexpr size_t kTokenMax = 64;

std::optional<std::string> read_secret(TableReader& table, std::string_view key, size_t bytes_min) {
  std::optional<Text> text = table.read_text(key);
  if (!text) {
    if (!table.has(key)) table.report_missing(key, "write it, or a variable: \"${API_SECRET}\"");
    return std::nullopt;
  }
  if (text->text.size() >= bytes_min) return std::move(text->text);
  table.errors().add(text->origin, "has " + std::to_string(text->text.size()) + " characters",
                     "write at least " + std::to_string(bytes_min) + "; `openssl rand -hex 32` makes a good one");
  return std::nullopt;
}

void read_basic_auth(TableReader& table, ApiConfig& api) {
  const std::optional<Text> login = table.read_text("login");
  if (!table.has("login")) table.report_missing("login", "write login = \"admin\"");
  if (login && (login->text.empty() || login->text.find(':') != std::string::npos))
    table.errors().add(login->origin, quote(login->text) + " cannot be a login", "write a name without ':'");
  const std::optional<std::string> password = read_secret(table, "password", 1);
  if (login && password) api.basic_auth = ApiConfig::BasicAuth{login->text, *password};
  table.finish();
}

void read_token(TableReader& table, ApiConfig& api) {
  static constexpr Choice<bool> kRoles[] = {{"read", false}, {"write", true}};
  ApiConfig::Token token;
  if (const std::optional<Text> name = table.read_text("name")) token.name = name->text;
  if (std::optional<std::string> secret = read_secret(table, "token", kTokenBytesMin)) token.token = std::move(*secret);
  token.may_write = table.read_choice("role", kRoles).value_or(false);
  api.tokens.push_back(std::move(token));
  table.finish();
}

void read_tls(TableReader& table, ApiConfig& api) {
  ApiConfig::Tls tls;
  for (const auto& [key, path] : {std::pair{"cert_path", &tls.cert_path}, std::pair{"key_path", &tls.key_path}}) {
    if (!table.has(key)) table.report_missing(key, "write the path of a PEM file");
    *path = table.read_path(key).value_or("");
  }
  api.tls = std::move(tls);
  table.finish();
}

// gobetween's ":8888" without TLS is taken as a port of this host alone.
std::optional<Endpoint> read_bind(const Text& text, bool tls, ErrorList& errors) {
  const std::string local = text.text.starts_with("localhost:") ? text.text.substr(9) : text.text;
  Parsed<Endpoint> parsed = parse_listen_endpoint(!tls && local.starts_with(":") ? "127.0.0.1" + local : local);
  if (parsed.value) return parsed.value;
  errors.add(text.origin, std::move(parsed.problem), std::move(parsed.remedy));
  return std::nullopt;
}

void check_exposure(const TableReader& table, const ApiConfig& api) {
  ErrorList& errors = table.errors();
  const bool is_local = api.bind->addr.is_loopback();
  const bool has_auth = api.basic_auth || !api.tokens.empty();
  if (!is_local && !api.tls)
    errors.add(table.origin_of("bind"), "others than this host could read and change the API's words on their way",
               "add [api.tls] with cert_path and key_path, or write \"127.0.0.1:8888\"");
  if (!is_local && api.tls && !has_auth)
    errors.add(table.origin_of("bind"), "whoever reaches this address could change servers",
               "add [api.basic_auth] or [[api.token]], or write \"127.0.0.1:8888\"");
  if (api.cors && !has_auth)
    errors.add(table.origin_of("cors"), "any page that a browser on this host opens could change servers",
               "add [api.basic_auth] or [[api.token]], or write cors = false");
}

void read_tcp_side(TableReader& table, ApiConfig& api) {
  const std::optional<Text> bind = table.read_text("bind");
  api.cors = table.read_bool("cors").value_or(false);
  if (std::optional<TableReader> auth = table.read_table("basic_auth")) read_basic_auth(*auth, api);
  std::vector<TableReader> tokens = table.read_tables("token");
  for (TableReader& token : tokens) read_token(token, api);
  if (tokens.size() > kTokenMax)
    table.errors().add(tokens[kTokenMax].origin(), "is one token too many",
                       "write at most " + std::to_string(kTokenMax));
  if (std::optional<TableReader> tls = table.read_table("tls")) read_tls(*tls, api);
  if (bind) api.bind = read_bind(*bind, api.tls.has_value(), table.errors());
  if (api.bind) check_exposure(table, api);
}

}  // namespace

void read_api_table(TableReader& table, ApiConfig& api) {
  api.enabled = table.read_bool("enabled").value_or(api.enabled);
  api.socket = table.read_path("socket").value_or(api.socket);
  api.changes_file = table.read_path("changes_file").value_or(api.changes_file);
  api.history_dir = table.read_path("history_dir").value_or(api.history_dir);
  api.watch_file = table.read_bool("watch_file").value_or(api.watch_file);
  constexpr size_t kSocketPathMax = 107;  // sockaddr_un.sun_path and its NUL
  if (api.socket.size() > kSocketPathMax)
    table.errors().add(table.origin_of("socket"), "the path has " + std::to_string(api.socket.size()) + " bytes",
                       "the kernel allows a socket path of at most 107 bytes");
  // A disabled API ignores its TCP side, as gobetween does.
  if (api.enabled)
    read_tcp_side(table, api);
  else
    for (const char* key : {"bind", "basic_auth", "token", "tls", "cors"}) table.ignore(key);
  table.finish();
}

}  // namespace millrace::config
