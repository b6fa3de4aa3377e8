#include "controlplane/config/whole_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace millrace::config {

namespace {

constexpr mode_t kPermissionBits = 07777;

bool write_all(int fd, const std::string& text) {
  for (size_t written = 0; written < text.size();) {
    const ssize_t bytes = write(fd, text.data() + written, text.size() - written);
    if (bytes < 0 && errno == EINTR) continue;
    if (bytes <= 0) return false;
    written += static_cast<size_t>(bytes);
  }
  return fsync(fd) == 0;
}

std::string directory_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

// So that the new name outlives a power failure, too.
void sync_directory(const std::string& path) {
  const int fd = open(directory_of(path).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return;
  fsync(fd);
  close(fd);
}

// `like`: whose owner, group and mode it gets; null: the process's, and 0600.
bool write_beside(const std::string& path, const std::string& text, const struct stat* like, std::string& problem) {
  const std::string fresh = path + ".new";
  const int fd = open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
  bool written = fd >= 0;
  if (written && like != nullptr) {
    struct stat now {};
    written = fstat(fd, &now) == 0;
    const bool same_owner = now.st_uid == like->st_uid && now.st_gid == like->st_gid;
    if (written && !same_owner) written = fchown(fd, like->st_uid, like->st_gid) == 0;
    written = written && fchmod(fd, like->st_mode & kPermissionBits) == 0;
  }
  written = written && write_all(fd, text);
  int failed_with = errno;
  if (fd >= 0 && close(fd) != 0 && written) {
    failed_with = errno;
    written = false;
  }
  if (written && std::rename(fresh.c_str(), path.c_str()) == 0) {
    sync_directory(path);
    return true;
  }
  if (written) failed_with = errno;
  problem = path + " cannot be written: " + std::strerror(failed_with);
  if (fd >= 0) unlink(fresh.c_str());
  return false;
}

// Links followed; empty: there is no such file.
std::string real_path(const std::string& path) {
  char* resolved = realpath(path.c_str(), nullptr);
  if (resolved == nullptr) return {};
  std::string real = resolved;
  std::free(resolved);
  return real;
}

}  // namespace

bool write_whole_file(const std::string& path, const std::string& text, std::string& problem) {
  return write_beside(path, text, nullptr, problem);
}

bool replace_whole_file(const std::string& path, const std::string& text, std::string& problem) {
  const std::string real = real_path(path);
  struct stat old {};
  if (real.empty() || stat(real.c_str(), &old) != 0) {
    problem = path + " cannot be written: " + std::strerror(errno);
    return false;
  }
  return write_beside(real, text, &old, problem);
}

bool may_replace_file(const std::string& path, std::string& problem) {
  const std::string real = real_path(path);
  struct stat old {};
  if (real.empty() || stat(real.c_str(), &old) != 0) {
    problem = path + " is not there: " + std::strerror(errno);
    return false;
  }
  if (!S_ISREG(old.st_mode)) {
    problem = path + " is no regular file";
    return false;
  }
  if (access(directory_of(real).c_str(), W_OK | X_OK) != 0) {
    problem =
        directory_of(real) + ", where " + path + " would be replaced, may not be written: " + std::strerror(errno);
    return false;
  }
  if (geteuid() != 0 && old.st_uid != geteuid()) {
    problem = path + " belongs to another user than millraced's";
    return false;
  }
  return true;
}

}  // namespace millrace::config
