// steer.bpf.c: which packets leave the kernel. Runs in the driver for every received packet, before the kernel's stack.
// What is ours goes to the AF_XDP socket of its receive queue, and is dropped while no socket is there (the dataplane
// is dead or starting): the kernel must never answer for us. Everything else passes to the kernel.
// Ours are:
//   - everything to an address that is wholly ours, ARP requests and neighbour solicitations for it;
//   - packets to a service, or to a SNAT port range, of an address that the kernel owns;
//   - replies of `nat` backends to anybody but this host;
//   - ICMP errors about any of these;
//   - later fragments, which show no ports, of a packet whose first fragment was ours. On addresses that the kernel owns
//     and from `nat` backends they must come after it: the kernel has whatever came before.
// Of what is ours, packets to a VIP from a source on the blocklist end here.
// Frames with an 802.1Q tag count with their VLAN's port, see steer_vlans; those of other VLANs are the kernel's.
// Truncated and malformed packets to an address wholly ours go to the dataplane too, which counts them; the rest of
// them is the kernel's.
// Name:   libxdp inserts a new socket into the xsks_map of an attached program only when that program is called
//         xsk_def_prog and carries xsk_prog_version; any other program it would refuse or replace. steer_loader.h knows
//         ours by the names of its maps.
// Tests:  tests/unit/ports/steer_bpf_test.cpp
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "dataplane/bpf/steer_blocklist.h"
#include "dataplane/bpf/steer_maps.h"

struct {
  __uint(type, BPF_MAP_TYPE_XSKMAP);
  __uint(max_entries, steer_queue_max);
  __type(key, __u32);
  __type(value, __u32);
} xsks_map SEC(".maps");

#define STEER_HASH(name, key_type, value_type, size) \
  struct {                                           \
    __uint(type, BPF_MAP_TYPE_HASH);                 \
    __uint(map_flags, BPF_F_NO_PREALLOC);            \
    __uint(max_entries, size);                       \
    __type(key, key_type);                           \
    __type(value, value_type);                       \
  } name SEC(".maps")

STEER_HASH(mr_services1, struct steer_endpoint, __u32, steer_service_max);
STEER_HASH(mr_backends1, struct steer_endpoint, __u32, steer_backend_max);
STEER_HASH(mr_addresses1, struct steer_address_key, struct steer_address, steer_address_max);
STEER_HASH(mr_host1, struct steer_address_key, __u32, steer_host_max);

// Packets in fragments, by what all of their fragments show.
struct datagram {
  __u8 src[16];
  __u8 dst[16];
  __u32 id;
  __u32 proto;  // IPv4
};
// Those whose first fragment was ours, of this interface. The least recently used give way.
struct {
  __uint(type, BPF_MAP_TYPE_LRU_HASH);
  __uint(max_entries, steer_datagram_max);
  __type(key, struct datagram);
  __type(value, __u32);
} mr_datagrams1 SEC(".maps");

volatile const struct steer_vlans vlans = {};

struct vlan_tag {
  __be16 control, type;  // of what follows
};

struct icmp_header {  // of both families; an error quotes the packet it is about right after it
  __u8 type, code;
  __be16 checksum;
  __be32 rest;
};
enum {
  icmp4_unreachable = 3,
  icmp4_time_exceeded = 11,
  icmp4_parameter_problem = 12,
  icmp6_last_error = 4,             // 1 unreachable, 2 too big, 3 time exceeded, 4 parameter problem
  icmp6_router_solicitation = 133,  // the first of neighbour discovery
  icmp6_neighbour_solicitation = 135,
  icmp6_redirect = 137,  // the last of it
};

struct arp_ipv4 {
  __be16 hardware, protocol;
  __u8 hardware_bytes, protocol_bytes;
  __be16 operation;
  __u8 sender_mac[6], sender_addr[4], target_mac[6], target_addr[4];
} __attribute__((packed));

// The fields of an IP packet that decide. Ports are zero where there are none: other protocols, later fragments.
struct packet {
  struct steer_endpoint src;
  struct steer_endpoint dst;
  void* payload;  // of the IP header and extension headers
  __u32 fragment_id;
  __u8 first_fragment;
  __u8 later_fragment;
};

// The last two are a fragment header's, which has no length.
struct extension_header {
  __u8 next, units_after_first;  // of 8 bytes
  __be16 place;                  // in units of 8 bytes above three bits, the lowest of which says that more follow
  __be32 id;
};

static __always_inline void set_ipv4(__u8 addr[16], __be32 ipv4) {
  __builtin_memset(addr, 0, 10);
  addr[10] = addr[11] = 0xff;
  __builtin_memcpy(addr + 12, &ipv4, 4);
}

static __always_inline int is_mapped(const struct in6_addr* addr) {
  return addr->in6_u.u6_addr32[0] == 0 && addr->in6_u.u6_addr32[1] == 0 &&
         addr->in6_u.u6_addr32[2] == bpf_htonl(0xffff);
}

static __always_inline struct steer_address* find_address(const struct steer_endpoint* endpoint) {
  return bpf_map_lookup_elem(&mr_addresses1, endpoint->addr);
}

static __always_inline int in_ranges(const struct steer_address* address, __be16 port_be) {
  const __u16 port = bpf_ntohs(port_be);
  for (__u32 i = 0; i < steer_range_max; i++) {
    if (i >= address->range_count) return 0;
    if (port >= address->ranges[i].first && port <= address->ranges[i].last) return 1;
  }
  return 0;
}

static __always_inline int has_ports(__u8 proto) { return proto == IPPROTO_TCP || proto == IPPROTO_UDP; }

// TCP and UDP both begin with source and destination port. Returns 0 when they are not there.
static __always_inline int read_ports(struct packet* packet, void* end) {
  const __be16* ports = packet->payload;
  if (!has_ports(packet->dst.proto) || packet->later_fragment || (void*)(ports + 2) > end) return 0;
  packet->src.port_be = ports[0];
  packet->dst.port_be = ports[1];
  return 1;
}

// Fills all but the ports. Returns 0 when the header is cut off or no IPv4 header.
static __always_inline int read_ipv4(void* data, void* end, struct packet* packet) {
  const struct iphdr* ip = data;
  __builtin_memset(packet, 0, sizeof *packet);
  if ((void*)(ip + 1) > end) return 0;
  set_ipv4(packet->src.addr, ip->saddr);
  set_ipv4(packet->dst.addr, ip->daddr);
  packet->src.proto = packet->dst.proto = ip->protocol;
  packet->later_fragment = (ip->frag_off & bpf_htons(0x1fff)) != 0;
  packet->first_fragment = !packet->later_fragment && (ip->frag_off & bpf_htons(0x2000)) != 0;
  packet->fragment_id = ip->id;
  packet->payload = data + ip->ihl * 4;
  return ip->version == 4 && ip->ihl >= 5;
}

static __always_inline int is_extension_header(__u8 proto) {
  return proto == IPPROTO_HOPOPTS || proto == IPPROTO_ROUTING || proto == IPPROTO_FRAGMENT || proto == IPPROTO_DSTOPTS;
}

// A walk over extension headers: where it is, and what it met.
struct chain {
  __u32 offset;  // from the start of the frame
  __u32 fragment_id;
  __u8 proto;  // what stands at `offset`
  __u8 first_fragment;
  __u8 later_fragment;
  __u8 reserved;
};
enum { chain_offset_mask = 0xfff };  // further than the headers of any packet that the dataplane takes

// To TCP, UDP or ICMPv6, which a later fragment has none of. Returns 0 when they are cut off or too many. A function of
// its own, so that the verifier walks the loop once and not on each way that leads here.
__attribute__((noinline)) int walk_chain(struct xdp_md* ctx, struct chain* chain) {
  if (!chain) return 0;
  void* end = (void*)(long)ctx->data_end;
  for (__u32 i = 0; i < steer_extension_max; i++) {
    const __u8 proto = chain->proto;
    if (!is_extension_header(proto) || chain->later_fragment) return 1;
    const struct extension_header* header = (void*)(long)ctx->data + (chain->offset & chain_offset_mask);
    if ((void*)(header + 1) > end) return 0;
    chain->proto = header->next;
    if (proto == IPPROTO_FRAGMENT) {
      chain->offset += sizeof *header;
      chain->later_fragment = (header->place & bpf_htons(0xfff8)) != 0;
      chain->first_fragment = header->place == bpf_htons(1);
      chain->fragment_id = header->id;
    } else {
      chain->offset += (header->units_after_first + 1) * 8;
    }
  }
  return !is_extension_header(chain->proto);
}

static __always_inline int skip_extension_headers(struct xdp_md* ctx, struct packet* packet) {
  struct chain chain = {.offset = packet->payload - (void*)(long)ctx->data, .proto = packet->dst.proto};
  if (!walk_chain(ctx, &chain) || chain.offset > chain_offset_mask) return 0;
  packet->src.proto = packet->dst.proto = chain.proto;
  packet->first_fragment = chain.first_fragment;
  packet->later_fragment = chain.later_fragment;
  packet->fragment_id = chain.fragment_id;
  packet->payload = (void*)(long)ctx->data + (chain.offset & chain_offset_mask);
  return 1;
}

static __always_inline int read_ipv6(struct xdp_md* ctx, void* data, void* end, struct packet* packet) {
  const struct ipv6hdr* ip = data;
  __builtin_memset(packet, 0, sizeof *packet);
  // A mapped address on the wire would be taken for IPv4 in our maps (RFC 4291 section 2.5.5.2: never on a wire).
  if ((void*)(ip + 1) > end || is_mapped(&ip->saddr) || is_mapped(&ip->daddr)) return 0;
  __builtin_memcpy(packet->src.addr, &ip->saddr, 16);
  __builtin_memcpy(packet->dst.addr, &ip->daddr, 16);
  packet->src.proto = packet->dst.proto = ip->nexthdr;
  packet->payload = data + sizeof *ip;
  if (ip->version != 6) return 0;
  return !is_extension_header(ip->nexthdr) || skip_extension_headers(ctx, packet);
}

static __always_inline int is_service_or_snat(const struct steer_endpoint* endpoint) {
  if (bpf_map_lookup_elem(&mr_services1, endpoint)) return 1;
  const struct steer_address* address = find_address(endpoint);
  return address && in_ranges(address, endpoint->port_be);
}

// A `nat` backend's own connections to this host are no replies of ours.
static __always_inline int leaves_nat_backend(const struct steer_endpoint* backend,
                                              const struct steer_endpoint* other) {
  return bpf_map_lookup_elem(&mr_backends1, backend) && !bpf_map_lookup_elem(&mr_host1, other->addr);
}

// The outer packet of a tunnel to a backend, whose source has no port that would say so.
static __always_inline int is_tunnel(const struct packet* quoted) {
  if (quoted->dst.proto != IPPROTO_IPIP && quoted->dst.proto != IPPROTO_IPV6) return 0;
  const struct steer_address* source = find_address(&quoted->src);
  return source && (source->whole || source->range_count != 0);
}

// `quoted` is the packet that an ICMP error is about: one that we sent, so its source is ours, or it went to a `nat`
// backend under the client's address.
static __always_inline int quotes_ours(struct packet* quoted, const struct steer_endpoint* error_dst, void* end) {
  if (is_tunnel(quoted)) return 1;
  if (!read_ports(quoted, end)) return 0;
  return is_service_or_snat(&quoted->src) || leaves_nat_backend(&quoted->dst, error_dst);
}

static __always_inline struct datagram datagram_of(const struct packet* packet, __u32 proto) {
  struct datagram datagram;
  __builtin_memcpy(datagram.src, packet->src.addr, 16);
  __builtin_memcpy(datagram.dst, packet->dst.addr, 16);
  datagram.id = packet->fragment_id;
  datagram.proto = proto;
  return datagram;
}

// TCP and UDP, and their fragments; `fragment_proto` is 0 in IPv6, whose fragments need not agree on it.
static __always_inline int is_our_flow(struct packet* packet, __u32 fragment_proto, void* end) {
  if (packet->later_fragment) {
    const struct datagram datagram = datagram_of(packet, fragment_proto);
    return bpf_map_lookup_elem(&mr_datagrams1, &datagram) != 0;
  }
  if (!read_ports(packet, end)) return 0;
  const int ours = is_service_or_snat(&packet->dst) || leaves_nat_backend(&packet->src, &packet->dst);
  if (!packet->first_fragment) return ours;
  const struct datagram datagram = datagram_of(packet, fragment_proto);
  const __u32 value = 1;
  if (ours)
    bpf_map_update_elem(&mr_datagrams1, &datagram, &value, BPF_ANY);
  else  // the identification is in use again
    bpf_map_delete_elem(&mr_datagrams1, &datagram);
  return ours;
}

static __always_inline int is_icmp4_error(__u8 type) {
  return type == icmp4_unreachable || type == icmp4_time_exceeded || type == icmp4_parameter_problem;
}

enum { ours_but_blocked = 2 };  // what is_ours_ipv4 and is_ours_ipv6 say besides no and yes

// Without neighbour discovery nobody would find the VIP.
static __always_inline int finds_neighbours(const struct packet* packet, void* end) {
  const struct icmp_header* icmp = packet->payload;
  if (packet->dst.proto != IPPROTO_ICMPV6 || packet->later_fragment) return 0;
  return (void*)(icmp + 1) > end || (icmp->type >= icmp6_router_solicitation && icmp->type <= icmp6_redirect);
}

// As far as one packet alone shows it. Where more must be known the workers, who ask all of this again, decide: what has
// no ports may be a backend's where VIPs are SNAT addresses as well, and later fragments of the kernel's must go the way
// of their first one.
static __always_inline int is_to_vip(struct packet* packet, void* end) {
  const int has_ports = read_ports(packet, end);
  const struct steer_address* vip = bpf_map_lookup_elem(&mr_vips1, packet->dst.addr);
  if (vip) return vip->range_count == 0 || (has_ports && !in_ranges(vip, packet->dst.port_be));
  return has_ports && !packet->first_fragment && bpf_map_lookup_elem(&mr_services1, &packet->dst) != 0;
}

static __always_inline int is_blocked(struct packet* packet, __u32 family, void* end) {
  return has_blocklist() && is_to_vip(packet, end) && is_on_blocklist(packet->src.addr, family) &&
         !finds_neighbours(packet, end);
}

static __always_inline int is_ours_ipv4(void* data, void* end) {
  struct packet packet;
  struct packet quoted;
  const int whole_header = read_ipv4(data, end, &packet);
  if (whole_header && is_blocked(&packet, 4, end)) return ours_but_blocked;
  const struct steer_address* address = find_address(&packet.dst);
  if (address && address->whole) return 1;
  if (!whole_header) return 0;
  if (packet.dst.proto == IPPROTO_ICMP && !packet.later_fragment) {
    const struct icmp_header* icmp = packet.payload;
    if ((void*)(icmp + 1) > end || !is_icmp4_error(icmp->type)) return 0;
    return read_ipv4(packet.payload + sizeof *icmp, end, &quoted) && quotes_ours(&quoted, &packet.dst, end);
  }
  return is_our_flow(&packet, packet.dst.proto, end);
}

// Neighbour solicitation: ICMPv6 header, then the target. Goes to a multicast group when it first asks.
static __always_inline int solicits_ours(const struct icmp_header* icmp, void* end) {
  const struct in6_addr* target = (const void*)(icmp + 1);
  if (icmp->type != icmp6_neighbour_solicitation || (void*)(target + 1) > end || is_mapped(target)) return 0;
  struct steer_endpoint endpoint = {};
  __builtin_memcpy(endpoint.addr, target, 16);
  const struct steer_address* address = find_address(&endpoint);
  return address && address->whole;
}

static __always_inline int is_ours_ipv6(struct xdp_md* ctx, void* data, void* end) {
  struct packet packet;
  struct packet quoted;
  const int whole_header = read_ipv6(ctx, data, end, &packet);
  if (whole_header && is_blocked(&packet, 6, end)) return ours_but_blocked;
  const struct steer_address* address = find_address(&packet.dst);
  if (address && address->whole) return 1;
  if (!whole_header) return 0;
  if (packet.dst.proto == IPPROTO_ICMPV6 && !packet.later_fragment) {
    const struct icmp_header* icmp = packet.payload;
    if ((void*)(icmp + 1) > end) return 0;
    if (icmp->type >= 1 && icmp->type <= icmp6_last_error)
      return read_ipv6(ctx, packet.payload + sizeof *icmp, end, &quoted) && quotes_ours(&quoted, &packet.dst, end);
    return solicits_ours(icmp, end);
  }
  return is_our_flow(&packet, 0, end);
}

static __always_inline int is_ours_arp(void* data, void* end) {
  const struct arp_ipv4* arp = data;
  if ((void*)(arp + 1) > end || arp->operation != bpf_htons(1)) return 0;
  struct steer_endpoint target = {};
  __be32 addr;
  __builtin_memcpy(&addr, arp->target_addr, 4);
  set_ipv4(target.addr, addr);
  const struct steer_address* address = find_address(&target);
  return address && address->whole;
}

// Steps over the tag, of which there is one at most. Returns 0 for frames of no port of ours.
static __always_inline int is_our_vlan(__be16* type, void** payload, void* end) {
  if (*type != bpf_htons(ETH_P_8021Q)) return !vlans.untagged_passes;
  const struct vlan_tag* tag = *payload;
  if ((void*)(tag + 1) > end) return 0;
  const __u16 id = bpf_ntohs(tag->control) & 0xfff;
  *type = tag->type;
  *payload += sizeof *tag;
  return id == 0 ? !vlans.untagged_passes : vlans.ids[id / 64] >> (id % 64) & 1;
}

SEC("xdp")
int xsk_def_prog(struct xdp_md* ctx) {
  void* data = (void*)(long)ctx->data;
  void* end = (void*)(long)ctx->data_end;
  const struct ethhdr* eth = data;
  void* payload = data + sizeof *eth;
  if (payload > end) return XDP_PASS;
  __be16 type = eth->h_proto;
  if (!is_our_vlan(&type, &payload, end)) return XDP_PASS;
  int ours = 0;
  if (type == bpf_htons(ETH_P_IP))
    ours = is_ours_ipv4(payload, end);
  else if (type == bpf_htons(ETH_P_IPV6))
    ours = is_ours_ipv6(ctx, payload, end);
  else if (type == bpf_htons(ETH_P_ARP))
    ours = is_ours_arp(payload, end);
  if (ours == ours_but_blocked) return drop_blocked();
  return ours ? bpf_redirect_map(&xsks_map, ctx->rx_queue_index, XDP_DROP) : XDP_PASS;
}

char program_license[] SEC("license") = "Apache-2.0";
__uint(xsk_prog_version, 1) SEC("xdp_metadata");
