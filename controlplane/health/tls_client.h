// tls_client.h: TLS towards the backends of a service: whom to believe, which name to ask for, which protocols to offer.
// Thread: the event loop.
// Tests:  tests/unit/control/health_tls_test.cpp
#pragma once

#include <boost/asio/ssl/context.hpp>
#include <string>
#include <vector>

#include "controlplane/config/healthcheck.h"
#include "millrace/addr.h"

namespace millrace::control {

class TlsClient {
 public:
  // `name`: instead of an empty server name. `alpn`: the protocols to offer; `alpn_needed`: the backend must choose one.
  TlsClient(const config::CheckTls& tls, const std::string& name, const std::vector<std::string>& alpn,
            bool alpn_needed);

  // Why no connection can be made; empty otherwise.
  const std::string& problem() const { return problem_; }
  boost::asio::ssl::context& context() { return context_; }
  // Before the handshake.
  void prepare(SSL* connection, const IpAddr& backend) const;
  // After a handshake that failed with `error`, or that did not: what is wrong, as the cause of a check; empty if nothing.
  std::string judge(SSL* connection, const boost::system::error_code& error) const;

 private:
  boost::asio::ssl::context context_;
  std::string name_;
  std::string alpn_;  // as on the wire, RFC 7301 section 3.1
  bool verify_;
  bool alpn_needed_;
  std::string problem_;
};

}  // namespace millrace::control
