// steer_maps.h: keys and values of the XDP program's maps, for the program itself (C, BPF) and for its loader (C++).
// Holds:  addresses as in millrace/addr.h: 16 bytes, IPv4 mapped; ports in network order. No padding.
// A change of any layout needs new map names, so that a restart never adopts maps of the old layout.
#pragma once

#include <linux/types.h>

// A service, or a backend of a `nat` service. The same bytes as VipKey.
struct steer_endpoint {
  __u8 addr[16];
  __u16 port_be;
  __u8 proto;
  __u8 reserved;
};

struct steer_address_key {
  __u8 addr[16];
};

enum { steer_range_max = 16 };  // SNAT port ranges of one address that the kernel shares with us

struct steer_port_range {
  __u16 first;  // host order, both ends included
  __u16 last;
};

// What an address is to us. whole: every packet to it, its ARP and ND are ours. Otherwise the kernel owns it and only
// the ranges (and the services, in their own map) are ours.
struct steer_address {
  __u32 whole;
  __u32 range_count;  // <= steer_range_max
  struct steer_port_range ranges[steer_range_max];
};

// A prefix of the blocklist, as a key of a trie: the family is part of it, so that no IPv6 prefix holds IPv4 addresses.
struct steer_prefix {
  __u32 bits;     // of what follows: 32 more than the prefix has
  __u32 family;   // 4 or 6
  __u8 addr[16];  // IPv4: the first 4 bytes
};

// What every map of ours, of whatever layout, is called by.
#define STEER_MAP_PREFIX "mr_"

// Map names (at most 15 characters) and sizes. Memory is taken entry by entry (BPF_F_NO_PREALLOC).
#define STEER_SERVICES_MAP "mr_services1"    // steer_endpoint -> __u32, unused
#define STEER_BACKENDS_MAP "mr_backends1"    // steer_endpoint -> __u32, unused
#define STEER_ADDRESSES_MAP "mr_addresses1"  // steer_address_key -> steer_address
#define STEER_HOST_MAP "mr_host1"            // steer_address_key -> __u32, unused
// The blocklist. Its array maps have one entry.
#define STEER_BLOCKING_MAP "mr_blocking1"  // -> __u32, how many prefixes there are: nothing is looked up while it is 0
#define STEER_BLOCKED_MAP "mr_blocked1"    // steer_prefix -> __u32, unused
#define STEER_VIPS_MAP "mr_vips1"    // steer_address_key -> steer_address: VIPs wholly ours, with their SNAT ports
#define STEER_DROPS_MAP "mr_drops1"  // of each CPU -> __u64, packets dropped
enum {
  steer_blocked_max = 200000,  // two whole lists, while one takes the place of the other
  steer_service_max = 262144,
  steer_backend_max = 65536,
  steer_address_max = 262144,
  steer_host_max = 4096,
  steer_queue_max = 64,
  steer_datagram_max = 8192,  // 1 MiB an interface
  steer_extension_max = 8,    // IPv6 extension headers of a packet; the dataplane steps over no more
};

// Which frames of its interface the program looks at; all others pass to the kernel. Set before it is loaded.
struct steer_vlans {
  __u64 ids[64];          // by bit: 802.1Q ids of our ports
  __u64 untagged_passes;  // no port of ours has the frames without a tag, or with id 0
};

// The name by which libxdp recognises a program whose xsks_map it may use (see steer.bpf.c).
#define STEER_PROGRAM "xsk_def_prog"
