// set_mtu_optional.c: preloaded into Pktgen by perf/pktgen/run --memif. Pktgen 23.06.1 takes it for the end that a
// driver cannot change its MTU, and net_memif cannot.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdint.h>

int rte_eth_dev_set_mtu(uint16_t port, uint16_t mtu) {
  int (*dpdk)(uint16_t, uint16_t) = (int (*)(uint16_t, uint16_t))dlsym(RTLD_NEXT, "rte_eth_dev_set_mtu");
  const int error = dpdk(port, mtu);
  return error == -ENOTSUP ? 0 : error;
}
