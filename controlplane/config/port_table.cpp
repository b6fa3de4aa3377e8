// port_table.cpp: [[dataplane.port]].
#include <algorithm>
#include <set>

#include "controlplane/config/tables.h"
#include "millrace/limits.h"

namespace millrace::config {

namespace {

struct DeviceKindRow {
  std::string_view kind;
  std::string_view example;
  bool kernel_side;  // addresses, neighbours and routes come from the kernel
};
constexpr DeviceKindRow kDeviceKinds[] = {
    {"af_xdp", "af_xdp:eth1", true},
    {"af_packet", "af_packet:eth1", true},
    {"pci", "pci:0000:3b:00.0", true},
    {"memif", "memif:/run/m.sock,server", false},
    {"pcap", "pcap:rx=a.pcap,tx=b.pcap", false},
    {"ring", "ring:NAME", false},
    {"null", "null", false},
};

constexpr std::string_view kEmulated = "emulated_nic:";
struct EmulationRow {
  std::string_view name;
  NicEmulation emulation;
};
constexpr EmulationRow kEmulations[] = {{"rss", NicEmulation::rss},
                                        {"plain", NicEmulation::plain},
                                        {"wrong_key", NicEmulation::wrong_key},
                                        {"random", NicEmulation::random}};

bool is_interface_name(std::string_view name) {
  return !name.empty() && name.size() <= kInterfaceNameMax && name != "." && name != ".." &&
         std::all_of(name.begin(), name.end(),
                     [](unsigned char c) { return c > ' ' && c < 0x7f && c != '/' && c != ':' && c != ','; });
}

// "0000:3b:00.0"
bool is_pci_address(std::string_view text) {
  constexpr std::string_view kShape = "hhhh:hh:hh.o";
  if (text.size() != kShape.size()) return false;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool octal = text[i] >= '0' && text[i] <= '7';
    const bool hex =
        (text[i] >= '0' && text[i] <= '9') || (text[i] >= 'a' && text[i] <= 'f') || (text[i] >= 'A' && text[i] <= 'F');
    if (kShape[i] == 'h' ? !hex : kShape[i] == 'o' ? !octal : text[i] != kShape[i]) return false;
  }
  return true;
}

// A file name that DPDK's argument syntax can carry.
bool is_path(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](unsigned char c) {
    return c >= ' ' && c != 0x7f && std::string_view(",[]\"").find(static_cast<char>(c)) == std::string_view::npos;
  });
}

// "/run/m.sock", "/run/m.sock,client" or "/run/m.sock,server".
bool is_memif_arg(std::string_view arg) {
  const size_t comma = arg.find(',');
  const std::string_view role = comma == std::string_view::npos ? "server" : arg.substr(comma + 1);
  const std::string_view path = arg.substr(0, comma);
  return is_path(path) && path.front() == '/' && (role == "server" || role == "client");
}

// "rx=FILE,tx=FILE"; either may be missing, not both.
bool is_pcap_arg(std::string_view arg) {
  std::set<std::string_view> seen;
  while (!arg.empty()) {
    const size_t comma = std::min(arg.find(','), arg.size());
    const std::string_view part = arg.substr(0, comma);
    arg.remove_prefix(std::min(comma + 1, arg.size()));
    const std::string_view side = part.substr(0, 3);
    if ((side != "rx=" && side != "tx=") || !is_path(part.substr(3)) || !seen.insert(side).second) return false;
  }
  return !seen.empty();
}

bool is_device_arg(std::string_view kind, std::string_view arg) {
  if (kind == "af_xdp" || kind == "af_packet") return is_interface_name(arg);
  if (kind == "pci") return is_pci_address(arg);
  if (kind == "memif") return is_memif_arg(arg);
  if (kind == "pcap") return is_pcap_arg(arg);
  if (kind == "ring") return arg.empty() || is_interface_name(arg);
  return arg.empty();
}

// "emulated_nic:rss,memif:/run/m.sock": sets the port's emulation and leaves the device in `text`. False after reporting.
bool read_emulation(Text& text, PortConfig& port, ErrorList& errors) {
  if (!text.text.starts_with(kEmulated)) return true;
  const std::string whole = text.text;
  const std::string rest = whole.substr(kEmulated.size());
  const size_t comma = rest.find(',');
  text.text = comma == std::string::npos ? "" : rest.substr(comma + 1);
  for (const EmulationRow& row : kEmulations)
    if (row.name == rest.substr(0, comma)) port.emulation = row.emulation;
  const std::string_view inner = std::string_view(text.text).substr(0, text.text.find(':'));
  if (port.emulation != NicEmulation::none && (inner == "memif" || inner == "af_packet")) return true;
  std::vector<std::string_view> names;
  for (const EmulationRow& row : kEmulations) names.push_back(row.name);
  errors.add(
      text.origin, quote(whole) + " does not name an emulated NIC",
      "write \"emulated_nic:rss,memif:/run/m.sock\" with one of " + list_words(names) + ", before memif or af_packet");
  return false;
}

// Null after reporting.
const DeviceKindRow* read_device(Text text, PortConfig& port, ErrorList& errors) {
  if (!read_emulation(text, port, errors)) return nullptr;
  const size_t colon = text.text.find(':');
  port.device_kind = text.text.substr(0, colon);
  port.device_arg = colon == std::string::npos ? "" : text.text.substr(colon + 1);
  std::vector<std::string_view> kinds;
  for (const DeviceKindRow& row : kDeviceKinds) {
    kinds.push_back(row.kind);
    if (row.kind != port.device_kind) continue;
    if (is_device_arg(row.kind, port.device_arg)) return &row;
    errors.add(text.origin, quote(text.text) + " does not name a device of kind " + std::string(row.kind),
               "write it like \"" + std::string(row.example) + "\"");
    return nullptr;
  }
  const std::string_view nearest = nearest_word(port.device_kind, kinds);
  errors.add(text.origin, quote(text.text) + " has an unknown kind of device",
             nearest.empty() ? "write KIND:WHICH with a kind of " + list_words(kinds)
                             : "did you mean " + std::string(nearest) + "?");
  return nullptr;
}

// Neighbours and routes of a port without a kernel side.
void read_static_tables(TableReader& table, PortConfig& port) {
  bool complete = true;
  for (const Text& text : table.read_texts("neighbours", complete)) {
    Parsed<StaticNeighbour> parsed = parse_neighbour(text.text);
    const auto same = [&](const StaticNeighbour& other) { return other.addr == parsed.value->addr; };
    if (!parsed.value)
      table.errors().add(text.origin, std::move(parsed.problem), std::move(parsed.remedy));
    else if (std::any_of(port.neighbours.begin(), port.neighbours.end(), same))
      table.errors().add(text.origin, "names " + format_ip(parsed.value->addr) + " a second time", "keep one of them");
    else
      port.neighbours.push_back(*parsed.value);
  }
  for (const Text& text : table.read_texts("routes", complete)) {
    Parsed<StaticRoute> parsed = parse_route(text.text);
    const auto same = [&](const StaticRoute& other) {
      return other.prefix == parsed.value->prefix && other.prefix_bits == parsed.value->prefix_bits;
    };
    if (!parsed.value)
      table.errors().add(text.origin, std::move(parsed.problem), std::move(parsed.remedy));
    else if (std::any_of(port.routes.begin(), port.routes.end(), same))
      table.errors().add(text.origin, "routes one prefix a second time", "keep one of them");
    else
      port.routes.push_back(*parsed.value);
  }
}

// The VLAN of a port, and which interface of the kernel has its addresses.
void read_vlan(TableReader& table, const DeviceKindRow* kind, PortConfig& port) {
  port.vlan = static_cast<uint16_t>(table.read_integer("vlan", 1, kVlanIdMax).value_or(0));
  if (!table.has("vlan") || (kind != nullptr && !kind->kernel_side))
    return table.refuse("interface", "names the kernel's interface of a VLAN, and this port has none",
                        "remove it; it belongs to ports of kind af_xdp, af_packet or pci with vlan = N");
  const std::optional<Text> interface = table.read_text("interface");
  if (!interface) return;
  port.interface = interface->text;
  if (!is_interface_name(port.interface))
    table.errors().add(interface->origin, quote(port.interface) + " is no name of an interface",
                       "write it like \"eth1.100\"; `ip link` shows those that there are");
}

// What ports of one device have in common, and what must tell them apart.
void check_shared_device(TableReader& table, const Origin& device, const PortConfig& port, const PortConfig& other) {
  const std::string name = quote(other.name);
  const bool tagged = port.vlan != 0 && other.emulation == port.emulation;
  if (table.has("vlan") && port.vlan == 0) return;  // reported
  if (other.vlan == port.vlan || other.emulation != port.emulation)
    table.errors().add(
        tagged ? table.origin_of("vlan") : device,
        "the port " + name + (tagged ? " has this VLAN of the device already" : " has this device already"),
        "give each port its own device, or its own vlan = N; several queues of one are queues = N");
  else if (other.queues != port.queues || other.steering != port.steering)
    table.errors().add(table.origin_of(other.queues != port.queues ? "queues" : "steering"),
                       "differs from that of the port " + name + ", which has the same device",
                       "write the same queues and steering for all ports of a device");
}

}  // namespace

std::string_view emulation_name(NicEmulation emulation) {
  for (const EmulationRow& row : kEmulations)
    if (row.emulation == emulation) return row.name;
  return "none";
}

std::string PortConfig::device() const {
  const std::string own = device_arg.empty() ? device_kind : device_kind + ":" + device_arg;
  if (emulation == NicEmulation::none) return own;
  return std::string(kEmulated) + std::string(emulation_name(emulation)) + "," + own;
}

void read_port_table(TableReader& table, DataplaneConfig& dataplane) {
  PortConfig port;
  if (!table.has("name")) table.report_missing("name", "write name = \"front\"");
  if (const std::optional<Text> name = table.read_text("name");
      name && check_name(name->text, name->origin, table.errors())) {
    port.name = name->text;
    for (const PortConfig& other : dataplane.ports)
      if (other.name == port.name)
        table.errors().add(name->origin, "another port is called " + quote(port.name), "give each port its own name");
  }
  if (!table.has("device")) table.report_missing("device", "write device = \"af_xdp:eth1\"");
  const DeviceKindRow* kind = nullptr;
  const std::optional<Text> device = table.read_text("device");
  if (device) kind = read_device(*device, port, table.errors());
  read_vlan(table, kind, port);
  port.queues = static_cast<uint16_t>(table.read_integer("queues", 1, kQueueMax).value_or(1));
  static constexpr Choice<SteeringWish> kSteering[] = {
      {"auto", SteeringWish::automatic}, {"rss", SteeringWish::rss}, {"handover", SteeringWish::handover}};
  port.steering = table.read_choice("steering", kSteering).value_or(port.steering);
  for (const PortConfig& other : dataplane.ports)
    if (kind != nullptr && port.shares_device(other)) check_shared_device(table, device->origin, port, other);
  if (kind != nullptr && kind->kind == "pcap" && port.queues != 1)
    table.errors().add(table.origin_of("queues"), "a capture file has one queue", "write queues = 1 or remove it");
  if (kind != nullptr && kind->kernel_side) {
    const std::string problem = "ports of kind " + std::string(kind->kind) + " learn this from the kernel";
    table.refuse("neighbours", problem, "remove it; use: ip neigh add ADDRESS lladdr MAC dev INTERFACE");
    table.refuse("routes", problem, "remove it; use: ip route add PREFIX via GATEWAY dev INTERFACE");
  } else {
    read_static_tables(table, port);
  }
  table.finish();
  dataplane.ports.push_back(std::move(port));
}

}  // namespace millrace::config
