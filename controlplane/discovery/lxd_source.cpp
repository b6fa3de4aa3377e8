#include "controlplane/discovery/lxd_source.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <utility>

#include "controlplane/config/url_text.h"
#include "controlplane/discovery/client_certificate.h"
#include "controlplane/discovery/registry_answer.h"

namespace millrace::control {
namespace {

namespace asio = boost::asio;
namespace fs = std::filesystem;

bool is_there(const std::string& path) {
  std::error_code ignored;
  return fs::exists(path, ignored);
}

}  // namespace

// The URL was checked when the file was read.
LxdSource::LxdSource(const config::LxdDiscovery& config)
    : config_(config), url_(config::parse_url(config.endpoint.url).value.value_or(config::Url{})) {}

// Of the files of LXD's client directory only those that are there count.
HttpRequest LxdSource::request_for(const std::string& target) const {
  HttpRequest request{.url = url_, .tls = config_.endpoint.tls, .unix_path = config_.endpoint.unix_path};
  request.url.target = config::without_slash(url_.target) + target;
  request.body_bytes_max = kAnswerBytesMax;
  if (!is_there(request.tls.ca_path)) request.tls.ca_path.clear();
  if (!is_there(request.tls.pin_path)) request.tls.pin_path.clear();
  if (!is_there(request.tls.cert_path)) request.tls.cert_path = request.tls.key_path = "";
  return request;
}

// Empty, or why the server's certificate could not be taken. Nothing is sent to it but the question who it is.
asio::awaitable<std::string> LxdSource::accept_server() {
  const std::string& path = config_.endpoint.tls.pin_path;
  if (!config_.accept_server_cert || path.empty() || is_there(path)) co_return "";
  HttpRequest request = request_for("/1.0");
  std::string problem;
  const std::string certificate = co_await fetch_certificate(request, problem);
  if (!problem.empty()) co_return problem;
  if (std::string failed = write_private_file(path, certificate); !failed.empty()) co_return failed;
  spdlog::warn("lxd at {}: its certificate is accepted and kept in {}", url_.shown(), path);
  co_return "";
}

// Empty, or why the server goes on not to trust this client.
asio::awaitable<std::string> LxdSource::introduce() {
  HttpRequest request = request_for("/1.0/certificates");
  request.method = "POST";
  request.body = nlohmann::json{{"type", "client"}, {"name", "millraced"}, {"password", config_.remote_password}}.dump(
      -1, ' ', false, nlohmann::json::error_handler_t::replace);
  const HttpResponse response = co_await http_exchange(request);
  if (!response.problem.empty()) co_return response.problem;
  if (response.status != 200 && response.status != 201) co_return describe_refusal(request, response);
  spdlog::info("lxd at {} trusts this client now", url_.shown());
  co_return "";
}

// LXD before 3.19 has containers only, and no other word for them.
asio::awaitable<HttpResponse> LxdSource::list() {
  HttpRequest request = request_for("/1.0/instances?recursion=2&instance-type=container");
  HttpResponse response = co_await http_exchange(request);
  if (!response.problem.empty() || response.status != 404) co_return response;
  request = request_for("/1.0/containers?recursion=2");
  co_return co_await http_exchange(request);
}

asio::awaitable<Answer> LxdSource::ask(std::chrono::milliseconds) {
  const bool over_https = config_.endpoint.unix_path.empty();
  if (over_https && config_.generate_client_cert)
    if (std::string problem = make_client_certificate(config_.endpoint.tls.cert_path, config_.endpoint.tls.key_path);
        !problem.empty())
      co_return Answer::failed(std::move(problem));
  if (std::string problem = co_await accept_server(); !problem.empty()) co_return Answer::failed(std::move(problem));
  HttpResponse response = co_await list();
  if (response.status == 403 && over_https && !config_.remote_password.empty()) {
    if (std::string problem = co_await introduce(); !problem.empty()) co_return Answer::failed(std::move(problem));
    response = co_await list();
  }
  if (!response.problem.empty()) co_return Answer::failed(std::move(response.problem));
  const HttpRequest request = request_for("/1.0/instances");
  if (response.status != 200) co_return Answer::failed(describe_refusal(request, response));
  Answer answer = parse_lxd_instances(response.body, config_);
  if (!answer.problem.empty()) answer.problem = request.shown() + ": " + answer.problem;
  co_return answer;
}

}  // namespace millrace::control
