// owner_lock.h: PATH.lock beside the segment: who is the control plane, and does the dataplane live.
// An OFD lock belongs to the open file: the kernel frees it at our death, however that comes.
// Thread: the event loop.      Tests: tests/unit/control/segment_test.cpp
#pragma once

#include <optional>
#include <string>

namespace millrace::control {

class OwnerLock {
 public:
  ~OwnerLock();
  OwnerLock(OwnerLock&& other) noexcept;
  OwnerLock& operator=(OwnerLock&& other) noexcept;

  // Takes byte 1 of `segment_path`.lock. On failure nullopt and `problem`: one sentence, with the pid of the
  // millraced that has it.
  static std::optional<OwnerLock> take(const std::string& segment_path, std::string& problem);

  // Whether some process holds byte 0.
  bool dataplane_lives() const;
  // Whether the lock file was deleted or replaced since; then this lock tells nothing and must be taken anew.
  bool is_stale() const;

 private:
  OwnerLock(int fd, std::string path) : fd_(fd), path_(std::move(path)) {}

  int fd_ = -1;
  std::string path_;
};

}  // namespace millrace::control
