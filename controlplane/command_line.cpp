#include "controlplane/command_line.h"

namespace millrace::control {
namespace {

constexpr char kFooter[] =
    "Examples:\n"
    "  millraced --config /etc/millrace.toml\n"
    "  millraced from-url https://config.example.com/balancer.toml\n"
    "  millraced from-consul 127.0.0.1:8500 --key balancers/front\n"
    "  millraced from-etcd 10.0.0.5:2379 10.0.0.6:2379 --key /balancers/front\n"
    "\n"
    "SIGHUP reads the configuration again, wherever it is; SIGINT and SIGTERM end it.\n"
    "Exit codes: 0 after a signal, 1 it could not start, 2 wrong arguments.";

std::optional<ConfigPlace> take(config::Parsed<ConfigPlace> parsed, std::string& problem) {
  if (!parsed.value) problem = parsed.problem + " (" + parsed.remedy + ")";
  return std::move(parsed.value);
}

}  // namespace

CommandLine::CommandLine()
    : app("millraced: the control plane of Millrace. Checks backends, keeps the dataplane configured, serves "
          "millctl.") {
  app.add_option("--config,-c", file_, "configuration file");
  app.add_flag("--verbose,-v", verbose, "log details too");
  app.add_option("--format,-f", format_, "toml or json, as gobetween has it; the text itself says which it is")
      ->check(CLI::IsMember({"toml", "json"}));
  app.set_version_flag("--version", std::string("millraced " MR_VERSION));
  app.footer(kFooter);
  app.fallthrough();
  app.require_subcommand(0, 1);
  app.add_subcommand("from-file", "The configuration is a file")->add_option("FILE", file_, "its path")->required();
  CLI::App* from_url = app.add_subcommand("from-url", "The configuration is what a web server answers");
  from_url->add_option("URL", url_, "http://… or https://…; user:password@ before the host")->required();
  from_url->add_option("--ca", tls_.ca_path, "PEM file of who vouches for the server, instead of the host's own");
  CLI::App* from_consul =
      add_registry("from-consul", "The configuration is a key of Consul (token: CONSUL_HTTP_TOKEN)");
  from_consul->add_option("HOST:PORT", hosts_, "Consul's HTTP API")->required()->expected(1);
  CLI::App* from_etcd = add_registry("from-etcd", "The configuration is a key of etcd, version 3");
  from_etcd->add_option("HOST:PORT", hosts_, "etcd's client port; of several the first that answers")->required();
}

CLI::App* CommandLine::add_registry(const char* name, const char* text) {
  CLI::App* command = app.add_subcommand(name, text);
  command->add_option("--key,-k", key_, "the key")->capture_default_str();
  command->add_option("--scheme,-s", scheme_, "http or https")
      ->check(CLI::IsMember({"http", "https"}))
      ->capture_default_str();
  command->add_option("--ca", tls_.ca_path, "PEM file of who vouches for the server, instead of the host's own");
  CLI::Option* cert = command->add_option("--cert", tls_.cert_path, "PEM file of the certificate to show it");
  CLI::Option* key = command->add_option("--cert-key", tls_.key_path, "PEM file of that certificate's key");
  cert->needs(key);
  key->needs(cert);
  return command;
}

std::optional<ConfigPlace> CommandLine::place(std::string& problem) const {
  const bool https = scheme_ == "https";
  if (app.got_subcommand("from-url")) {
    config::Parsed<config::Url> url = config::parse_url(url_);
    if (url.value) return ConfigPlace::of_url(std::move(*url.value), tls_);
    problem = url.problem + " (" + url.remedy + ")";
    return std::nullopt;
  }
  if (app.got_subcommand("from-consul"))
    return take(ConfigPlace::of_consul(hosts_.front(), key_, https, tls_), problem);
  if (app.got_subcommand("from-etcd")) return take(ConfigPlace::of_etcd(hosts_, key_, https, tls_), problem);
  if (!file_.empty()) return ConfigPlace(file_);
  problem =
      "where is the configuration? (--config FILE, from-file, from-url, from-consul or from-etcd; --help shows all)";
  return std::nullopt;
}

}  // namespace millrace::control
