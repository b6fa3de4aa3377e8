#include "dataplane/link/segment_host.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <stdexcept>

namespace millrace {
namespace {

using testing::HasSubstr;

constexpr SegmentShape kShape{.worker_count = 2, .port_count = 3, .connection_count = 4096, .tsc_hz = 1000};

class SegmentHostTest : public testing::Test {
 protected:
  SegmentHostTest() {
    char name[] = "/tmp/millrace-segment-XXXXXX";
    directory_ = mkdtemp(name);
    path_ = directory_ + "/test.segment";
  }
  ~SegmentHostTest() override { std::filesystem::remove_all(directory_); }

  static std::string sentence(const std::function<void()>& fails) {
    try {
      fails();
    } catch (const std::runtime_error& error) {
      return error.what();
    }
    return "";
  }
  std::string directory_;
  std::string path_;
};

using SegmentLock_take = SegmentHostTest;
using SegmentHost_make = SegmentHostTest;

TEST_F(SegmentLock_take, a_second_one_is_told_the_first_ones_pid) {
  const SegmentLock first(path_);
  EXPECT_THAT(sentence([&] { SegmentLock second(path_); }), HasSubstr("just starting"));
  const SegmentHost host(first, kShape);
  const std::string text = sentence([&] { SegmentLock second(path_); });
  EXPECT_THAT(text, HasSubstr("pid " + std::to_string(getpid())));
  EXPECT_THAT(text, HasSubstr("kill " + std::to_string(getpid())));
}

TEST_F(SegmentLock_take, is_free_again_when_the_first_one_is_gone) {
  { const SegmentLock first(path_); }
  EXPECT_NO_THROW(SegmentLock second(path_));
}

TEST_F(SegmentLock_take, leaves_byte_1_to_the_control_plane) {
  const SegmentLock lock(path_);
  const int fd = open((path_ + ".lock").c_str(), O_RDWR);
  struct flock byte {};
  byte.l_type = F_WRLCK;
  byte.l_start = 1;
  byte.l_len = 1;
  EXPECT_EQ(fcntl(fd, F_OFD_SETLK, &byte), 0);
  byte.l_start = 0;
  EXPECT_NE(fcntl(fd, F_OFD_SETLK, &byte), 0);
  close(fd);
}

TEST_F(SegmentLock_take, a_missing_directory_is_a_sentence) {
  EXPECT_THAT(sentence([&] { SegmentLock lock(directory_ + "/none/test.segment"); }), HasSubstr("[dataplane] segment"));
}

TEST_F(SegmentHost_make, another_process_finds_what_the_header_says) {
  const SegmentLock lock(path_);
  SegmentHost host(lock, kShape);
  struct stat status {};
  ASSERT_EQ(stat(path_.c_str(), &status), 0);
  EXPECT_EQ(static_cast<uint64_t>(status.st_size), segment_bytes(kShape));
  EXPECT_EQ(status.st_mode & 07777, 0660u);
  EXPECT_FALSE(std::filesystem::exists(path_ + ".new"));

  const int fd = open(path_.c_str(), O_RDWR);
  auto* mapped =
      static_cast<std::byte*>(mmap(nullptr, segment_bytes(kShape), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
  close(fd);
  ASSERT_NE(mapped, MAP_FAILED);
  const auto& header = *reinterpret_cast<SegmentHeader*>(mapped);
  EXPECT_EQ(header.magic, kSegmentMagic);
  EXPECT_EQ(header.abi_version, kAbiVersion);
  EXPECT_EQ(header.layout, layout_hash());
  EXPECT_EQ(header.segment_bytes, segment_bytes(kShape));
  EXPECT_EQ(header.worker_count, 2u);
  EXPECT_EQ(header.port_count, 3u);
  EXPECT_EQ(header.connection_count, 4096u);
  EXPECT_EQ(header.dataplane_pid, static_cast<uint32_t>(getpid()));
  uint64_t end = 4096;
  for (const Section& section : header.sections) {
    EXPECT_EQ(section.offset % 4096, 0u);
    EXPECT_GE(section.offset, end);
    EXPECT_GE(section.bytes, uint64_t{section.element_bytes} * section.element_count);
    end = section.offset + section.bytes;
  }
  EXPECT_LE(end, header.segment_bytes);

  const Section& ring = header.sections[static_cast<uint32_t>(SectionKind::command_ring)];
  auto commands = SharedRing<Command>::join(mapped + ring.offset, ring.bytes, ring.element_count);
  ASSERT_TRUE(commands);
  Command sent;
  sent.sequence = 77;
  ASSERT_TRUE(commands->try_send(sent));
  Command received;
  ASSERT_TRUE(host.commands().try_receive(received));
  EXPECT_EQ(received.sequence, 77u);
  munmap(mapped, segment_bytes(kShape));
}

TEST_F(SegmentHost_make, rows_do_not_overlap) {
  const SegmentLock lock(path_);
  SegmentHost host(lock, kShape);
  EXPECT_EQ(host.workers().size(), 2u);
  EXPECT_EQ(host.ports().size(), 3u);
  EXPECT_EQ(host.slab().size(), 4096u);
  EXPECT_EQ(host.splices().size(), 4096u);
  EXPECT_EQ(host.service_counters().size(), 2u * kServiceMax);
  EXPECT_EQ(host.backend_counters().size(), 2u * kBackendMax);
  std::memset(static_cast<void*>(host.slab().data()), 0xff, host.slab().size_bytes());
  std::memset(static_cast<void*>(host.worker_counters().data()), 0xff, host.worker_counters().size_bytes());
  EXPECT_EQ(host.splices().front().tries, 0);
  std::memset(static_cast<void*>(host.splices().data()), 0xff, host.splices().size_bytes());
  EXPECT_EQ(host.backend_counters().back().active.read(), 0u);
  EXPECT_EQ(host.service_counters().front().active.read(), 0u);
}

TEST_F(SegmentHost_make, leaves_out_splices_that_nobody_wants) {
  SegmentShape plain = kShape;
  plain.has_splices = false;
  EXPECT_EQ(segment_bytes(kShape) - segment_bytes(plain), 4096u * sizeof(Splice));
  const SegmentLock lock(path_);
  SegmentHost host(lock, plain);
  EXPECT_TRUE(host.splices().empty());
  EXPECT_EQ(host.slab().size(), 4096u);
}

TEST_F(SegmentHost_make, replaces_what_a_killed_one_left) {
  std::ofstream(path_) << "half of a segment";
  std::ofstream(path_ + ".new") << "less than that";
  const SegmentLock lock(path_);
  SegmentHost host(lock, kShape);
  EXPECT_EQ(std::filesystem::file_size(path_), segment_bytes(kShape));
}

TEST_F(SegmentHost_make, the_file_outlives_it) {
  {
    const SegmentLock lock(path_);
    SegmentHost host(lock, kShape);
  }
  EXPECT_TRUE(std::filesystem::exists(path_));
}

TEST_F(SegmentHost_make, too_little_room_is_a_sentence_and_leaves_nothing) {
  const SegmentLock lock(path_);
  SegmentShape huge = kShape;
  huge.connection_count = kConnectionMax;
  huge.worker_count = kWorkerMax;
  // The file system of /tmp may be that large: ask for what no limit on file sizes allows.
  rlimit before{};
  getrlimit(RLIMIT_FSIZE, &before);
  const rlimit small{.rlim_cur = 1 << 20, .rlim_max = before.rlim_max};
  std::signal(SIGXFSZ, SIG_IGN);
  setrlimit(RLIMIT_FSIZE, &small);
  const std::string text = sentence([&] { SegmentHost host(lock, huge); });
  setrlimit(RLIMIT_FSIZE, &before);
  EXPECT_THAT(text, HasSubstr("lower [dataplane] connections"));
  EXPECT_FALSE(std::filesystem::exists(path_ + ".new"));
}

TEST_F(SegmentHost_make, a_broken_command_ring_can_be_laid_anew) {
  const SegmentLock lock(path_);
  SegmentHost host(lock, kShape);
  const Section& ring = host.header().sections[static_cast<uint32_t>(SectionKind::command_ring)];
  std::memset(reinterpret_cast<std::byte*>(&host.header()) + ring.offset, 0xff, 512);
  EXPECT_FALSE(host.commands().sound());
  host.reset_commands();
  EXPECT_TRUE(host.commands().sound());
  EXPECT_TRUE(host.commands().try_send(Command{}));
}

}  // namespace
}  // namespace millrace
