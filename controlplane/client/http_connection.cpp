#include "controlplane/client/http_connection.h"

#include <fmt/format.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/http.hpp>
#include <memory>

#include "controlplane/dns/resolver.h"
#include "controlplane/net/asio_types.h"
#include "controlplane/net/base64.h"

namespace millrace::control {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using boost::system::error_code;
using config::ClientTls;
using config::Url;

constexpr size_t kUnixPathBytesMax = 107;  // sockaddr_un, with its end

std::string host_field(const Url& url) {
  const bool literal = url.host.find(':') != std::string::npos;
  const bool usual = url.port == (url.tls ? 443 : 80);
  return (literal ? "[" + url.host + "]" : url.host) + (usual ? "" : ":" + std::to_string(url.port));
}

http::request<http::string_body> to_message(const HttpRequest& request) {
  http::request<http::string_body> message;
  message.version(11);
  message.method_string(request.method);
  message.target(request.url.target);
  message.set(http::field::host, request.unix_path.empty() ? host_field(request.url) : "localhost");
  message.set(http::field::user_agent, "millraced/" MR_VERSION);
  message.set(http::field::accept, "*/*");
  message.set(http::field::connection, "close");
  const std::string& credentials = request.url.credentials;
  if (!credentials.empty()) message.set(http::field::authorization, "Basic " + to_base64(credentials));
  for (const HttpField& field : request.fields) message.set(field.name, field.value);
  if (!request.body.empty()) {
    message.set(http::field::content_type, "application/json");
    message.body() = request.body;
  }
  if (!request.body.empty() || request.method != "GET") message.prepare_payload();
  return message;
}

// Empty, or what is wrong with the certificates of this side.
std::string load_certificates(asio::ssl::context& context, const ClientTls& tls) {
  error_code error;
  const bool verify = !tls.skip_verify && tls.pin_path.empty();
  context.set_verify_mode(verify ? asio::ssl::verify_peer : asio::ssl::verify_none, error);
  if (verify && tls.ca_path.empty())
    context.set_default_verify_paths(error);
  else if (verify)
    context.load_verify_file(tls.ca_path, error);
  if (error) return tls.ca_path + ": " + error.message();
  if (!tls.cert_path.empty()) context.use_certificate_chain_file(tls.cert_path, error);
  if (error) return tls.cert_path + ": " + error.message();
  if (!tls.key_path.empty()) context.use_private_key_file(tls.key_path, asio::ssl::context::pem, error);
  if (error) return tls.key_path + ": " + error.message();
  SSL_CTX_set_min_proto_version(context.native_handle(), TLS1_2_VERSION);
  return {};
}

struct FreeCertificate {
  void operator()(X509* certificate) const { X509_free(certificate); }
};
using Certificate = std::unique_ptr<X509, FreeCertificate>;

struct FreeBio {
  void operator()(BIO* bio) const { BIO_free_all(bio); }
};
using Bio = std::unique_ptr<BIO, FreeBio>;

// Empty, or how the server's certificate differs from the one that is expected.
std::string check_pin(const SSL* connection, const std::string& pin_path) {
  const Bio file(BIO_new_file(pin_path.c_str(), "r"));
  const Certificate expected(file ? PEM_read_bio_X509(file.get(), nullptr, nullptr, nullptr) : nullptr);
  if (!expected) return pin_path + ": holds no certificate";
  const Certificate shown(SSL_get1_peer_certificate(connection));
  if (!shown || X509_cmp(expected.get(), shown.get()) != 0)
    return "its certificate is not the one in " + pin_path + ": take that file away if the server has a new one";
  return {};
}

std::string describe_handshake(SSL* connection, const error_code& error) {
  const long verdict = SSL_get_verify_result(connection);
  return verdict == X509_V_OK || SSL_get_verify_mode(connection) == SSL_VERIFY_NONE
             ? error.message()
             : fmt::format("its certificate is not trusted: {}", X509_verify_cert_error_string(verdict));
}

}  // namespace

asio::awaitable<std::string> HttpConnection::connect(const HttpRequest& request) {
  error_code last;
  if (!request.unix_path.empty()) {
    if (request.unix_path.size() > kUnixPathBytesMax) co_return "its path is too long for a UNIX socket";
    const asio::local::stream_protocol::endpoint endpoint(request.unix_path);
    const auto [error] = co_await socket_.async_connect(endpoint, kQuietly);
    co_return error ? error.message() : "";
  }
  const HostAddresses host = co_await look_up_host(request.url.host);
  if (!host.problem.empty()) co_return host.problem;
  for (const IpAddr& addr : host.addresses) {
    socket_.close(last);
    const asio::ip::tcp::endpoint endpoint(to_asio(addr), request.url.port);
    const auto [error] = co_await socket_.async_connect(endpoint, kQuietly);
    if (!error) co_return "";
    last = error;
  }
  co_return last.message();
}

asio::awaitable<std::string> HttpConnection::shake_hands(const HttpRequest& request) {
  context_.emplace(asio::ssl::context::tls_client);
  if (const std::string problem = load_certificates(*context_, request.tls); !problem.empty()) co_return problem;
  tls_.emplace(socket_, *context_);
  SSL* connection = tls_->native_handle();
  error_code error;
  const std::string& host = request.url.host;
  if (request.tls.pin_path.empty() && !request.tls.skip_verify)
    tls_->set_verify_callback(asio::ssl::host_name_verification(host), error);
  if (!parse_ip(host)) SSL_set_tlsext_host_name(connection, host.c_str());
  const auto [handshake_error] = co_await tls_->async_handshake(asio::ssl::stream_base::client, kQuietly);
  if (handshake_error) co_return describe_handshake(connection, handshake_error);
  co_return request.tls.pin_path.empty() ? "" : check_pin(connection, request.tls.pin_path);
}

asio::awaitable<std::string> HttpConnection::open(const HttpRequest& request) {
  if (const std::string problem = co_await connect(request); !problem.empty()) co_return problem;
  if (request.url.tls && request.unix_path.empty())
    if (const std::string problem = co_await shake_hands(request); !problem.empty()) co_return problem;
  const http::request<http::string_body> message = to_message(request);
  const auto [error, written] =
      co_await with([&](auto& stream) { return http::async_write(stream, message, kQuietly); });
  co_return error ? error.message() : "";
}

std::string HttpConnection::certificate() {
  if (!tls_) return {};
  const Certificate shown(SSL_get1_peer_certificate(tls_->native_handle()));
  const Bio text(BIO_new(BIO_s_mem()));
  if (!shown || !text || PEM_write_bio_X509(text.get(), shown.get()) != 1) return {};
  char* begin = nullptr;
  const long bytes = BIO_get_mem_data(text.get(), &begin);
  return {begin, static_cast<size_t>(bytes)};
}

std::string describe_cut(const error_code& error) {
  if (error == http::error::body_limit) return "its answer is too long";
  if (error == http::error::header_limit) return "its headers are too long";
  if (error == http::error::partial_message || error == asio::error::eof || error == asio::ssl::error::stream_truncated)
    return "its answer ends in the middle";
  if (error == http::error::end_of_stream) return "it hangs up without an answer";
  return error.message();
}

}  // namespace millrace::control
