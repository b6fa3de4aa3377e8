// hello_store.h: the ClientHellos of connections whose backend is not chosen or has not acknowledged them yet: the only
// bytes of clients that are ever kept.
// Thread: owning worker.
// Memory: 4 KiB; packet buffers of the common pool, at most kHelloBuffersMax, a hello at most kHelloWindowBytes.
// Bound:  kHelloMax hellos at a time.
// Fails:  claim() returns kNoHello, append() takes less than it is given: the client sends the rest again.
// Tests:  tests/unit/stages/hello_store_test.cpp
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "dataplane/tcp/client_hello.h"
#include "millrace/conn_entry.h"

struct rte_mbuf;
struct rte_mempool;

namespace millrace {

inline constexpr unsigned kHelloMax = 512;
inline constexpr unsigned kHelloBuffersMax = 1024;  // 2 MiB: a hello of today fits into one

class HelloStore {
 public:
  HelloStore();
  ~HelloStore();
  HelloStore(const HelloStore&) = delete;
  HelloStore& operator=(const HelloStore&) = delete;

  uint16_t claim();
  // A place may come from shared memory: one that cannot be is one that holds nothing; likewise below.
  void release(uint16_t place);

  // How many of the bytes were taken.
  size_t append(uint16_t place, std::span<const uint8_t> bytes, rte_mempool* pool);
  uint32_t count(uint16_t place) const;
  // `count` bytes from `offset` on; nothing unless all of them are there. Copied to `scratch` if they do not lie together.
  std::span<const uint8_t> read(uint16_t place, uint32_t offset, uint32_t count, std::span<uint8_t> scratch) const;

 private:
  bool add_buffer(uint16_t place, rte_mempool* pool);

  std::array<rte_mbuf*, kHelloMax> chains_{};
  std::array<uint16_t, kHelloMax> free_{};
  unsigned free_count_ = kHelloMax;
  unsigned buffers_ = 0;
};

}  // namespace millrace
