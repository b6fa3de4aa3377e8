// lxd_source.h: kind = "lxd": running containers by their addresses, over LXD's UNIX socket or https.
// Route:  ask > make_client_certificate > accept_server > list > (introduce, once, where it is refused) > Answer
// Holds:  over https a server is known by the certificate under servercerts, else by those who vouch for it; a new
//         certificate is taken only where there is none yet and the configuration says so.
// Fails:  with a sentence; the files that it writes are whole or not there.
// Tests:  tests/unit/control/lxd_test.cpp
#pragma once

#include <string>

#include "controlplane/client/http_client.h"
#include "controlplane/discovery/source.h"

namespace millrace::control {

class LxdSource final : public Source {
 public:
  explicit LxdSource(const config::LxdDiscovery& config);
  boost::asio::awaitable<Answer> ask(std::chrono::milliseconds timeout) override;

 private:
  HttpRequest request_for(const std::string& target) const;
  boost::asio::awaitable<std::string> accept_server();
  boost::asio::awaitable<std::string> introduce();
  boost::asio::awaitable<HttpResponse> list();

  config::LxdDiscovery config_;
  config::Url url_;
};

}  // namespace millrace::control
