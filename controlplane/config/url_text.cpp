#include "controlplane/config/url_text.h"

#include <cctype>
#include <charconv>

namespace millrace::config {

std::string percent_encoded(std::string_view text) {
  constexpr std::string_view kPlain = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
  constexpr char kDigits[] = "0123456789ABCDEF";
  std::string encoded;
  for (const char c : text)
    if (kPlain.find(c) != std::string_view::npos) {
      encoded += c;
    } else {
      encoded += '%';
      encoded += kDigits[static_cast<unsigned char>(c) >> 4];
      encoded += kDigits[static_cast<unsigned char>(c) & 15];
    }
  return encoded;
}

std::string percent_decoded(std::string_view text) {
  std::string decoded;
  while (!text.empty()) {
    unsigned char byte = static_cast<unsigned char>(text.front());
    size_t taken = 1;
    if (text.front() == '%' && text.size() > 2 && std::isxdigit(static_cast<unsigned char>(text[1])) != 0 &&
        std::isxdigit(static_cast<unsigned char>(text[2])) != 0) {
      std::from_chars(text.data() + 1, text.data() + 3, byte, 16);
      taken = 3;
    }
    decoded += static_cast<char>(byte);
    text.remove_prefix(taken);
  }
  return decoded;
}

std::string without_slash(std::string path) {
  if (path.ends_with('/')) path.pop_back();
  return path;
}

}  // namespace millrace::config
