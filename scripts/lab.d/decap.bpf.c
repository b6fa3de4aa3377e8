// decap.bpf.c: the backend's end of a tunnel, where the kernel has no tunnel devices: takes the outer headers off, and
// the packet inside goes on as if it had come so. IP in IP of both families, and GUE variant 0 to GUE_PORT.
// Attached by scripts/lab to eth0 of each backend.
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/udp.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define GUE_PORT 6080

struct gue_header {
  __u8 version_control_length, proto;
  __be16 flags;
};

// The protocol number of what is inside, and in `bytes` how much is before it; 0: no tunnel.
static __always_inline int enter(void* l4, void* end, __u8 proto, __u32* bytes) {
  if (proto == IPPROTO_IPIP || proto == IPPROTO_IPV6) return proto;
  const struct udphdr* udp = l4;
  const struct gue_header* gue = (const void*)(udp + 1);
  if (proto != IPPROTO_UDP || (void*)(gue + 1) > end || udp->dest != bpf_htons(GUE_PORT)) return 0;
  if (gue->version_control_length != 0 || gue->flags != 0) return 0;
  *bytes += sizeof *udp + sizeof *gue;
  return gue->proto == IPPROTO_IPIP || gue->proto == IPPROTO_IPV6 ? gue->proto : 0;
}

static __always_inline int read_outer(void* l3, void* end, __be16 type, __u32* bytes) {
  if (type == bpf_htons(ETH_P_IP)) {
    const struct iphdr* ip = l3;
    if ((void*)(ip + 1) > end || ip->ihl != 5) return 0;
    *bytes = sizeof *ip;
    return enter(l3 + sizeof *ip, end, ip->protocol, bytes);
  }
  const struct ipv6hdr* ip = l3;
  if (type != bpf_htons(ETH_P_IPV6) || (void*)(ip + 1) > end) return 0;
  *bytes = sizeof *ip;
  return enter(l3 + sizeof *ip, end, ip->nexthdr, bytes);
}

SEC("xdp")
int decapsulate(struct xdp_md* ctx) {
  void* data = (void*)(long)ctx->data;
  void* end = (void*)(long)ctx->data_end;
  struct ethhdr ether;
  if (data + sizeof ether > end) return XDP_PASS;
  __builtin_memcpy(&ether, data, sizeof ether);
  __u32 bytes = 0;
  const int proto = read_outer(data + sizeof ether, end, ether.h_proto, &bytes);
  if (proto == 0) return XDP_PASS;
  ether.h_proto = proto == IPPROTO_IPIP ? bpf_htons(ETH_P_IP) : bpf_htons(ETH_P_IPV6);
  if (bpf_xdp_adjust_head(ctx, (int)bytes) != 0) return XDP_DROP;
  data = (void*)(long)ctx->data;
  end = (void*)(long)ctx->data_end;
  if (data + sizeof ether > end) return XDP_DROP;
  __builtin_memcpy(data, &ether, sizeof ether);
  return XDP_PASS;
}

char program_license[] SEC("license") = "Apache-2.0";
