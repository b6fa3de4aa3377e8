#include "perf/micro/hugepages.h"

#include <rte_malloc.h>
#include <sys/mman.h>

#include <fstream>
#include <stdexcept>
#include <string>

#include "dataplane/conn/conn_table.h"
#include "perf/micro/measure.h"
#include "perf/micro/results.h"

namespace millrace::perf {

uint64_t heap_bytes() {
  uint64_t bytes = 0;
  for (unsigned i = 0; i < rte_socket_count(); ++i) {
    rte_malloc_socket_stats stats{};
    if (rte_malloc_get_socket_stats(rte_socket_id_by_idx(i), &stats) == 0) bytes += stats.heap_allocsz_bytes;
  }
  return bytes;
}

namespace {

constexpr uint32_t kAlwaysFits = 100'000;        // also what is tried out to know what more would need
constexpr uint64_t kLargestBed = 4'718'592;      // 4M flows and their room
constexpr uint64_t kBesidesBytes = 64ull << 20;  // packet buffers, rings, neighbours
constexpr unsigned kTableSuffix = 201;

// Index and sections. Tables grow linearly between sizes that are a power of two apart: a small one tells.
uint64_t connection_bytes(uint64_t connections, size_t entry_bytes) {
  unsigned halvings = 0;
  while (connections >> halvings > kAlwaysFits) ++halvings;
  const uint64_t before = heap_bytes();
  const ConnTable probe(static_cast<uint32_t>(connections >> halvings), kTableSuffix, SOCKET_ID_ANY);
  return ((heap_bytes() - before) << halvings) + connections * entry_bytes;
}

// Of /proc/meminfo.
uint64_t meminfo(const std::string& key) {
  std::ifstream file("/proc/meminfo");
  std::string word;
  while (file >> word)
    if (word == key + ":") {
      uint64_t value = 0;
      file >> value;
      return value;
    }
  return 0;
}

}  // namespace

void need_hugepages(uint64_t connections, size_t entry_bytes) {
  if (connections <= kAlwaysFits || effort() == Effort::smoke) return;
  const uint64_t page_bytes = meminfo("Hugepagesize") << 10;
  const uint64_t free_bytes = meminfo("HugePages_Free") * page_bytes;
  if (connection_bytes(connections, entry_bytes) + kBesidesBytes <= free_bytes) return;
  const uint64_t wanted_bytes = connection_bytes(kLargestBed, sizeof(ConnEntry)) + kBesidesBytes;
  const uint64_t more_pages = (wanted_bytes - free_bytes + page_bytes - 1) / page_bytes;
  throw Skipped{"too few free hugepages; sysctl -w vm.nr_hugepages=" +
                std::to_string(meminfo("HugePages_Total") + more_pages) + " lets all run"};
}

SectionMemory::SectionMemory(size_t bytes) {
  constexpr size_t kHugePageBytes = size_t{2} << 20;
  bytes_ = (bytes + kHugePageBytes - 1) / kHugePageBytes * kHugePageBytes;
  for (const int pages : {MAP_HUGETLB, 0}) {
    data_ = mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | pages, -1, 0);
    if (data_ != MAP_FAILED) return;
  }
  throw std::runtime_error("no memory for the slab");
}

SectionMemory::~SectionMemory() { munmap(data_, bytes_); }

}  // namespace millrace::perf
