// mss_clamp.h: a SYN says a smaller MSS, where the way to the backend is narrower than its sender can know.
// Thread: any; pure.
// Tests:  tests/unit/tcp/mss_clamp_test.cpp
#pragma once

#include <rte_tcp.h>

#include <cstdint>

namespace millrace {

// True when the header, all of it in the frame, said more than `mss_max` and says that now; its checksum has followed.
// One without the option stays so: its sender takes the default of RFC 9293 section 3.7.1, which fits everywhere.
bool clamp_mss(rte_tcp_hdr& tcp, uint16_t mss_max);

}  // namespace millrace
