// authority.h: who may do what through the API's TCP port: basic auth (RFC 7617) and bearer tokens (RFC 6750).
// Holds:  secrets are kept and compared as digests, in a time that says nothing about them; they are never logged.
// Thread: the event loop.      Tests: tests/unit/control/api_tcp_test.cpp
#pragma once

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "controlplane/api/reply.h"
#include "controlplane/config/config.h"

namespace millrace::control {

class Authority {
 public:
  explicit Authority(const config::ApiConfig& config);

  // 401 for who is not known, 403 for who may only read where the request `writes`, or who comes from a page of another
  // origin without CORS.
  std::optional<ApiReply> refuse(const ApiRequest& request, bool writes) const;

 private:
  using Digest = std::array<unsigned char, 32>;
  struct Key {
    Digest digest;  // of the whole header field
    bool may_write;
  };

  static Digest digest_of(const std::string& text);

  std::vector<Key> keys_;  // none: everybody may do everything
  bool cors_;
};

}  // namespace millrace::control
