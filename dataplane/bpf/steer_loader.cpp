// steer_loader.cpp: see the header.
#include "dataplane/bpf/steer_loader.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdarg>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>
#include <stdexcept>
#include <system_error>
#include <utility>
#include <vector>

#include "dataplane/bpf/steer_install_path.h"
#include "dataplane/bpf/steer_maps.h"

namespace millrace {

namespace {

struct MapField {
  const char* name;
  int SteerMaps::*fd;
};
constexpr std::array<MapField, 8> kSharedMaps = {{{STEER_SERVICES_MAP, &SteerMaps::services},
                                                  {STEER_BACKENDS_MAP, &SteerMaps::backends},
                                                  {STEER_ADDRESSES_MAP, &SteerMaps::addresses},
                                                  {STEER_HOST_MAP, &SteerMaps::host},
                                                  {STEER_BLOCKING_MAP, &SteerMaps::blocking},
                                                  {STEER_BLOCKED_MAP, &SteerMaps::blocked},
                                                  {STEER_VIPS_MAP, &SteerMaps::vips},
                                                  {STEER_DROPS_MAP, &SteerMaps::drops}}};

class Fd {
 public:
  explicit Fd(int fd) : fd_(fd) {}
  ~Fd() {
    if (fd_ >= 0) close(fd_);
  }
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  int get() const { return fd_; }
  int release() { return std::exchange(fd_, -1); }
  void reset(int fd) {
    if (fd_ >= 0) close(fd_);
    fd_ = fd;
  }

 private:
  int fd_;
};

// libbpf's own words are for developers; what it returns is turned into our sentences.
int log_libbpf(libbpf_print_level level, const char* format, va_list args) {
  if (level == LIBBPF_DEBUG) return 0;
  std::array<char, 512> line{};
  const int bytes = vsnprintf(line.data(), line.size(), format, args);
  line[std::strcspn(line.data(), "\n")] = '\0';
  spdlog::debug("{}", line.data());
  return bytes;
}

unsigned interface_index(const std::string& interface) {
  const unsigned index = if_nametoindex(interface.c_str());
  if (index == 0) throw std::runtime_error("interface " + interface + " does not exist; `ip link` shows those that do");
  return index;
}

uint32_t attached_program_id(const std::string& interface) {
  bpf_xdp_query_opts query{};
  query.sz = sizeof query;
  const int error = bpf_xdp_query(static_cast<int>(interface_index(interface)), 0, &query);
  if (error != 0)
    throw std::runtime_error("cannot ask which XDP program is on " + interface + ": " + std::strerror(-error));
  for (const uint32_t id : {query.prog_id, query.drv_prog_id, query.skb_prog_id, query.hw_prog_id})
    if (id != 0) return id;
  return 0;
}

struct Program {
  std::string name;
  std::vector<uint32_t> map_ids;
};

Program describe_program(int fd) {
  Program program{{}, std::vector<uint32_t>(64)};
  bpf_prog_info info{};
  info.nr_map_ids = static_cast<uint32_t>(program.map_ids.size());
  info.map_ids = reinterpret_cast<uintptr_t>(program.map_ids.data());
  uint32_t bytes = sizeof info;
  if (bpf_obj_get_info_by_fd(fd, &info, &bytes) != 0)
    throw std::runtime_error(std::string("cannot read what an XDP program is: ") + std::strerror(errno));
  program.name = info.name;
  program.map_ids.resize(std::min<size_t>(info.nr_map_ids, program.map_ids.size()));
  return program;
}

struct OpenMaps {
  bool any_ours = false;
  SteerMaps maps;
};

OpenMaps open_maps(const Program& program) {
  OpenMaps found;
  for (const uint32_t id : program.map_ids) {
    Fd fd(bpf_map_get_fd_by_id(id));
    bpf_map_info info{};
    uint32_t bytes = sizeof info;
    if (fd.get() < 0 || bpf_obj_get_info_by_fd(fd.get(), &info, &bytes) != 0) continue;
    found.any_ours |= std::strncmp(info.name, STEER_MAP_PREFIX, std::strlen(STEER_MAP_PREFIX)) == 0;
    for (const MapField& field : kSharedMaps)
      if (std::strcmp(info.name, field.name) == 0 && found.maps.*field.fd < 0) found.maps.*field.fd = fd.release();
  }
  return found;
}

// Our program on an interface and, unless it is of another layout, its maps.
struct Attached {
  Fd program{-1};
  std::optional<SteerMaps> maps;
};

// program < 0: none. Throws when there is one that is not ours.
std::unique_ptr<Attached> find_our_program(const std::string& interface) {
  auto attached = std::make_unique<Attached>();
  const uint32_t id = attached_program_id(interface);
  if (id == 0) return attached;
  attached->program.reset(bpf_prog_get_fd_by_id(id));
  if (attached->program.get() < 0)
    throw std::runtime_error("cannot open the XDP program on " + interface + ": " + std::strerror(errno));
  const Program program = describe_program(attached->program.get());
  OpenMaps found = open_maps(program);
  if (!found.any_ours)
    throw std::runtime_error("interface " + interface + " already has a foreign XDP program, \"" + program.name +
                             "\" (id " + std::to_string(id) +
                             "); stop its owner, or take it off with `ip link set dev " + interface + " xdp off`");
  if (found.maps.complete()) attached->maps = std::move(found.maps);
  return attached;
}

using ObjectPtr = std::unique_ptr<bpf_object, decltype(&bpf_object__close)>;

// The program's constants, from which the kernel drops the branches that are never taken.
void set_vlans(bpf_object& object, const std::string& path, const std::vector<uint16_t>& vlans) {
  steer_vlans wanted{};
  wanted.untagged_passes = std::find(vlans.begin(), vlans.end(), 0) == vlans.end();
  for (const uint16_t vlan : vlans)
    if (vlan != 0) wanted.ids[vlan / 64] |= uint64_t{1} << vlan % 64;
  bpf_map* constants = bpf_object__find_map_by_name(&object, ".rodata");
  if (constants == nullptr || bpf_map__set_initial_value(constants, &wanted, sizeof wanted) != 0)
    throw std::runtime_error(path + " is no XDP program of this version; build it anew");
}

ObjectPtr load_object(const std::string& path, const SteerMaps* maps, const std::vector<uint16_t>& vlans) {
  libbpf_set_print(log_libbpf);
  ObjectPtr object(bpf_object__open_file(path.c_str(), nullptr), bpf_object__close);
  if (!object)
    throw std::runtime_error("cannot read the XDP program " + path + ": " + std::strerror(errno) +
                             "; build it with clang (`scripts/dev build`) or name its place in MILLRACE_BPF");
  for (const MapField& field : kSharedMaps) {
    bpf_map* map = bpf_object__find_map_by_name(object.get(), field.name);
    if (map == nullptr) throw std::runtime_error(path + " is no XDP program of this version; build it anew");
    if (maps != nullptr && bpf_map__reuse_fd(map, maps->*field.fd) != 0)
      throw std::runtime_error(std::string("cannot take over the map ") + field.name + ": " + std::strerror(errno));
  }
  set_vlans(*object, path, vlans);
  const int error = bpf_object__load(object.get());
  if (error != 0)
    throw std::runtime_error("the kernel refuses the XDP program " + path + ": " + std::strerror(-error) +
                             "; it needs root (CAP_BPF, CAP_NET_ADMIN) and Linux 5.15 or later");
  return object;
}

}  // namespace

SteerMaps::~SteerMaps() {
  for (const MapField& field : kSharedMaps)
    if (this->*field.fd >= 0) close(this->*field.fd);
}

bool SteerMaps::complete() const {
  return std::ranges::all_of(kSharedMaps, [this](const MapField& field) { return this->*field.fd >= 0; });
}

SteerMaps::SteerMaps(SteerMaps&& other) noexcept { *this = std::move(other); }

SteerMaps& SteerMaps::operator=(SteerMaps&& other) noexcept {
  for (const MapField& field : kSharedMaps) std::swap(this->*field.fd, other.*field.fd);
  return *this;
}

std::string steer_object_path() {
  if (const char* named = std::getenv("MILLRACE_BPF")) return named;
  std::error_code error;
  const std::filesystem::path executable = std::filesystem::read_symlink("/proc/self/exe", error);
  const std::filesystem::path beside = executable.parent_path() / "bpf" / "steer.bpf.o";
  if (!error && std::filesystem::exists(beside, error)) return beside.string();
  if (std::filesystem::exists(kSteerInstallPath, error)) return kSteerInstallPath;
  throw std::runtime_error("the XDP program is neither " + beside.string() + " nor " + kSteerInstallPath +
                           "; build it with clang (`scripts/dev build`) or name its place in MILLRACE_BPF");
}

std::optional<SteerMaps> find_steer_maps(const std::string& interface) {
  return std::move(find_our_program(interface)->maps);
}

void attach_steer_program(const std::string& interface, const std::string& object_path, const SteerMaps* shared,
                          const std::vector<uint16_t>& vlans) {
  const std::unique_ptr<Attached> old = find_our_program(interface);
  const bool replace = old->program.get() >= 0;
  if (shared == nullptr && old->maps) shared = &*old->maps;
  const ObjectPtr object = load_object(object_path, shared, vlans);
  const bpf_program* program = bpf_object__find_program_by_name(object.get(), STEER_PROGRAM);
  if (program == nullptr) throw std::runtime_error(object_path + " is no XDP program of this version; build it anew");

  bpf_xdp_attach_opts options{};
  options.sz = sizeof options;
  options.old_prog_fd = old->program.get();
  const int error =
      bpf_xdp_attach(static_cast<int>(interface_index(interface)), bpf_program__fd(program),
                     replace ? XDP_FLAGS_REPLACE : XDP_FLAGS_UPDATE_IF_NOEXIST, replace ? &options : nullptr);
  if (error == -ERANGE || error == -EOPNOTSUPP || error == -EINVAL)
    throw std::runtime_error("interface " + interface + " refuses an XDP program: " + std::strerror(-error) +
                             "; most drivers want an MTU of 3498 or less and no LRO: try `ip link set dev " +
                             interface + " mtu 1500` (on both ends of a veth) and `ethtool -K " + interface +
                             " lro off`");
  if (error != 0)
    throw std::runtime_error("cannot attach the XDP program to " + interface + ": " + std::strerror(-error));
}

void detach_steer_program(const std::string& interface) {
  const std::unique_ptr<Attached> ours = find_our_program(interface);
  if (ours->program.get() < 0) return;
  bpf_xdp_attach_opts options{};
  options.sz = sizeof options;
  options.old_prog_fd = ours->program.get();
  const int error = bpf_xdp_detach(static_cast<int>(interface_index(interface)), XDP_FLAGS_REPLACE, &options);
  if (error != 0)
    throw std::runtime_error("cannot take the XDP program off " + interface + ": " + std::strerror(-error) +
                             "; `ip link set dev " + interface + " xdp off` does it");
}

}  // namespace millrace
