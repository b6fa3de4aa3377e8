#include "controlplane/net/base64.h"

#include <sodium.h>

namespace millrace::control {

std::string to_base64(std::string_view bytes) {
  constexpr int kVariant = sodium_base64_VARIANT_ORIGINAL;
  std::string text(sodium_base64_encoded_len(bytes.size(), kVariant), '\0');
  sodium_bin2base64(text.data(), text.size(), reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(),
                    kVariant);
  text.pop_back();  // the NUL
  return text;
}

std::optional<std::string> from_base64(std::string_view text) {
  std::string bytes(text.size() / 4 * 3, '\0');
  size_t count = 0;
  const bool whole = text.size() % 4 == 0 &&
                     sodium_base642bin(reinterpret_cast<unsigned char*>(bytes.data()), bytes.size(), text.data(),
                                       text.size(), nullptr, &count, nullptr, sodium_base64_VARIANT_ORIGINAL) == 0;
  if (!whole) return std::nullopt;
  bytes.resize(count);
  return bytes;
}

}  // namespace millrace::control
