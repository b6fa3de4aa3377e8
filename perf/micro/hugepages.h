// hugepages.h: whether there are enough for a bed, before it is made; what DPDK's heap took of them.
#pragma once

#include <cstdint>

namespace millrace::perf {

// Throws Skipped, with the sysctl that lets every benchmark run, when tables for so many connections would not fit.
void need_hugepages(uint64_t connections);

// Allocated by this process now, on all sockets.
uint64_t heap_bytes();

}  // namespace millrace::perf
