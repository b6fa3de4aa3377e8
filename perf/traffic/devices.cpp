// devices.cpp: DPDK's start, and devices by their names on the command line.
#include <rte_dev.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <sched.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <filesystem>
#include <thread>

#include "perf/traffic/wire.h"

namespace millrace::traffic {
namespace {

constexpr unsigned kPoolCount = 16'383;
constexpr unsigned kPoolCache = 256;
constexpr uint16_t kDescriptors = 1024;
constexpr std::chrono::seconds kLinkWait{15};

struct Device {
  std::string kind;  // memif, pci, vdev
  std::string name;  // as DPDK calls it
  std::string arguments;
};

[[noreturn]] void throw_dpdk(const std::string& what, int error) {
  throw std::runtime_error(what + ": " + rte_strerror(error < 0 ? -error : error));
}

Device read_device(const std::string& text, size_t index) {
  const size_t colon = text.find(':');
  const std::string kind = text.substr(0, colon);
  const std::string rest = colon == std::string::npos ? "" : text.substr(colon + 1);
  const size_t comma = rest.find(',');
  const std::string first = rest.substr(0, comma);
  const std::string second = comma == std::string::npos ? "" : rest.substr(comma + 1);
  if (kind == "memif" && !first.empty() && (second.empty() || second == "client" || second == "server"))
    return {kind, "net_memif" + std::to_string(index),
            "id=0,role=" + (second.empty() ? "client" : second) + ",socket=" + first + ",socket-abstract=no,rsize=11"};
  if (kind == "pci" && !first.empty() && second.empty()) return {kind, first, ""};
  if (kind == "vdev" && !first.empty()) return {kind, first, second};
  throw UsageError("--device " + text +
                   " is not understood (write memif:/run/m.sock, pci:0000:3b:00.0 or vdev:NAME,ARGUMENTS)");
}

unsigned last_cpu() {
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  sched_getaffinity(0, sizeof allowed, &allowed);
  unsigned last = 0;
  for (unsigned cpu = 0; cpu < CPU_SETSIZE; ++cpu)
    if (CPU_ISSET(cpu, &allowed)) last = cpu;
  return last;
}

// The frames behind their headers stay zero: drivers copy or read them, and only headers are written.
void blank(rte_mempool*, void*, void* object, unsigned) {
  auto* mbuf = static_cast<rte_mbuf*>(object);
  std::memset(mbuf->buf_addr, 0, mbuf->buf_len);
}

rte_mempool* make_pool(const char* name) {
  rte_mempool* pool =
      rte_pktmbuf_pool_create(name, kPoolCount, kPoolCache, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
  if (pool == nullptr)
    throw std::runtime_error(std::string("no memory for packet buffers (") + rte_strerror(rte_errno) +
                             "); reserve huge pages with 'sysctl -w vm.nr_hugepages=N', 40 are needed for each");
  return pool;
}

uint16_t plug(const Device& device, const std::string& text) {
  if (device.kind == "memif" && device.arguments.find("role=client") != std::string::npos) {
    const std::string path = text.substr(text.find(':') + 1, text.find(',') - text.find(':') - 1);
    if (!std::filesystem::exists(path))
      throw std::runtime_error("there is no socket " + path +
                               "; start its server first, millrace-dataplane with device = \"memif:" + path + "\"");
  }
  uint16_t port = 0;
  if (device.kind != "pci") {
    const int error = rte_eal_hotplug_add("vdev", device.name.c_str(), device.arguments.c_str());
    if (error != 0) throw_dpdk("DPDK refuses the device " + text, error);
  }
  if (const int error = rte_eth_dev_get_port_by_name(device.name.c_str(), &port); error != 0)
    throw std::runtime_error("DPDK finds no device " + text +
                             "; a PCI device must be bound to vfio-pci (dpdk-devbind.py -b vfio-pci ADDRESS)");
  return port;
}

void start(uint16_t port, rte_mempool* pool, const std::string& text) {
  rte_eth_conf conf{};
  uint16_t receive_count = kDescriptors, transmit_count = kDescriptors;
  int error = rte_eth_dev_configure(port, 1, 1, &conf);
  if (error == 0) error = rte_eth_dev_adjust_nb_rx_tx_desc(port, &receive_count, &transmit_count);
  if (error == 0)
    error = rte_eth_tx_queue_setup(port, 0, transmit_count, static_cast<unsigned>(SOCKET_ID_ANY), nullptr);
  if (error == 0)
    error = rte_eth_rx_queue_setup(port, 0, receive_count, static_cast<unsigned>(SOCKET_ID_ANY), nullptr, pool);
  if (error == 0) error = rte_eth_dev_start(port);
  if (error != 0) throw_dpdk("the device " + text + " does not start", error);
  rte_eth_promiscuous_enable(port);  // virtual devices that cannot take everything anyway
}

bool link_is_up(uint16_t port) {
  rte_eth_link link{};
  return rte_eth_link_get_nowait(port, &link) == 0 && link.link_status == RTE_ETH_LINK_UP;
}

void wait_for_link(uint16_t port, const std::string& text) {
  const auto deadline = std::chrono::steady_clock::now() + kLinkWait;
  while (!link_is_up(port)) {
    if (stop_wanted.load(std::memory_order_relaxed)) throw std::runtime_error("interrupted");
    if (std::chrono::steady_clock::now() > deadline)
      throw std::runtime_error("the link of " + text + " stays down; does its far end run?");
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
}

// Virtual devices make one up at every start; ours is known to static neighbours.
MacAddr mac_of(uint16_t port, const Device& device, size_t index) {
  rte_ether_addr mac{};
  if (device.kind != "pci" || rte_eth_macaddr_get(port, &mac) != 0)
    return {{0x02, 't', 'r', 'a', 'f', static_cast<uint8_t>(index)}};
  MacAddr own;
  std::memcpy(own.bytes.data(), mac.addr_bytes, own.bytes.size());
  return own;
}

}  // namespace

Eal::Eal(const Options& options) {
  std::vector<std::string> arguments = {"traffic",
                                        "--in-memory",
                                        "--no-telemetry",
                                        "--log-level=warning",
                                        "--log-level=lib.eal:error",
                                        "--file-prefix=traffic" + std::to_string(getpid()),
                                        "--lcores=0@" + std::to_string(options.cpu.value_or(last_cpu()))};
  bool uses_pci = false;
  for (size_t i = 0; i < options.devices.size(); ++i) {
    const Device device = read_device(options.devices[i], i);
    if (device.kind != "pci") continue;
    uses_pci = true;
    arguments.insert(arguments.end(), {"-a", device.name});
  }
  if (!uses_pci) arguments.insert(arguments.end(), {"--no-pci", "--iova-mode=va"});
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  if (rte_eal_init(static_cast<int>(argv.size()), argv.data()) < 0)
    throw std::runtime_error(std::string("DPDK does not start (") + rte_strerror(rte_errno) +
                             "): it needs root, and 80 free huge pages of 2 MB ('sysctl -w vm.nr_hugepages=N')");
}

Eal::~Eal() { rte_eal_cleanup(); }

Wires::Wires(const Options& options) {
  try {
    open(options);
  } catch (...) {
    close();
    throw;
  }
}

Wires::~Wires() { close(); }

void Wires::open(const Options& options) {
  rte_mempool* blanks = make_pool("blanks");
  rte_mempool* pool = make_pool("received");
  rte_mempool_obj_iter(blanks, blank, nullptr);
  for (size_t i = 0; i < options.devices.size(); ++i) {
    const std::string& text = options.devices[i];
    const Device device = read_device(text, i);
    const uint16_t port = plug(device, text);
    wires_.emplace_back(port, mac_of(port, device, i), options.peer_macs[i], blanks);
    start(port, pool, text);
  }
  for (size_t i = 0; i < wires_.size(); ++i) wait_for_link(wires_[i].port(), options.devices[i]);
}

void Wires::close() {
  for (Wire& wire : wires_) {
    rte_eth_dev_stop(wire.port());
    rte_eth_dev_close(wire.port());
  }
  wires_.clear();
}

void Wires::check_links() const {
  for (const Wire& wire : wires_)
    if (!link_is_up(wire.port())) throw std::runtime_error("the far end of a device has gone: its link is down");
}

}  // namespace millrace::traffic
