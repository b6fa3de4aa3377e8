// file_source.h: kind = "file": a local file of lines, or of a JSON list where its name ends in .json.
// The directory is watched (inotify), so that a file that is replaced by rename is seen, which is how to write one:
// a file that is read while it is being written is an answer like any other.
// Tests:  tests/unit/control/sources_test.cpp
#pragma once

#include <boost/asio/posix/stream_descriptor.hpp>
#include <optional>

#include "controlplane/discovery/source.h"

namespace millrace::control {

class FileSource final : public Source {
 public:
  explicit FileSource(config::FileDiscovery config) : config_(std::move(config)) {}
  boost::asio::awaitable<Answer> ask(std::chrono::milliseconds timeout) override;
  boost::asio::awaitable<void> await_change(std::chrono::steady_clock::time_point deadline) override;

 private:
  void watch(const boost::asio::any_io_executor& executor);
  bool take_events();

  config::FileDiscovery config_;
  std::optional<boost::asio::posix::stream_descriptor> events_;  // none: the directory cannot be watched
};

}  // namespace millrace::control
