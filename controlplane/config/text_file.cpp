#include "controlplane/config/text_file.h"

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>

namespace millrace::config {

TextFile read_text_file(const std::string& path) {
  constexpr size_t kBytesMax = 64 << 20;
  // Opening a directory succeeds and reading it fails, so errno is asked after each step.
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  std::string text;
  if (file) {
    char chunk[65536];
    while (file.read(chunk, sizeof chunk) || file.gcount() > 0) {
      text.append(chunk, static_cast<size_t>(file.gcount()));
      if (text.size() > kBytesMax) return {std::nullopt, "has more than 64 MiB"};
    }
  }
  if (!file.is_open() || file.bad() || (text.empty() && errno != 0))
    return {std::nullopt, std::string("cannot be read: ") + std::strerror(errno)};
  return {std::move(text), {}};
}

TextFile read_regular_file(const std::string& path) {
  std::error_code error;
  if (std::filesystem::exists(path, error) && !std::filesystem::is_regular_file(path, error))
    return {std::nullopt, "is not a file"};
  return read_text_file(path);
}

}  // namespace millrace::config
