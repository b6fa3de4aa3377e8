// facts.h: a bed's options in the words of the results.
#pragma once

#include <string>

#include "millrace/mode_name.h"
#include "perf/micro/bed.h"
#include "perf/micro/results.h"

namespace millrace::perf {

inline Facts facts_of(const char* name, const BedOptions& options, Unit unit = Unit::packet) {
  return {.name = name,
          .mode = mode_name(options.mode),
          .proto = options.proto == Proto::tcp ? "tcp" : "udp",
          .family = options.family == Family::ipv4 ? "ipv4" : "ipv6",
          .options = options.timestamps     ? "timestamps"
                     : options.access_rules ? "access_rules=" + std::to_string(options.access_rules)
                                            : "",
          .flows = options.flows,
          .frame_bytes = options.frame_bytes,
          .workers = options.workers,
          .unit = unit};
}

// Entries that a table of so many connections keeps free.
inline uint32_t usual_room(uint32_t flows) { return flows < 8192 ? 1024 : flows / 8; }

}  // namespace millrace::perf
