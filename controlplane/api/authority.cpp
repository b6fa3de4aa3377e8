#include "controlplane/api/authority.h"

#include <sodium.h>

#include "controlplane/net/base64.h"

namespace millrace::control {

Authority::Digest Authority::digest_of(const std::string& text) {
  Digest digest;
  crypto_hash_sha256(digest.data(), reinterpret_cast<const unsigned char*>(text.data()), text.size());
  return digest;
}

Authority::Authority(const config::ApiConfig& config) : cors_(config.cors) {
  if (config.basic_auth) {
    const std::string pair = config.basic_auth->login + ":" + config.basic_auth->password;
    keys_.push_back({digest_of("Basic " + to_base64(pair)), true});
  }
  for (const config::ApiConfig::Token& token : config.tokens)
    keys_.push_back({digest_of("Bearer " + token.token), token.may_write});
}

std::optional<ApiReply> Authority::refuse(const ApiRequest& request, bool writes) const {
  // A browser names the page that asks wherever the answer could do harm.
  if (!request.origin.empty() && !cors_)
    return error_reply(403, "pages of other origins may not use this API", "[api] cors = true allows it");
  if (keys_.empty() || request.method == "OPTIONS") return std::nullopt;
  const Digest given = digest_of(request.authorization);
  bool known = false;
  bool may_write = false;
  for (const Key& key : keys_) {
    const bool same = sodium_memcmp(key.digest.data(), given.data(), given.size()) == 0;
    known |= same;
    may_write |= same && key.may_write;
  }
  if (!known) return error_reply(401, "this needs a login or a token", "send one of [api.basic_auth] or [[api.token]]");
  if (writes && !may_write) return error_reply(403, "this token may only read", "use one with role = \"write\"");
  return std::nullopt;
}

}  // namespace millrace::control
