#include "dataplane/stages/untag.h"

#include <rte_ether.h>
#include <rte_mbuf.h>

#include <cstring>

#include "dataplane/stages/outcome.h"
#include "dataplane/stages/worker_context.h"
#include "millrace/addr.h"

namespace millrace {
namespace {

constexpr uint16_t kIdMask = 0x0fff;
constexpr size_t kMacsBytes = 2 * RTE_ETHER_ADDR_LEN;
constexpr size_t kTaggedHeaderBytes = sizeof(rte_ether_hdr) + sizeof(rte_vlan_hdr);

bool has_tag_beside(const rte_mbuf& mbuf) { return (mbuf.ol_flags & RTE_MBUF_F_RX_VLAN_STRIPPED) != 0; }

// 0: no tag, or one without a VLAN. Nullopt: no tag that a port of ours could have.
std::optional<uint16_t> read_id(const rte_mbuf& mbuf) {
  if (has_tag_beside(mbuf)) return mbuf.vlan_tci & kIdMask;
  if (mbuf.data_len < sizeof(rte_ether_hdr)) return uint16_t{0};
  const auto* ether = rte_pktmbuf_mtod(&mbuf, const rte_ether_hdr*);
  if (ether->ether_type == RTE_BE16(RTE_ETHER_TYPE_QINQ)) return std::nullopt;
  if (ether->ether_type != RTE_BE16(RTE_ETHER_TYPE_VLAN)) return uint16_t{0};
  if (mbuf.data_len < kTaggedHeaderBytes) return std::nullopt;
  return Be16{reinterpret_cast<const rte_vlan_hdr*>(ether + 1)->vlan_tci}.host() & kIdMask;
}

void strip_tag(rte_mbuf& mbuf) {
  if (has_tag_beside(mbuf)) {
    mbuf.ol_flags &= ~(RTE_MBUF_F_RX_VLAN_STRIPPED | RTE_MBUF_F_RX_VLAN);
    return;
  }
  auto* frame = rte_pktmbuf_mtod(&mbuf, uint8_t*);
  if (mbuf.data_len < kTaggedHeaderBytes ||
      reinterpret_cast<const rte_ether_hdr*>(frame)->ether_type != RTE_BE16(RTE_ETHER_TYPE_VLAN))
    return;
  std::memmove(frame + sizeof(rte_vlan_hdr), frame, kMacsBytes);
  rte_pktmbuf_adj(&mbuf, sizeof(rte_vlan_hdr));
}

bool insert_tag(rte_mbuf& mbuf, uint16_t vlan) {
  auto* frame = reinterpret_cast<uint8_t*>(rte_pktmbuf_prepend(&mbuf, sizeof(rte_vlan_hdr)));
  if (frame == nullptr) return false;
  std::memmove(frame, frame + sizeof(rte_vlan_hdr), kMacsBytes);
  const Be16 tag[] = {Be16::from_host(RTE_ETHER_TYPE_VLAN), Be16::from_host(vlan)};
  std::memcpy(frame + kMacsBytes, tag, sizeof tag);
  return true;
}

}  // namespace

std::optional<PortIndex> claim_frame(Worker& worker, const RxSource& source, rte_mbuf* mbuf) {
  const std::optional<uint16_t> id = read_id(*mbuf);
  const std::optional<PortIndex> port = id ? source.vlans->find(*id) : std::nullopt;
  if (port)
    strip_tag(*mbuf);
  else
    divert_whole_frame(worker, mbuf, source.port);
  return port;
}

bool strip_priority_tag(rte_mbuf& mbuf) {
  if (read_id(mbuf) != uint16_t{0}) return false;
  strip_tag(mbuf);
  return true;
}

void tag_frames(Worker& worker, TxTarget& target) {
  uint32_t kept = 0;
  for (uint32_t i = 0; i < target.count; ++i) {
    rte_mbuf* mbuf = target.mbufs[i];
    if (insert_tag(*mbuf, target.vlan))
      target.mbufs[kept++] = mbuf;
    else
      drop_packet(worker, mbuf, DropReason::no_mbuf);
  }
  target.count = kept;
}

}  // namespace millrace
