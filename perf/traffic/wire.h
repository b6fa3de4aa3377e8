// wire.h: one device: frames to fill, a burst of them to send, and what has come.
// Thread: one.
// Fails:  Eal and Wires throw std::runtime_error, one sentence with the remedy.
#pragma once

#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include "perf/traffic/options.h"

namespace millrace::traffic {

inline constexpr unsigned kBurst = 32;

// Set by a signal: everything ends as soon as it can, with what was measured so far.
inline std::atomic<bool> stop_wanted{false};

class Wire {
 public:
  Wire(uint16_t port, const MacAddr& mac, const MacAddr& peer, rte_mempool* blanks)
      : port_(port), mac_(mac), peer_(peer), blanks_(blanks) {}

  uint16_t port() const { return port_; }
  const MacAddr& mac() const { return mac_; }
  const MacAddr& peer() const { return peer_; }

  // An mbuf whose frame is zero behind the headers; it is sent with the next flush(). nullptr: none is left.
  rte_mbuf* next_frame();
  void flush();
  // At most kBurst; the caller frees them.
  unsigned receive(rte_mbuf** mbufs) { return rte_eth_rx_burst(port_, 0, mbufs, kBurst); }

  uint64_t sent = 0;
  uint64_t refused = 0;  // the device did not take them

 private:
  bool refill();

  uint16_t port_;
  MacAddr mac_;
  MacAddr peer_;
  rte_mempool* blanks_;
  unsigned fresh_count_ = 0;
  unsigned pending_count_ = 0;
  std::array<rte_mbuf*, kBurst> fresh_{};
  std::array<rte_mbuf*, kBurst> pending_{};
};

// DPDK as long as it lives.
class Eal {
 public:
  explicit Eal(const Options& options);
  ~Eal();
  Eal(const Eal&) = delete;
  Eal& operator=(const Eal&) = delete;
};

// The devices, started, every link up.
class Wires {
 public:
  explicit Wires(const Options& options);
  ~Wires();
  Wires(const Wires&) = delete;
  Wires& operator=(const Wires&) = delete;

  std::vector<Wire>& all() { return wires_; }
  Wire& clients_side() { return wires_.front(); }
  Wire& backends_side() { return wires_.back(); }
  // Fails: std::runtime_error when a far end has gone.
  void check_links() const;

 private:
  void open(const Options& options);
  void close();

  std::vector<Wire> wires_;
};

}  // namespace millrace::traffic
