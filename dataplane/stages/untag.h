// untag.h: 802.1Q tags. poll_burst gives each frame of a device with VLANs to the port of its VLAN and takes the tag off, so
// that no other stage knows of tags; transmit_burst puts that of the port by which a frame leaves into it.
// Route:  poll_burst > claim_frame; parse_burst > strip_priority_tag; flush_target > tag_frames
// Thread: owning worker.
// Tests:  tests/unit/stages/untag_test.cpp
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "dataplane/ports/port.h"

struct rte_mbuf;

namespace millrace {

struct RxSource;
struct TxTarget;
struct Worker;

// Of one device: who has the frames of a VLAN; id 0: those without a tag, and those whose tag names no VLAN.
class VlanPorts {
 public:
  VlanPorts() { ports_.fill(kNobody); }
  void set(uint16_t id, PortIndex port) { ports_[id] = raw(port); }
  std::optional<PortIndex> find(uint16_t id) const {
    return ports_[id] == kNobody ? std::nullopt : std::optional(static_cast<PortIndex>(ports_[id]));
  }

 private:
  static constexpr uint8_t kNobody = 0xff;
  std::array<uint8_t, 4096> ports_;
};

// The port of a frame that came from a source with VLANs; the tag is off. Nullopt: it is of none, and has left to the kernel
// as it was, or without one as unknown_vlan. Tags within tags (802.1ad) are of none.
std::optional<PortIndex> claim_frame(Worker& worker, const RxSource& source, rte_mbuf* mbuf);

// Takes off a tag that names no VLAN but a priority alone. False: it is another tag, and stays.
bool strip_priority_tag(rte_mbuf& mbuf);

// The target's tag for all of its frames. One without headroom is dropped, no_mbuf.
void tag_frames(Worker& worker, TxTarget& target);

}  // namespace millrace
