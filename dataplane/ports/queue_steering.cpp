// queue_steering.cpp: see the header.
#include "dataplane/ports/queue_steering.h"

#include <rte_errno.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <array>
#include <bit>
#include <stdexcept>
#include <string>
#include <vector>

namespace millrace {

namespace {

// The longest that rte_eth_dev_info can name.
constexpr size_t kKeyBytesMax = 255;
constexpr uint64_t kPortHashes = RTE_ETH_RSS_NONFRAG_IPV4_TCP | RTE_ETH_RSS_NONFRAG_IPV4_UDP |
                                 RTE_ETH_RSS_NONFRAG_IPV6_TCP | RTE_ETH_RSS_NONFRAG_IPV6_UDP;

// Ours, and zeros for drivers with longer ones: the longest input, 36 bytes, meets no bit behind byte 40. Drivers keep
// a pointer to it.
std::array<uint8_t, kKeyBytesMax>& long_key() {
  static std::array<uint8_t, kKeyBytesMax> key = [] {
    std::array<uint8_t, kKeyBytesMax> ours{};
    std::copy(kRssKey.begin(), kRssKey.end(), ours.begin());
    return ours;
  }();
  return key;
}

uint8_t key_bytes_of(const rte_eth_dev_info& info) {
  return info.hash_key_size == 0 ? kRssKeyBytes : info.hash_key_size;
}

std::string sentence(SteeringReason reason) {
  return std::string(kSteeringReasonSentences[static_cast<size_t>(reason)]);
}

// Throws when nothing but RSS will do.
void check_wish(SteeringReason reason, config::SteeringWish wish) {
  if (wish == config::SteeringWish::rss)
    throw std::runtime_error("cannot steer by RSS: " + sentence(reason) +
                             "; remove steering = \"rss\" to let workers " + "hand packets over");
}

PortSteering by_handover(SteeringReason reason, config::SteeringWish wish) {
  check_wish(reason, wish);
  return {.kind = SteeringKind::handover, .reason = reason};
}

void give_up(Port& port, SteeringReason reason, config::SteeringWish wish) {
  port.steering.kind = SteeringKind::handover;
  port.steering.reason = reason;
  check_wish(reason, wish);
  spdlog::warn("port {}: {}; workers hand packets over", port.name, sentence(reason));
}

// True, too, for a driver that does not tell.
bool has_our_key(uint16_t dpdk_port) {
  std::array<uint8_t, kKeyBytesMax> key{};
  rte_eth_rss_conf conf{.rss_key = key.data(), .rss_key_len = kKeyBytesMax, .rss_hf = 0};
  if (rte_eth_dev_rss_hash_conf_get(dpdk_port, &conf) != 0) return true;
  return std::equal(kRssKey.begin(), kRssKey.end(), key.begin());
}

// A queue of the worker that owns the hash, when it has one here.
uint16_t queue_for(const Port& port, WorkerIndex owner, unsigned entry) {
  for (uint16_t queue = 0; queue < port.queue_count; ++queue)
    if (port.queue_owner[queue] == owner) return queue;
  return static_cast<uint16_t>(entry % port.queue_count);
}

using Reta = std::vector<rte_eth_rss_reta_entry64>;

Reta empty_reta(uint16_t size) {
  Reta table((size + RTE_ETH_RETA_GROUP_SIZE - 1) / RTE_ETH_RETA_GROUP_SIZE);
  for (unsigned entry = 0; entry < size; ++entry)
    table[entry / RTE_ETH_RETA_GROUP_SIZE].mask |= uint64_t{1} << (entry % RTE_ETH_RETA_GROUP_SIZE);
  return table;
}

bool same_queues(const Reta& a, const Reta& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const auto& x, const auto& y) { return std::ranges::equal(x.reta, y.reta); });
}

}  // namespace

PortSteering choose_steering(const rte_eth_dev_info& info, bool takes_settings, const config::PortConfig& config,
                             unsigned worker_count) {
  if (worker_count == 1) return {.kind = SteeringKind::none, .reason = SteeringReason::one_worker};
  const auto handover = [&](SteeringReason reason) { return by_handover(reason, config.steering); };
  if (config.steering == config::SteeringWish::handover) return handover(SteeringReason::configured);
  if (config.queues == 1) return handover(SteeringReason::one_queue);
  if (!takes_settings) return handover(SteeringReason::no_settings);
  if ((info.flow_type_rss_offloads & kPortHashes) == 0) return handover(SteeringReason::no_port_hash);
  if (key_bytes_of(info) < kRssKeyBytes) return handover(SteeringReason::key_too_short);
  if (info.reta_size == 0) return handover(SteeringReason::no_table);
  if (!std::has_single_bit(info.reta_size)) return handover(SteeringReason::odd_table);
  return {.kind = SteeringKind::rss,
          .reason = SteeringReason::settings_taken,
          .reta_size = info.reta_size,
          .rss_key_bytes = key_bytes_of(info)};
}

void request_rss(const rte_eth_dev_info& info, rte_eth_conf& conf) {
  conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
  conf.rx_adv_conf.rss_conf = {.rss_key = long_key().data(),
                               .rss_key_len = key_bytes_of(info),
                               .rss_hf = info.flow_type_rss_offloads & kPortHashes};
}

void confirm_key(Port& port, config::SteeringWish wish) {
  if (has_our_key(port.dpdk_port)) return;
  rte_eth_dev_info info{};
  rte_eth_conf conf{};
  if (rte_eth_dev_info_get(port.dpdk_port, &info) == 0) {
    request_rss(info, conf);
    if (rte_eth_dev_rss_hash_update(port.dpdk_port, &conf.rx_adv_conf.rss_conf) == 0 && has_our_key(port.dpdk_port))
      return;
  }
  give_up(port, SteeringReason::key_refused, wish);
}

void set_table(Port& port, const Owner& owner, config::SteeringWish wish) {
  const uint16_t size = port.steering.reta_size;
  Reta wanted = empty_reta(size);
  for (unsigned entry = 0; entry < size; ++entry)
    wanted[entry / RTE_ETH_RETA_GROUP_SIZE].reta[entry % RTE_ETH_RETA_GROUP_SIZE] =
        queue_for(port, owner.of_hash(entry), entry);
  Reta found = empty_reta(size);
  if (rte_eth_dev_rss_reta_update(port.dpdk_port, wanted.data(), size) != 0 ||
      rte_eth_dev_rss_reta_query(port.dpdk_port, found.data(), size) != 0 || !same_queues(wanted, found))
    give_up(port, SteeringReason::table_refused, wish);
}

}  // namespace millrace
