// client_tls.h: TLS towards a registry, as a value: whom to believe, and who asks.
#pragma once

#include <string>

namespace millrace::config {

// Paths of PEM files; empty: none.
struct ClientTls {
  std::string ca_path;    // who vouches for the server; empty: those whom the host trusts
  std::string cert_path;  // of the one who asks; with key_path
  std::string key_path;
  std::string pin_path;      // the server's own certificate, in place of everybody who could vouch for it
  bool skip_verify = false;  // any certificate will do
  bool operator==(const ClientTls&) const = default;
};

}  // namespace millrace::config
