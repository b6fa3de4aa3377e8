#include "controlplane/client/http_client.h"

#include <fmt/format.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/detail/base64.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <utility>

#include "controlplane/dns/resolver.h"

namespace millrace::control {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using asio::ip::tcp;
using boost::system::error_code;
using config::Url;

constexpr auto kQuietly = asio::as_tuple(asio::use_awaitable);
constexpr uint32_t kHeaderBytesMax = 64 * 1024;

tcp::endpoint to_asio(const IpAddr& addr, uint16_t port) {
  if (addr.is_ipv4()) return {asio::ip::address_v4(addr.ipv4().host()), port};
  return {asio::ip::address_v6(addr.bytes), port};
}

std::string base64(const std::string& text) {
  namespace codec = boost::beast::detail::base64;
  std::string encoded(codec::encoded_size(text.size()), '\0');
  encoded.resize(codec::encode(encoded.data(), text.data(), text.size()));
  return encoded;
}

std::string host_header(const Url& url) {
  const bool literal = url.host.find(':') != std::string::npos;
  const bool usual = url.port == (url.tls ? 443 : 80);
  return (literal ? "[" + url.host + "]" : url.host) + (usual ? "" : ":" + std::to_string(url.port));
}

HttpResponse failed(const Url& url, const std::string& what) { return {.problem = url.shown() + ": " + what}; }

// What cut the response off, in words.
std::string describe(const error_code& error) {
  if (error == http::error::body_limit) return "its answer is too long";
  if (error == http::error::header_limit) return "its headers are too long";
  if (error == http::error::partial_message || error == asio::error::eof) return "its answer ends in the middle";
  if (error == http::error::end_of_stream) return "it hangs up without an answer";
  return error.message();
}

template <typename Stream>
asio::awaitable<HttpResponse> exchange(Stream& stream, const HttpRequest& request) {
  const Url& url = request.url;
  http::request<http::empty_body> message{http::verb::get, url.target, 11};
  message.set(http::field::host, host_header(url));
  message.set(http::field::user_agent, "millraced/" MR_VERSION);
  message.set(http::field::accept, "*/*");
  message.set(http::field::connection, "close");
  if (!url.credentials.empty()) message.set(http::field::authorization, "Basic " + base64(url.credentials));
  const auto [write_error, written] = co_await http::async_write(stream, message, kQuietly);
  if (write_error) co_return failed(url, write_error.message());

  http::response_parser<http::string_body> parser;
  parser.body_limit(request.body_bytes_max);
  parser.header_limit(kHeaderBytesMax);
  boost::beast::flat_buffer buffer;
  const auto [read_error, taken] = co_await http::async_read(stream, buffer, parser, kQuietly);
  if (read_error) co_return failed(url, describe(read_error));
  http::response<http::string_body> response = parser.release();
  co_return HttpResponse{.status = response.result_int(),
                         .body = std::move(response.body()),
                         .location = std::string(response[http::field::location])};
}

asio::awaitable<std::string> connect(tcp::socket& socket, const Url& url) {
  const HostAddresses host = co_await look_up_host(url.host);
  if (!host.problem.empty()) co_return host.problem;
  error_code last;
  for (const IpAddr& addr : host.addresses) {
    socket.close(last);
    const auto [error] = co_await socket.async_connect(to_asio(addr, url.port), kQuietly);
    if (!error) co_return "";
    last = error;
  }
  co_return last.message();
}

// Empty, or what is wrong with the certificates of this side.
std::string trust(asio::ssl::context& context, const std::string& ca_path) {
  error_code error;
  context.set_verify_mode(asio::ssl::verify_peer, error);
  if (ca_path.empty())
    context.set_default_verify_paths(error);
  else
    context.load_verify_file(ca_path, error);
  if (error) return ca_path + ": " + error.message();
  SSL_CTX_set_min_proto_version(context.native_handle(), TLS1_2_VERSION);
  return {};
}

asio::awaitable<HttpResponse> exchange_tls(tcp::socket& socket, const HttpRequest& request) {
  const Url& url = request.url;
  asio::ssl::context context(asio::ssl::context::tls_client);
  if (const std::string problem = trust(context, request.ca_path); !problem.empty()) co_return failed(url, problem);
  asio::ssl::stream<tcp::socket&> stream(socket, context);
  error_code error;
  stream.set_verify_callback(asio::ssl::host_name_verification(url.host), error);
  if (!parse_ip(url.host)) SSL_set_tlsext_host_name(stream.native_handle(), url.host.c_str());
  const auto [handshake_error] = co_await stream.async_handshake(asio::ssl::stream_base::client, kQuietly);
  if (handshake_error) {
    const long verdict = SSL_get_verify_result(stream.native_handle());
    co_return failed(url, verdict == X509_V_OK ? handshake_error.message()
                                               : fmt::format("its certificate is not trusted: {}",
                                                             X509_verify_cert_error_string(verdict)));
  }
  co_return co_await exchange(stream, request);
}

asio::awaitable<HttpResponse> request_once(const HttpRequest& request) {
  tcp::socket socket(co_await asio::this_coro::executor);
  if (const std::string problem = co_await connect(socket, request.url); !problem.empty())
    co_return failed(request.url, problem);
  if (request.url.tls) co_return co_await exchange_tls(socket, request);
  co_return co_await exchange(socket, request);
}

bool is_redirect(unsigned status) {
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

// False: there is nowhere to go.
bool follow(const std::string& location, Url& url) {
  if (location.starts_with('/') && !location.starts_with("//")) {
    url.target = location;
    return true;
  }
  config::Parsed<Url> next = config::parse_url(location);
  if (!next.value || (url.tls && !next.value->tls)) return false;
  const bool same_server = next.value->host == url.host && next.value->port == url.port && next.value->tls == url.tls;
  if (same_server && next.value->credentials.empty()) next.value->credentials = url.credentials;
  url = *next.value;
  return true;
}

}  // namespace

asio::awaitable<HttpResponse> http_get(HttpRequest request) {
  for (unsigned redirects = 0;; ++redirects) {
    HttpResponse response = co_await request_once(request);
    if (!response.problem.empty() || response.status == 200) co_return response;
    const Url asked = request.url;
    if (!is_redirect(response.status) || redirects == kRedirectMax || !follow(response.location, request.url))
      co_return failed(asked, fmt::format("it answers with status {}", response.status));
  }
}

}  // namespace millrace::control
