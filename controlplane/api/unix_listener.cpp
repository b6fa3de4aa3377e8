#include "controlplane/api/unix_listener.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <boost/asio/local/stream_protocol.hpp>
#include <cerrno>
#include <cstring>

namespace millrace::control {
namespace {

constexpr mode_t kSocketMode = 0660;

// Makes room at `path`. Empty: nothing is there any more; otherwise why not.
std::string remove_stale(const std::string& path) {
  struct stat status {};
  if (lstat(path.c_str(), &status) != 0) return {};
  if (!S_ISSOCK(status.st_mode)) return fmt::format("{} exists and is no socket; move it or set [api] socket", path);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
  const int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (probe < 0) return fmt::format("socket: {}", std::strerror(errno));
  const int result = connect(probe, reinterpret_cast<const sockaddr*>(&address), sizeof address);
  const int error = errno;
  ucred peer{};
  socklen_t size = sizeof peer;
  const bool known = result == 0 && getsockopt(probe, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0;
  close(probe);
  if (result == 0 || error == EAGAIN)
    return fmt::format("{} is in use by {}; stop it or set [api] socket", path,
                       known ? fmt::format("process {}", peer.pid) : std::string("another process"));
  if (error != ECONNREFUSED) return fmt::format("{} cannot be replaced: {}", path, std::strerror(error));
  if (unlink(path.c_str()) != 0) return fmt::format("{} cannot be replaced: {}", path, std::strerror(errno));
  return {};
}

}  // namespace

std::unique_ptr<UnixListener> UnixListener::open(boost::asio::any_io_executor executor, const std::string& path,
                                                 std::string& problem) {
  if (path.empty() || path.size() >= sizeof(sockaddr_un::sun_path)) {
    problem = fmt::format("socket path '{}' must have 1 to {} characters; set [api] socket", path,
                          sizeof(sockaddr_un::sun_path) - 1);
    return nullptr;
  }
  problem = remove_stale(path);
  if (!problem.empty()) return nullptr;
  std::unique_ptr<UnixListener> listener(new UnixListener(executor, path));
  boost::system::error_code error;
  const boost::asio::local::stream_protocol::endpoint endpoint(path);
  listener->acceptor_.open(endpoint.protocol(), error);
  // The mask, so that the file never has a wider mode, not even before chmod.
  const mode_t mask = umask(0777 & ~kSocketMode);
  if (!error) listener->acceptor_.bind(endpoint, error);
  umask(mask);
  struct stat status {};
  if (!error && stat(path.c_str(), &status) == 0) listener->inode_ = status.st_ino;
  if (!error) listener->acceptor_.listen(boost::asio::socket_base::max_listen_connections, error);
  if (error) {
    problem = fmt::format("cannot listen at {}: {}; let its directory be writable for millraced or set [api] socket",
                          path, error.message());
    return nullptr;
  }
  return listener;
}

UnixListener::~UnixListener() {
  struct stat status {};
  if (inode_ != 0 && stat(path_.c_str(), &status) == 0 && status.st_ino == inode_) unlink(path_.c_str());
}

}  // namespace millrace::control
