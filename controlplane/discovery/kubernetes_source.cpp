#include "controlplane/discovery/kubernetes_source.h"

#include <fmt/format.h>

#include <cstdlib>
#include <fstream>

#include "controlplane/client/http_client.h"
#include "controlplane/config/error_text.h"
#include "controlplane/discovery/backend_text.h"

namespace millrace::control {
namespace {

namespace asio = boost::asio;

constexpr char kPodFolder[] = "/var/run/secrets/kubernetes.io/serviceaccount/";
constexpr size_t kSecretBytesMax = 16 * 1024;
constexpr size_t kPageSlices = 500;
constexpr unsigned kGone = 410;

// The first line. Empty: `problem` says why.
std::string read_line_of(const std::string& path, std::string& problem) {
  std::ifstream file(path, std::ios::binary);
  std::string text(kSecretBytesMax, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<size_t>(file.gcount()));
  text.resize(std::min(text.find_first_of("\r\n"), text.size()));
  if (text.empty()) problem = path + " cannot be read, or is empty";
  return text;
}

std::string escape_query(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    const bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
                       c == '.' || c == '_' || c == '~';
    escaped += plain ? std::string(1, c) : fmt::format("%{:02X}", static_cast<uint8_t>(c));
  }
  return escaped;
}

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

// As every pod is told it. Empty: this is none.
std::string url_of_cluster() {
  const std::string host = environment("KUBERNETES_SERVICE_HOST");
  const std::string port = environment("KUBERNETES_SERVICE_PORT");
  if (host.empty()) return "";
  const bool literal = host.find(':') != std::string::npos;
  return fmt::format("https://{}:{}", literal ? "[" + host + "]" : host, port.empty() ? "443" : port);
}

}  // namespace

// Every time anew: tokens are replaced while we run.
std::string KubernetesSource::settle() {
  const bool in_pod = config_.api_url.empty();
  const config::Parsed<config::Url> url = config::parse_url(in_pod ? url_of_cluster() : config_.api_url);
  if (!url.value) return "this host is no pod of a cluster: set kubernetes_api_url";
  api_ = *url.value;
  if (api_.target.ends_with('/')) api_.target.pop_back();
  const std::string pod = in_pod ? kPodFolder : "";
  const auto path_of = [&pod](const std::string& configured, const char* name) {
    return !configured.empty() || pod.empty() ? configured : pod + name;
  };
  ca_path_ = path_of(config_.ca_path, "ca.crt");
  std::string problem;
  const std::string token_path = path_of(config_.token_path, "token");
  token_ = token_path.empty() ? "" : read_line_of(token_path, problem);
  namespace_ = config_.namespace_name;
  if (problem.empty() && namespace_.empty()) namespace_ = read_line_of(std::string(kPodFolder) + "namespace", problem);
  return problem;
}

HttpRequest KubernetesSource::request(const std::string& query) const {
  HttpRequest request;
  request.url = api_;
  request.url.target +=
      fmt::format("/apis/discovery.k8s.io/v1/namespaces/{}/endpointslices?labelSelector={}{}", escape_query(namespace_),
                  escape_query("kubernetes.io/service-name=" + config_.service), query);
  request.tls.ca_path = ca_path_;
  if (!token_.empty()) request.fields.push_back({"Authorization", "Bearer " + token_});
  request.body_bytes_max = kAnswerBytesMax;
  return request;
}

// Page by page. A page that has gone before it was asked for is a reason to ask for all of them again, later.
asio::awaitable<std::string> KubernetesSource::list(Clock::time_point deadline) {
  if (std::string problem = settle(); !problem.empty()) co_return problem;
  std::map<std::string, EndpointSlice> slices;
  std::string next_page;
  do {
    const std::string query =
        fmt::format("&limit={}", kPageSlices) + (next_page.empty() ? "" : "&continue=" + escape_query(next_page));
    const HttpRequest asked = request(query);
    const HttpResponse response = co_await exchange_until(asked, deadline);
    if (!response.problem.empty()) co_return response.problem;
    if (response.status == kGone) co_return api_.shown() + ": its list has changed too much while it was read";
    if (response.status != 200) co_return describe_refusal(asked, response);
    SlicePage page = parse_slice_page(response.body, config_.port);
    if (!page.problem.empty()) co_return api_.shown() + ": " + page.problem;
    for (EndpointSlice& slice : page.slices) slices.insert_or_assign(slice.name, std::move(slice));
    if (slices.size() > kEntryMax) co_return fmt::format("{} has more than {} slices", config_.service, kEntryMax);
    resource_version_ = page.resource_version;
    next_page = page.next_page;
  } while (!next_page.empty());
  slices_ = std::move(slices);
  co_return "";
}

HttpRequest KubernetesSource::watch() const {
  return request("&watch=1&allowWatchBookmarks=true&resourceVersion=" + escape_query(resource_version_));
}

WatchedSource::Told KubernetesSource::take(const std::string& line) {
  SliceEvent event = parse_slice_event(line, config_.port);
  if (!event.problem.empty() || event.kind == SliceEvent::Kind::gone) return Told::end;
  if (event.kind == SliceEvent::Kind::bookmark) return Told::nothing;
  if (event.kind == SliceEvent::Kind::deleted)
    slices_.erase(event.slice.name);
  else
    slices_.insert_or_assign(event.slice.name, std::move(event.slice));
  return slices_.size() > kEntryMax ? Told::end : Told::change;
}

Answer KubernetesSource::answer() const {
  AnswerBuilder builder;
  for (const auto& [name, slice] : slices_)
    for (const auto& entry : slice.entries)
      if (!builder.add(entry, config::quote(name))) return builder.take("endpoints");
  return builder.take("endpoints");
}

}  // namespace millrace::control
