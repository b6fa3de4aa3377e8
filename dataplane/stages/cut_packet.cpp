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

bool may_cut(const uint8_t* ip_header) {
  const auto& ip = *reinterpret_cast<const rte_ipv4_hdr*>(ip_header);
  return ip.version == 4 && (ip.fragment_offset & Be16::from_host(RTE_IPV4_HDR_DF_FLAG).raw) == 0;
}

unsigned cut_packet(Worker& worker, rte_mbuf* mbuf, uint16_t mtu_bytes, Pieces& pieces) {
  rte_pktmbuf_adj(mbuf, sizeof(rte_ether_hdr));
  const int32_t made =
      rte_ipv4_fragment_copy_nonseg_packet(mbuf, pieces.data(), kFragmentsMax, mtu_bytes, worker.state.mbuf_pool);
  if (made <= 0) {
    drop_packet(worker, mbuf, made == -ENOMEM ? DropReason::no_mbuf : DropReason::mtu_exceeded);
    return 0;
  }
  rte_pktmbuf_free(mbuf);
  const auto count = static_cast<unsigned>(made);
  worker.counters.packets_cut.add(1);
  worker.counters.originated.add(count - 1);
  for (unsigned i = 0; i < count; ++i) finish_fragment(*pieces[i]);
  return count;
}

void send_cut(Worker& worker, rte_mbuf* mbuf, const Hop& hop, uint16_t mtu_bytes) {
  Pieces pieces;
  const unsigned count = cut_packet(worker, mbuf, mtu_bytes, pieces);
  for (unsigned i = 0; i < count; ++i) send_along(worker, pieces[i], hop);
}

}  // namespace millrace
