// http_message.h: a request to a registry and its response, as values.
// Thread: any; pure.      Tests: tests/unit/control/http_exchange_test.cpp
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "controlplane/config/client_tls.h"
#include "controlplane/config/url.h"

namespace millrace::control {

struct HttpField {
  std::string name;
  std::string value;
};

struct HttpRequest {
  config::Url url;
  config::ClientTls tls;          // for an https URL
  std::string unix_path;          // not empty: connect to this UNIX socket instead of the URL's host
  std::string method = "GET";     // as on the wire
  std::vector<HttpField> fields;  // beside Host, User-Agent, Accept and the URL's credentials; they may hold secrets
  std::string body;               // JSON; empty: none
  size_t body_bytes_max = 0;      // of the response; of a stream: of one line

  // Where it goes, without credentials.
  std::string shown() const;
};

struct HttpResponse {
  unsigned status = 0;
  std::vector<HttpField> fields;
  std::string body;
  std::string problem;  // not empty: there is no response

  // Of the first field of that name, in any case; empty: there is none.
  std::string_view field(std::string_view name) const;
};

// A sentence about a response that is not what was wanted: its status, and the first line of what it says about it.
std::string describe_refusal(const HttpRequest& request, const HttpResponse& response);

}  // namespace millrace::control
