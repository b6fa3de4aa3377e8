// health_tls_test.cpp: checks by TLS: whose certificate is believed, names, ALPN, and servers that speak none.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <unistd.h>

#include <boost/asio/ssl.hpp>
#include <cstdio>
#include <filesystem>

#include "tests/unit/control/probe_peers.h"

namespace millrace::control {
namespace {

namespace asio = boost::asio;
namespace ssl = asio::ssl;
using config::CheckKind;

template <typename T, void (*free)(T*)>
using Owned = std::unique_ptr<T, std::integral_constant<decltype(free), free>>;

// A certificate that signs itself, for an address and a name.
struct Certificate {
  Owned<EVP_PKEY, EVP_PKEY_free> key{EVP_EC_gen("P-256")};
  Owned<X509, X509_free> x509{X509_new()};
  std::string file = std::filesystem::temp_directory_path() / ("millrace_ca." + std::to_string(getpid()) + ".pem");

  explicit Certificate(const char* names) {
    X509_set_version(x509.get(), 2);
    ASN1_INTEGER_set(X509_get_serialNumber(x509.get()), 1);
    X509_gmtime_adj(X509_getm_notBefore(x509.get()), -60);
    X509_gmtime_adj(X509_getm_notAfter(x509.get()), 3600);
    X509_set_pubkey(x509.get(), key.get());
    X509_NAME* name = X509_get_subject_name(x509.get());
    const auto* common = reinterpret_cast<const unsigned char*>("millrace test");
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, common, -1, -1, 0);
    X509_set_issuer_name(x509.get(), name);
    const Owned<X509_EXTENSION, X509_EXTENSION_free> san(
        X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, names));
    X509_add_ext(x509.get(), san.get(), -1);
    X509_sign(x509.get(), key.get(), EVP_sha256());
    std::FILE* pem = std::fopen(file.c_str(), "w");
    PEM_write_X509(pem, x509.get());
    std::fclose(pem);
  }
  ~Certificate() { std::filesystem::remove(file); }
};

// A TLS server with that certificate; `alpn`: the protocol that it chooses, as on the wire.
struct TlsServer {
  Certificate certificate{"IP:127.0.0.1,DNS:www.example.com"};
  ssl::context context{ssl::context::tls_server};
  std::string alpn;
  std::string asked_name;
  std::string answer;
  std::unique_ptr<ScriptedServer> server;

  explicit TlsServer(std::string says, std::string chooses = "") : alpn(std::move(chooses)), answer(std::move(says)) {
    SSL_CTX_use_certificate(context.native_handle(), certificate.x509.get());
    SSL_CTX_use_PrivateKey(context.native_handle(), certificate.key.get());
    if (!alpn.empty()) SSL_CTX_set_alpn_select_cb(context.native_handle(), choose, &alpn);
    server = std::make_unique<ScriptedServer>(
        [this](ScriptedServer::Socket& socket, const std::stop_token&) { serve(socket); });
  }
  Endpoint at() const { return server->at(); }

 private:
  static int choose(SSL*, const unsigned char** out, unsigned char* length, const unsigned char* offered,
                    unsigned bytes, void* self) {
    const auto& wanted = *static_cast<const std::string*>(self);
    return SSL_select_next_proto(const_cast<unsigned char**>(out), length,
                                 reinterpret_cast<const unsigned char*>(wanted.data()),
                                 static_cast<unsigned>(wanted.size()), offered, bytes) == OPENSSL_NPN_NEGOTIATED
               ? SSL_TLSEXT_ERR_OK
               : SSL_TLSEXT_ERR_NOACK;
  }
  void serve(ScriptedServer::Socket& socket) {
    ssl::stream<ScriptedServer::Socket&> stream(socket, context);
    stream.handshake(ssl::stream_base::server);
    const char* name = SSL_get_servername(stream.native_handle(), TLSEXT_NAMETYPE_host_name);
    asked_name = name == nullptr ? "" : name;
    char piece[4096];
    stream.read_some(asio::buffer(piece));
    asio::write(stream, asio::buffer(answer));
    listen_on(socket);
  }
};

constexpr char kOk[] = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

config::HealthcheckConfig https(const config::CheckTls& tls, const std::string& host = "") {
  config::HealthcheckConfig check{.kind = CheckKind::http, .tls = tls};
  check.http.host = host;
  check.tls.enabled = true;
  return check;
}

TEST(HttpProbe_run, https_believes_its_own_ca_and_the_address) {
  TlsServer server(kOk);
  const Asked asked = ask(https({.ca = server.certificate.file}), server.at());
  EXPECT_EQ(asked.result.cause, "answered 200");
  EXPECT_EQ(server.asked_name, "") << "RFC 6066 section 3: an address is no server name";
}

TEST(HttpProbe_run, https_asks_for_the_host_or_the_server_name) {
  TlsServer server(kOk);
  EXPECT_EQ(ask(https({.ca = server.certificate.file}, "www.example.com:8443"), server.at()).result.cause,
            "answered 200");
  EXPECT_EQ(server.asked_name, "www.example.com");
  const config::CheckTls named{.ca = server.certificate.file, .server_name = "www.example.com"};
  EXPECT_EQ(ask(https(named, "internal"), server.at()).result.cause, "answered 200");
  EXPECT_EQ(server.asked_name, "www.example.com");
}

TEST(HttpProbe_run, https_refuses_who_cannot_be_believed) {
  TlsServer server(kOk);
  const Asked unknown = ask(https({}), server.at());
  EXPECT_EQ(unknown.result.outcome, ProbeOutcome::failed);
  EXPECT_THAT(unknown.result.cause, testing::StartsWith("its certificate is not believed: self"));
  EXPECT_EQ(ask(https({.ca = server.certificate.file}, "other.example.com"), server.at()).result.cause,
            "its certificate is not believed: hostname mismatch");
  EXPECT_EQ(ask(https({.verify = false}, "other.example.com"), server.at()).result.cause, "answered 200");
}

TEST(HttpProbe_run, https_without_its_certificates_is_not_run) {
  TlsServer server(kOk);
  const Asked asked = ask(https({.ca = "/nonexistent/ca.pem"}), server.at());
  EXPECT_EQ(asked.result.outcome, ProbeOutcome::not_run);
  EXPECT_THAT(asked.result.cause, testing::StartsWith("the certificates of /nonexistent/ca.pem cannot be used"));
}

TEST(HttpProbe_run, https_with_a_server_that_speaks_none) {
  ScriptedServer plain(answers(kOk));
  ScriptedServer silent(is_silent);
  ScriptedServer dripping(drips("\x16\x03\x03\x40", '\0'));
  EXPECT_THAT(ask(https({}), plain.at()).result.cause, testing::StartsWith("TLS handshake failed: "));
  for (const ScriptedServer* server : {&silent, &dripping})
    EXPECT_EQ(ask(https({}), server->at(), std::chrono::milliseconds(200)).result.cause, "no answer within 200 ms");
}

TEST(StreamProbe_run, tls_and_alpn) {
  TlsServer server("* OK ready\r\n", "\4imap");
  config::HealthcheckConfig check{.kind = CheckKind::probe};
  check.probe = {
      .protocol = config::ProbeProtocol::tls, .send = "a NOOP\r\n", .starts_with = "* OK", .answer_bytes = 4};
  check.tls = {.enabled = true, .ca = server.certificate.file, .alpn = {"imap"}};
  EXPECT_EQ(ask(check, server.at()).result.cause, "answered as expected");
  check.tls.alpn = {"pop3"};
  EXPECT_EQ(ask(check, server.at()).result.cause, "chose none of the protocols that TLS offered (ALPN)");
}

TEST(GrpcProbe_run, tls_needs_h2) {
  TlsServer server("", "\x8http/1.1");
  config::HealthcheckConfig check{.kind = CheckKind::grpc, .tls = {.enabled = true, .verify = false}};
  EXPECT_EQ(ask(check, server.at()).result.cause, "chose none of the protocols that TLS offered (ALPN)");
}

}  // namespace
}  // namespace millrace::control
