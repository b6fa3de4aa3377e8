#include "controlplane/link/directory.h"

#include <algorithm>
#include <cstring>

namespace millrace::control {
namespace {

constexpr int kTriesMax = 8;

// Copies a row of a directory if its writer left it alone meanwhile.
template <typename Row>
bool read_row(const Row& row, Row& copy) {
  for (int tries = 0; tries < kTriesMax; ++tries) {
    // Pairs with the release store that ends a change of the row.
    const uint32_t before = row.version.load(std::memory_order_acquire);
    if (before & 1) continue;
    std::memcpy(static_cast<void*>(&copy), static_cast<const void*>(&row), sizeof copy);
    std::atomic_thread_fence(std::memory_order_acquire);
    if (row.version.load(std::memory_order_relaxed) == before) return true;
  }
  return false;
}

bool is_printable(char c) { return c > ' ' && c < 0x7f; }

// A name of the segment; empty for one that cannot be.
std::string text_of(const char (&field)[kNameBytes]) {
  const std::string text(field, strnlen(field, kNameBytes));
  return text.size() < kNameBytes && std::ranges::all_of(text, is_printable) ? text : "";
}

PortRow port_row(const PortInfo& info) {
  PortRow row{.name = text_of(info.name),
              .device = text_of(info.device),
              .vlan = info.vlan,
              .queue_count = info.queue_count,
              .worker_count = info.worker_count,
              .steering = info.steering,
              .steering_reason = info.steering_reason,
              .reta_size = info.reta_size,
              .rss_key_bytes = info.rss_key_bytes};
  const bool known = static_cast<uint32_t>(row.steering) < kSteeringKindCount &&
                     static_cast<uint32_t>(row.steering_reason) < kSteeringReasonCount;
  return known ? row : PortRow{};
}

}  // namespace

std::optional<ServiceRow> read_service(const Segment& segment, ServiceSlot slot) {
  const std::span<const ServiceInfo> directory = segment.services();
  if (raw(slot) >= directory.size() || directory[raw(slot)].in_use == 0) return std::nullopt;
  ServiceInfo info;
  if (!read_row(directory[raw(slot)], info) || info.in_use == 0 || info.in_use > 2) return std::nullopt;
  const std::string name = text_of(info.name);
  if (name.empty()) return std::nullopt;
  return ServiceRow{slot, info.in_use == 1, name};
}

std::vector<ServiceRow> read_services(const Segment& segment) {
  std::vector<ServiceRow> rows;
  for (uint16_t slot = 0; slot < kServiceMax; ++slot)
    if (std::optional<ServiceRow> row = read_service(segment, ServiceSlot{slot})) rows.push_back(std::move(*row));
  return rows;
}

std::vector<BackendRow> read_backends(const Segment& segment) {
  std::vector<BackendRow> rows;
  const std::span<const BackendInfo> directory = segment.backends();
  for (size_t slot = 0; slot < directory.size(); ++slot) {
    if (directory[slot].in_use == 0) continue;
    BackendInfo info;
    if (!read_row(directory[slot], info) || info.in_use == 0 || info.in_use > 2) continue;
    if (raw(info.service) >= kServiceMax || info.port.raw == 0 || info.weight > kWeightMax) continue;
    rows.push_back({BackendSlot{static_cast<uint16_t>(slot)},
                    info.in_use == 1,
                    info.service,
                    {info.addr, info.port},
                    info.weight,
                    info.priority});
  }
  return rows;
}

std::vector<PortRow> read_ports(const Segment& segment) {
  std::vector<PortRow> rows;
  for (const PortInfo& info : segment.ports()) rows.push_back(port_row(info));
  return rows;
}

}  // namespace millrace::control
