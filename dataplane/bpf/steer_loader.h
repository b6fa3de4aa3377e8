// steer_loader.h: puts the XDP program (steer.bpf.c) on an interface and finds its maps again.
// Take-over: a program that a killed dataplane left is replaced in one step, and the new one goes on with the old one's
//   maps: at no moment does the kernel see a packet that was ours. Only then may the AF_XDP sockets be made.
// Sharing: all our programs of one host use one set of maps, but each interface has its own xsks_map.
// Thread: main lcore.
// Fails:  std::runtime_error, one sentence with the remedy.
// Tests:  tests/unit/ports/af_xdp_test.cpp
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace millrace {

// File descriptors of the shared maps of steer_maps.h; closed with this object.
class SteerMaps {
 public:
  SteerMaps() = default;
  ~SteerMaps();
  SteerMaps(SteerMaps&& other) noexcept;
  SteerMaps& operator=(SteerMaps&& other) noexcept;

  int services = -1;
  int backends = -1;
  int addresses = -1;
  int host = -1;
  int blocking = -1;
  int blocked = -1;
  int vips = -1;
  int drops = -1;

  bool complete() const;
};

// Where the compiled program is: $MILLRACE_BPF, bpf/steer.bpf.o beside the executable, or its installed place.
std::string steer_object_path();

// The maps of our program on this interface; nullopt when there is no program. Throws when there is a foreign one.
std::optional<SteerMaps> find_steer_maps(const std::string& interface);

// Attaches our program, in place of ours if there is one already. It works on `shared` if given, else on the replaced
// program's maps, else on new, empty ones. It looks at the frames of these VLANs alone; 0: at those without a tag.
void attach_steer_program(const std::string& interface, const std::string& object_path, const SteerMaps* shared,
                          const std::vector<uint16_t>& vlans = {0});

// Takes our program off the interface, if it is there.
void detach_steer_program(const std::string& interface);

}  // namespace millrace
