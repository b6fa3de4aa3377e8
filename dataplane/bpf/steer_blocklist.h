// steer_blocklist.h: what the XDP program (steer.bpf.c) knows of the blocklist, and what became of it. Only for the program.
// Writer: the dataplane (ports/xdp_blocklist.h), but for the count of drops.
#pragma once

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "dataplane/bpf/steer_maps.h"

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __uint(max_entries, steer_address_max);
  __type(key, struct steer_address_key);
  __type(value, struct steer_address);
} mr_vips1 SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_LPM_TRIE);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __uint(max_entries, steer_blocked_max);
  __type(key, struct steer_prefix);
  __type(value, __u32);
} mr_blocked1 SEC(".maps");

#define STEER_CELL(name, map_type, value_type) \
  struct {                                     \
    __uint(type, map_type);                    \
    __uint(max_entries, 1);                    \
    __type(key, __u32);                        \
    __type(value, value_type);                 \
  } name SEC(".maps")

STEER_CELL(mr_blocking1, BPF_MAP_TYPE_ARRAY, __u32);
STEER_CELL(mr_drops1, BPF_MAP_TYPE_PERCPU_ARRAY, __u64);

static __always_inline int has_blocklist(void) {
  const __u32 only = 0;
  const __u32* prefix_count = bpf_map_lookup_elem(&mr_blocking1, &only);
  return prefix_count && *prefix_count != 0;
}

static __always_inline int is_on_blocklist(const __u8 addr[16], __u32 family) {
  struct steer_prefix source = {.bits = 32 + (family == 4 ? 32 : 128), .family = family};
  if (family == 4)
    __builtin_memcpy(source.addr, addr + 12, 4);
  else
    __builtin_memcpy(source.addr, addr, 16);
  return bpf_map_lookup_elem(&mr_blocked1, &source) != 0;
}

static __always_inline int drop_blocked(void) {
  const __u32 only = 0;
  __u64* drops = bpf_map_lookup_elem(&mr_drops1, &only);
  if (drops) ++*drops;
  return XDP_DROP;
}
