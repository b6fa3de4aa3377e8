#include "controlplane/health/tls_client.h"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "controlplane/health/probe_errors.h"

namespace millrace::control {

namespace ssl = boost::asio::ssl;

TlsClient::TlsClient(const config::CheckTls& tls, const std::string& name, const std::vector<std::string>& alpn,
                     bool alpn_needed)
    : context_(ssl::context::tls_client),
      name_(tls.server_name.empty() ? name : tls.server_name),
      verify_(tls.verify),
      alpn_needed_(alpn_needed) {
  for (const std::string& protocol : alpn) alpn_ += static_cast<char>(protocol.size()) + protocol;
  boost::system::error_code error;
  context_.set_verify_mode(verify_ ? ssl::verify_peer : ssl::verify_none);
  if (!verify_) return;
  if (tls.ca.empty())
    context_.set_default_verify_paths(error);
  else
    context_.load_verify_file(tls.ca, error);
  if (error)
    problem_ = fmt::format("the certificates of {} cannot be used: {}", tls.ca.empty() ? "this host" : tls.ca,
                           error.message());
}

void TlsClient::prepare(SSL* connection, const IpAddr& backend) const {
  X509_VERIFY_PARAM* rules = SSL_get0_param(connection);
  if (name_.empty()) {
    if (verify_) X509_VERIFY_PARAM_set1_ip_asc(rules, format_ip(backend).c_str());
  } else {
    SSL_set_tlsext_host_name(connection, name_.c_str());
    if (verify_) X509_VERIFY_PARAM_set1_host(rules, name_.data(), name_.size());
  }
  if (!alpn_.empty())
    SSL_set_alpn_protos(connection, reinterpret_cast<const unsigned char*>(alpn_.data()),
                        static_cast<unsigned>(alpn_.size()));
}

std::string TlsClient::judge(SSL* connection, const boost::system::error_code& error) const {
  if (error) {
    const long verdict = SSL_get_verify_result(connection);
    if (verify_ && verdict != X509_V_OK)
      return fmt::format("its certificate is not believed: {}", X509_verify_cert_error_string(verdict));
    const char* reason = ERR_reason_error_string(static_cast<unsigned long>(error.value()));
    return fmt::format(
        "TLS handshake failed: {}",
        error.category() == boost::asio::error::get_ssl_category() && reason != nullptr ? reason : error.message());
  }
  const unsigned char* chosen = nullptr;
  unsigned length = 0;
  SSL_get0_alpn_selected(connection, &chosen, &length);
  return alpn_needed_ && length == 0 ? "chose none of the protocols that TLS offered (ALPN)" : "";
}

}  // namespace millrace::control
