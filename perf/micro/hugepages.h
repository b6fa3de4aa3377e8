// hugepages.h: whether there are enough for a bed, before it is made; what DPDK's heap took of them; and memory in them.
#pragma once

#include <cstddef>
#include <cstdint>

#include "millrace/conn_entry.h"

namespace millrace::perf {

// Throws Skipped, with the sysctl that lets every benchmark run, when tables for so many connections would not fit.
// `entry_bytes`: of the sections that have a part for each connection.
void need_hugepages(uint64_t connections, size_t entry_bytes = sizeof(ConnEntry));

// 2 MB pages, as a segment on hugetlbfs has them; a bed that needs none (need_hugepages) does with 4 KiB ones.
class SectionMemory {
 public:
  explicit SectionMemory(size_t bytes);
  ~SectionMemory();
  SectionMemory(const SectionMemory&) = delete;
  SectionMemory& operator=(const SectionMemory&) = delete;
  void* data() const { return data_; }

 private:
  void* data_ = nullptr;
  size_t bytes_ = 0;
};

// Allocated by this process now, on all sockets.
uint64_t heap_bytes();

}  // namespace millrace::perf
