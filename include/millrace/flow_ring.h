// flow_ring.h: the ring by which one worker tells of connections that end.
#pragma once

#include "millrace/flow_record.h"
#include "millrace/limits.h"
#include "millrace/shared_ring.h"

namespace millrace {

using FlowRing = SharedRing<FlowRecord>;

// Of one in the section flow_rings.
inline constexpr size_t kFlowRingBytes = shared_ring_bytes(sizeof(FlowRecord), kFlowRingSlots);

}  // namespace millrace
