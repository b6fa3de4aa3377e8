// unix_listener.h: the API's socket file.
// Holds:  mode 0660; removed at the end when it is still ours. A file left by a killed millraced is replaced, one
//         that somebody listens at, or that is no socket, is not.
// Thread: the event loop.      Tests: tests/unit/control/api_test.cpp
#pragma once

#include <sys/types.h>

#include <boost/asio/any_io_executor.hpp>
#include <memory>
#include <string>

#include "controlplane/api/stream_listener.h"

namespace millrace::control {

class UnixListener : public StreamListener {
 public:
  // Null and a sentence in `problem` on failure.
  static std::unique_ptr<UnixListener> open(boost::asio::any_io_executor executor, const std::string& path,
                                            std::string& problem);
  ~UnixListener() override;

 private:
  UnixListener(boost::asio::any_io_executor executor, std::string path)
      : StreamListener(executor), path_(std::move(path)) {}

  std::string path_;
  ino_t inode_ = 0;
};

}  // namespace millrace::control
