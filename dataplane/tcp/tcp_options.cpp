#include "dataplane/tcp/tcp_options.h"

#include <algorithm>
#include <cstring>

#include "millrace/addr.h"

namespace millrace {
namespace {

uint32_t read32(const uint8_t* at) {
  Be32 value;
  std::memcpy(&value.raw, at, sizeof value.raw);
  return value.host();
}

// Appends bytes; the caller knows that they fit.
struct OptionWriter {
  uint8_t* at;

  void put(std::initializer_list<uint8_t> bytes) { at = std::copy(bytes.begin(), bytes.end(), at); }
  void put32(uint32_t value) {
    const Be32 raw = Be32::from_host(value);
    std::memcpy(at, &raw.raw, sizeof raw.raw);
    at += sizeof raw.raw;
  }
};

}  // namespace

TcpOptions read_tcp_options(const rte_tcp_hdr& tcp) {
  TcpOptions options;
  TcpOptionWalk walk(tcp);
  while (walk.next()) {
    const uint8_t* option = walk.option();
    if (option[0] == kOptionMss && walk.bytes() == 4) {
      options.mss = static_cast<uint16_t>(option[2] << 8 | option[3]);
    } else if (option[0] == kOptionWindowScale && walk.bytes() == 3) {
      options.window_scale = std::min(option[2], kWindowScaleMax);
    } else if (option[0] == kOptionSackPermitted && walk.bytes() == 2) {
      options.sack_permitted = true;
    } else if (option[0] == kOptionTimestamps && walk.bytes() == 10) {
      options.timestamps = true;
      options.ts_value = read32(option + 2);
      options.ts_echo = read32(option + 6);
    }
  }
  return options;
}

size_t write_tcp_options(const TcpOptions& options, uint8_t* out) {
  OptionWriter writer{out};
  if (options.mss != 0)
    writer.put({kOptionMss, 4, static_cast<uint8_t>(options.mss >> 8), static_cast<uint8_t>(options.mss)});
  if (options.timestamps) {
    // Two bytes to fill up to a word: SACK permitted, where it is to be said, or NOPs.
    if (options.sack_permitted)
      writer.put({kOptionSackPermitted, 2});
    else
      writer.put({kOptionNop, kOptionNop});
    writer.put({kOptionTimestamps, 10});
    writer.put32(options.ts_value);
    writer.put32(options.ts_echo);
  } else if (options.sack_permitted) {
    writer.put({kOptionNop, kOptionNop, kOptionSackPermitted, 2});
  }
  if (options.window_scale != kNoWindowScale) writer.put({kOptionNop, kOptionWindowScale, 3, options.window_scale});
  return static_cast<size_t>(writer.at - out);
}

}  // namespace millrace
