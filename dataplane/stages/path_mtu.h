// path_mtu.h: how large packets to a backend may be, where a router on the way has said that it is less than the port's
// MTU (RFC 1191, RFC 8201). For tunnelled packets, whose sender we are.
// Thread: owning worker; each worker learns by its own flows.
// Memory: 8 B a BackendSlot: 512 KiB.
// Holds:  forgets after kPathMtuMs, so that a way that has become wider is found (RFC 1191 section 6.3 says 10 minutes).
//         A slot that changes hands within that time starts with its predecessor's.
// Tests:  tests/unit/stages/path_mtu_test.cpp
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>

#include "dataplane/conn/timer_wheel.h"
#include "millrace/addr.h"
#include "millrace/ids.h"
#include "millrace/limits.h"

namespace millrace {

inline constexpr Ms kPathMtuMs = 10 * 60 * 1000;
// Less is not believed: whoever says less, or nothing (0, of routers older than RFC 1191), is taken to mean this.
inline constexpr uint16_t kPathMtuMin4 = 576;
inline constexpr uint16_t kPathMtuMin6 = 1280;  // RFC 8200 section 5
constexpr uint16_t believed_mtu(Family outer, uint32_t said_bytes) {
  const uint32_t min = outer == Family::ipv4 ? kPathMtuMin4 : kPathMtuMin6;
  return static_cast<uint16_t>(std::clamp(said_bytes, min, uint32_t{UINT16_MAX}));
}

class PathMtus {
 public:
  PathMtus() : rows_(new Row[kBackendMax]()) {}

  // Of packets to that backend; `port_mtu_bytes` where nothing smaller is known.
  uint32_t limit(BackendSlot slot, uint32_t port_mtu_bytes, Ms now_ms) const {
    const Row& row = rows_[raw(slot)];
    if (row.mtu_bytes == 0 || !ms_after(row.due_ms, now_ms)) return port_mtu_bytes;
    return std::min<uint32_t>(row.mtu_bytes, port_mtu_bytes);
  }

  // True: it is news. What is said again counts anew.
  bool learn(BackendSlot slot, uint16_t mtu_bytes, Ms now_ms) {
    Row& row = rows_[raw(slot)];
    const bool known = row.mtu_bytes != 0 && ms_after(row.due_ms, now_ms);
    if (known && row.mtu_bytes < mtu_bytes) return false;
    const bool news = !known || row.mtu_bytes != mtu_bytes;
    row = {mtu_bytes, now_ms + kPathMtuMs};
    return news;
  }

 private:
  struct Row {
    uint16_t mtu_bytes = 0;  // 0: nothing was ever said
    Ms due_ms = 0;
  };
  static_assert(sizeof(Row) == 8);
  std::unique_ptr<Row[]> rows_;
};

}  // namespace millrace
