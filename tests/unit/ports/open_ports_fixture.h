// open_ports_fixture.h: a packet pool, and ports that close with the test.
#pragma once

#include <gtest/gtest.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include <chrono>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "dataplane/ports/port_open.h"

namespace millrace {

class OpenPorts : public testing::Test {
 protected:
  // The drivers keep some buffers of a closed port, so each test has a pool of its own.
  OpenPorts() : pool(rte_pktmbuf_pool_create("ports", 16383, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY)) {}
  ~OpenPorts() override {
    close();
    rte_mempool_free(pool);
  }

  static config::PortConfig wanted(const std::string& kind, const std::string& arg, uint16_t queues = 1) {
    config::PortConfig config;
    config.name = "test";
    config.device_kind = kind;
    config.device_arg = arg;
    config.queues = queues;
    return config;
  }
  void open(const std::vector<config::PortConfig>& configs, unsigned workers = 1) {
    ASSERT_NE(pool, nullptr);
    Owner owner(workers, {});
    ports = open_ports(configs, owner, pool);
  }
  void close() {
    close_ports(ports);
    ports.clear();
  }
  // The sentence that opening fails with; empty when it does not.
  std::string refusal(const std::vector<config::PortConfig>& configs, unsigned workers = 1) {
    try {
      open(configs, workers);
    } catch (const std::exception& failure) {
      return failure.what();
    }
    close();
    return {};
  }

  // The first frame that any queue of the port receives and `matches`; empty when none comes within the time.
  std::string receive(const Port& port, const std::function<bool(const std::string&)>& matches,
                      int timeout_ms = 2000) const {
    for (const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(timeout_ms);
         std::chrono::steady_clock::now() < end; std::this_thread::sleep_for(std::chrono::milliseconds(1))) {
      for (uint16_t queue = 0; queue < port.queue_count; ++queue) {
        rte_mbuf* packet = nullptr;
        while (rte_eth_rx_burst(port.dpdk_port, queue, &packet, 1) == 1) {
          const std::string frame(rte_pktmbuf_mtod(packet, const char*), rte_pktmbuf_data_len(packet));
          rte_pktmbuf_free(packet);
          if (matches(frame)) return frame;
        }
      }
    }
    return {};
  }
  bool transmit(const Port& port, const std::string& frame, uint16_t queue = 0) const {
    rte_mbuf* packet = rte_pktmbuf_alloc(pool);
    if (packet == nullptr) return false;
    rte_memcpy(rte_pktmbuf_append(packet, static_cast<uint16_t>(frame.size())), frame.data(), frame.size());
    if (rte_eth_tx_burst(port.dpdk_port, queue, &packet, 1) == 1) return true;
    rte_pktmbuf_free(packet);
    return false;
  }

  rte_mempool* pool;
  std::vector<Port> ports;
};

// A broadcast frame of an experimental EtherType that ends in `text`, and the question whether one is that.
inline std::string marked_frame(const std::string& text) {
  std::string frame(64, '\0');
  frame.replace(0, 6, 6, '\xff');
  frame.replace(6, 8, std::string("\x02\x00\x00\x00\x00\x07\x88\xb5", 8));
  return frame + text;
}
inline std::function<bool(const std::string&)> is_marked(const std::string& text) {
  return [text](const std::string& frame) { return frame == marked_frame(text); };
}

}  // namespace millrace
