// kernel_interfaces.cpp: the kernel's interfaces of the ports. Those that the dataplane makes (pci) get their names here, and
// no two ports have one.
#include <algorithm>
#include <map>

#include "controlplane/config/tables.h"

namespace millrace::config {

namespace {

// A name that a port takes, and the key by which it does.
struct Claim {
  std::string interface;
  std::string_view key;
};
struct Holder {
  size_t port = 0;
  std::string_view key;
};

// The TAP of a pci device has the name of its port without a VLAN or, where there is none, of the first.
const PortConfig& tap_port(const std::vector<PortConfig>& ports, const PortConfig& port) {
  const auto of_device = [&](const PortConfig& other) { return other.shares_device(port); };
  const auto untagged = [&](const PortConfig& other) { return of_device(other) && other.vlan == 0; };
  const auto found = std::ranges::find_if(ports, untagged);
  return found != ports.end() ? *found : *std::ranges::find_if(ports, of_device);
}

// What the file says of a port; the interface of a VLAN that it does not name is found by its id when the dataplane starts.
std::vector<Claim> claims_of(const PortConfig& port, const TableReader& table) {
  std::vector<Claim> claims;
  const bool is_pci = port.device_kind == "pci";
  if (is_pci && port.tap == port.name) claims.push_back({port.tap, "name"});
  if (port.vlan != 0) claims.push_back({port.interface, table.has("interface") ? "interface" : "vlan"});
  if (port.vlan == 0 && (port.device_kind == "af_xdp" || port.device_kind == "af_packet"))
    claims.push_back({port.device_arg, "device"});
  std::erase_if(claims, [](const Claim& claim) { return claim.interface.empty(); });
  return claims;
}

// Two ports of one name, or of one VLAN of a device, have been reported.
bool is_reported(const PortConfig& port, std::string_view key, const PortConfig& other, std::string_view other_key) {
  return key == other_key && (key == "name" || (port.shares_device(other) && port.vlan == other.vlan));
}

void check_length(const Claim& claim, const TableReader& table) {
  const bool is_made = claim.key == "name" || claim.key == "vlan";
  if (!is_made || claim.interface.size() <= kInterfaceNameMax) return;
  table.errors().add(table.origin_of(claim.key),
                     quote(claim.interface) + " would be the kernel's interface of this port, whose name has at most " +
                         std::to_string(kInterfaceNameMax) + " characters",
                     claim.key == "name" ? "give the port a shorter name" : "name it: interface = \"v100\"");
}

void name_made_interfaces(const std::vector<PortConfig>& ports, PortConfig& port) {
  if (port.device_kind != "pci") return;
  port.tap = tap_port(ports, port).name;
  if (port.vlan != 0 && port.interface.empty()) port.interface = port.tap + "." + std::to_string(port.vlan);
}

}  // namespace

void name_kernel_interfaces(std::vector<PortConfig>& ports, const std::vector<TableReader>& tables) {
  std::map<std::string, Holder> holders;
  for (size_t i = 0; i < ports.size(); ++i) {
    PortConfig& port = ports[i];
    const TableReader& table = tables[i];
    if (port.name.empty() || (table.has("vlan") && port.vlan == 0)) continue;  // reported
    name_made_interfaces(ports, port);
    for (const Claim& claim : claims_of(port, table)) {
      check_length(claim, table);
      const auto [found, added] = holders.try_emplace(claim.interface, Holder{i, claim.key});
      const Holder& holder = found->second;
      const PortConfig& other = ports[holder.port];
      if (!added && !is_reported(port, claim.key, other, holder.key))
        table.errors().add(
            table.origin_of(claim.key),
            quote(claim.interface) + " is the kernel's interface of the port " + quote(other.name) + " already",
            "give each port an interface of its own");
    }
  }
}

}  // namespace millrace::config
