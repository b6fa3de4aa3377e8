#include "controlplane/link/owner_lock.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <utility>

namespace millrace::control {
namespace {

constexpr off_t kDataplaneByte = 0;
constexpr off_t kControlByte = 1;
// The owner's pid in decimal, for the sentence that a second one prints: OFD locks do not tell their owner.
constexpr off_t kPidOffset = 64;
constexpr size_t kPidBytes = 16;

struct flock byte_lock(off_t offset) {
  struct flock lock {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  lock.l_start = offset;
  lock.l_len = 1;
  return lock;
}

std::string owner_text(int fd) {
  char text[kPidBytes];
  const ssize_t bytes = pread(fd, text, sizeof text, kPidOffset);
  unsigned pid = 0;
  if (bytes > 0) std::from_chars(text, text + bytes, pid);
  return pid == 0 ? std::string("another millraced") : fmt::format("another millraced (pid {})", pid);
}

void write_owner(int fd) {
  char text[kPidBytes] = {};
  fmt::format_to_n(text, sizeof text - 1, "{}\n", getpid());
  // Only for people: a failure costs the pid in a sentence.
  if (pwrite(fd, text, sizeof text, kPidOffset) < 0) return;
}

// The file may be another user's in a sticky directory, where O_CREAT is refused even when it exists
// (fs.protected_regular): open first, create only when it is not there.
int open_lock_file(const std::string& path) {
  int fd = open(path.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0 && errno == ENOENT) fd = open(path.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_CREAT, 0660);
  return fd;
}

}  // namespace

std::optional<OwnerLock> OwnerLock::take(const std::string& segment_path, std::string& problem) {
  const std::string path = segment_path + ".lock";
  const int fd = open_lock_file(path);
  if (fd < 0) {
    problem = fmt::format("lock file {} cannot be opened: {}; run millraced in the group that owns it", path,
                          std::strerror(errno));
    return std::nullopt;
  }
  OwnerLock lock(fd, path);
  struct flock wanted = byte_lock(kControlByte);
  if (fcntl(fd, F_OFD_SETLK, &wanted) != 0) {
    if (errno == EAGAIN || errno == EACCES)
      problem = fmt::format("{} already controls the dataplane of {}; stop it first", owner_text(fd), segment_path);
    else
      problem = fmt::format("lock file {} cannot be locked: {}", path, std::strerror(errno));
    return std::nullopt;
  }
  write_owner(fd);
  return lock;
}

OwnerLock::~OwnerLock() {
  if (fd_ >= 0) close(fd_);
}

OwnerLock::OwnerLock(OwnerLock&& other) noexcept : fd_(std::exchange(other.fd_, -1)), path_(std::move(other.path_)) {}

OwnerLock& OwnerLock::operator=(OwnerLock&& other) noexcept {
  std::swap(fd_, other.fd_);
  std::swap(path_, other.path_);
  return *this;
}

bool OwnerLock::dataplane_lives() const {
  struct flock asked = byte_lock(kDataplaneByte);
  return fcntl(fd_, F_OFD_GETLK, &asked) == 0 && asked.l_type != F_UNLCK;
}

bool OwnerLock::is_stale() const {
  struct stat held {};
  struct stat named {};
  return fstat(fd_, &held) != 0 || stat(path_.c_str(), &named) != 0 || held.st_ino != named.st_ino ||
         held.st_dev != named.st_dev;
}

}  // namespace millrace::control
