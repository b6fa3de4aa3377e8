// How many cache lines of its connection a packet reads or writes: entry and splice lie across pages so that each line
// is in a page of its own, nobody may touch these pages, and whoever does is noticed. Prefetches are not: a line that is
// only prefetched would not be needed.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <new>

#include "tests/unit/stages/tcp_talk.h"

namespace millrace {
namespace {

constexpr size_t kPageBytes = 4096;
constexpr size_t kLineBytes = 64;

// Pages that fault once each, and where they did.
class WatchedPages {
 public:
  explicit WatchedPages(size_t pages) : bytes_(pages * kPageBytes) {
    void* memory = mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) throw std::bad_alloc();
    begin_ = static_cast<uint8_t*>(memory);
    struct sigaction action = {};
    action.sa_sigaction = on_fault;
    action.sa_flags = SA_SIGINFO;
    sigaction(SIGSEGV, &action, &before_);
    watched_ = this;
  }
  ~WatchedPages() {
    sigaction(SIGSEGV, &before_, nullptr);
    watched_ = nullptr;
    munmap(begin_, bytes_);
  }
  WatchedPages(const WatchedPages&) = delete;
  WatchedPages& operator=(const WatchedPages&) = delete;

  uint8_t* begin() { return begin_; }
  void watch() {
    touched_count_ = 0;
    mprotect(begin_, bytes_, PROT_NONE);
  }
  // Lines from begin() on, in the order in which they were touched.
  std::vector<size_t> touched() {
    mprotect(begin_, bytes_, PROT_READ | PROT_WRITE);
    return {touched_.begin(), touched_.begin() + static_cast<long>(touched_count_)};
  }

 private:
  static void on_fault(int, siginfo_t* info, void*) {
    WatchedPages& self = *watched_;
    const auto offset = static_cast<size_t>(static_cast<uint8_t*>(info->si_addr) - self.begin_);
    // Somebody else's fault comes again, and ends the test.
    if (offset >= self.bytes_ || self.touched_count_ == self.touched_.size()) {
      sigaction(SIGSEGV, &self.before_, nullptr);
      return;
    }
    self.touched_[self.touched_count_++] = offset / kLineBytes;
    mprotect(self.begin_ + offset / kPageBytes * kPageBytes, kPageBytes, PROT_READ | PROT_WRITE);
  }

  static inline WatchedPages* watched_ = nullptr;
  struct sigaction before_ = {};
  uint8_t* begin_ = nullptr;
  size_t bytes_;
  std::array<size_t, 16> touched_{};
  size_t touched_count_ = 0;
};

// The first entry's first line ends a page, its second begins the next one; the first splice begins the one after.
constexpr size_t kFirstLine = kPageBytes / kLineBytes - 1;
constexpr size_t kSecondLine = kFirstLine + 1;
constexpr size_t kSpliceLine = 2 * kPageBytes / kLineBytes;
constexpr size_t kConnections = 16;
static_assert(sizeof(ConnEntry) == 2 * kLineBytes && kConnections * sizeof(ConnEntry) < kPageBytes);
static_assert(sizeof(Splice) == kLineBytes && kConnections * sizeof(Splice) <= kPageBytes);

struct LinesCase {
  FamilyCase family;
  Mode mode;
  std::vector<size_t> lines;
};

class CacheLines : public testing::TestWithParam<LinesCase> {
 protected:
  TestbedOptions options() {
    TestbedOptions options;
    options.connections = kConnections;
    options.services[0].mode = GetParam().mode;
    options.slab = {new (pages_.begin() + kFirstLine * kLineBytes) ConnEntry[kConnections](), kConnections};
    options.splices = {new (pages_.begin() + kSpliceLine * kLineBytes) Splice[kConnections](), kConnections};
    return options;
  }

  Talk client_talk(uint8_t flags, uint32_t seq, uint32_t ack, const wire::Bytes& payload = {}) const {
    Talk talk{.flow = to_vip_, .seq = seq, .ack = ack, .flags = flags, .window = 512, .payload = payload};
    talk.options = {.timestamps = true, .ts_value = 1, .ts_echo = 2};
    return talk;
  }
  Talk backend_talk(uint8_t flags, uint32_t seq, uint32_t ack, const wire::Bytes& payload = {}) const {
    Talk talk = client_talk(flags, seq, ack, payload);
    talk.flow = from_backend_;
    return talk;
  }
  void say(const Talk& talk) {
    const bool forward = talk.flow.dst == to_vip_.dst;
    bed_.send(forward ? kFront : kBack, forward ? from_client(packet_of(talk)) : from_backend(packet_of(talk)));
    bed_.run();
  }
  Talk heard(PortIndex port) {
    const std::vector<wire::Bytes> frames = bed_.received(port);
    return frames.empty() ? Talk{} : read_talk(frames.back());
  }

  // Both modes: what the client hears first is a SYN-ACK, what the backend hears first is a SYN.
  void open() {
    const bool proxied = GetParam().mode == Mode::proxy;
    say(client_talk(kSyn, kClientIsn, 0));
    if (proxied) {
      client_ack_ = heard(kFront).seq + 1;
      say(client_talk(kAck, kClientIsn + 1, client_ack_));
    }
    const Talk syn = heard(kBack);
    from_backend_ = {syn.flow.dst, syn.flow.src, syn.flow.dst_port, syn.flow.src_port};
    backend_ack_ = syn.seq + 1;
    say(backend_talk(kSynAck, kBackendIsn, backend_ack_));
    if (!proxied) {
      client_ack_ = kBackendIsn + 1;
      say(client_talk(kAck, kClientIsn + 1, client_ack_));
    }
    ASSERT_EQ(bed_.only_connection()->state, ConnState::established);
  }
  std::vector<size_t> lines_of(const Talk& talk) {
    heard(kFront);
    heard(kBack);
    pages_.watch();
    say(talk);
    std::vector<size_t> lines = pages_.touched();
    std::sort(lines.begin(), lines.end());
    EXPECT_EQ(heard(kFront).payload.size() + heard(kBack).payload.size(), talk.payload.size());
    return lines;
  }

  static constexpr uint32_t kClientIsn = 1000, kBackendIsn = 2000;
  WatchedPages pages_{3};
  Testbed bed_{options()};
  wire::Flow to_vip_ = flow(GetParam().family.client, 4000, GetParam().family.vip, 80);
  wire::Flow from_backend_;
  uint32_t client_ack_ = 0, backend_ack_ = 0;
};

const auto kCases = testing::Values(LinesCase{kIpv4Case, Mode::fullnat, {kFirstLine}},
                                    LinesCase{kIpv4Case, Mode::proxy, {kFirstLine, kSpliceLine}},
                                    LinesCase{kIpv6Case, Mode::fullnat, {kFirstLine, kSecondLine}},
                                    LinesCase{kIpv6Case, Mode::proxy, {kFirstLine, kSecondLine, kSpliceLine}});
std::string case_name(const testing::TestParamInfo<LinesCase>& lines) {
  return std::string(lines.param.family.name) + (lines.param.mode == Mode::proxy ? "_proxy" : "_fullnat");
}
INSTANTIATE_TEST_SUITE_P(modes, CacheLines, kCases, case_name);

TEST_P(CacheLines, established_packet_touches_its_entry_and_spliced_one_line_more) {
  open();
  // Each side's way is found with its first packet.
  for (uint32_t said = 0; said < 3; ++said) {
    const auto forward = lines_of(client_talk(kAck, kClientIsn + 1 + said, client_ack_ + said, {'c'}));
    const auto reverse = lines_of(backend_talk(kAck, kBackendIsn + 1 + said, backend_ack_ + said + 1, {'b'}));
    if (said == 0) continue;
    EXPECT_EQ(forward, GetParam().lines);
    EXPECT_EQ(reverse, GetParam().lines);
  }
}

}  // namespace
}  // namespace millrace
