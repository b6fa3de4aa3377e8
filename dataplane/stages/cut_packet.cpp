#include "dataplane/stages/cut_packet.h"

#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_ip_frag.h>
#include <rte_mbuf.h>

#include <cerrno>

#include "dataplane/stages/checksum.h"
#include "dataplane/stages/outcome.h"

namespace millrace {
namespace {

// The library leaves the header checksum to the NIC, and Ethernet to us.
void finish_fragment(rte_mbuf& fragment) {
  auto& ip = *rte_pktmbuf_mtod(&fragment, rte_ipv4_hdr*);
  ip.hdr_checksum = ipv4_header_checksum(ip);
  // New buffers have the usual headroom.
  auto& ether = *reinterpret_cast<rte_ether_hdr*>(rte_pktmbuf_prepend(&fragment, sizeof(rte_ether_hdr)));
  ether.ether_type = Be16::from_host(RTE_ETHER_TYPE_IPV4).raw;
  fragment.ol_flags = 0;
}

}  // namespace

void send_cut(Worker& worker, rte_mbuf* mbuf, const Hop& hop, uint16_t mtu_bytes) {
  rte_mbuf* fragments[kFragmentsMax];
  rte_pktmbuf_adj(mbuf, sizeof(rte_ether_hdr));
  const int32_t made =
      rte_ipv4_fragment_copy_nonseg_packet(mbuf, fragments, kFragmentsMax, mtu_bytes, worker.state.mbuf_pool);
  if (made <= 0) return drop_packet(worker, mbuf, made == -ENOMEM ? DropReason::no_mbuf : DropReason::mtu_exceeded);
  rte_pktmbuf_free(mbuf);
  const auto count = static_cast<uint32_t>(made);
  worker.counters.packets_cut.add(1);
  worker.counters.originated.add(count - 1);
  for (uint32_t i = 0; i < count; ++i) {
    finish_fragment(*fragments[i]);
    send_along(worker, fragments[i], hop);
  }
}

}  // namespace millrace
