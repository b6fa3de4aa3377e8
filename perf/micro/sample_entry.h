// sample_entry.h: entries for tables that are measured without packets.
// Thread: any; pure function.
#pragma once

#include <cstdint>

#include "millrace/conn_entry.h"

namespace millrace::perf {

// UDP; different numbers below 8M give different tuples in both directions.
void fill_entry(ConnEntry& entry, Family family, uint32_t number);

}  // namespace millrace::perf
