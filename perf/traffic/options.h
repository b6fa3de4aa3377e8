// options.h: what the command line asks for, checked as a whole before anything starts.
// Fails:  parse_options throws UsageError with what is wrong and what would be right.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "millrace/addr.h"

namespace millrace::traffic {

enum class Mix : uint8_t { established, syn, connections };
// What the far end of the devices does: it balances, or it sends every frame back with its addresses swapped.
enum class Peer : uint8_t { balancer, reflector };
enum class Direction : uint8_t { both, forward, reverse };

inline constexpr uint32_t kFlowMax = 4u << 20;
inline constexpr uint32_t kInFlightMax = 1u << 18;
inline constexpr unsigned kBackendMax = 250;

struct Options {
  std::vector<std::string> devices;  // one, or the clients' side and the backends' side
  std::vector<MacAddr> peer_macs;    // one a device
  Mix mix = Mix::established;
  Peer peer = Peer::balancer;
  Direction direction = Direction::both;
  Family family = Family::ipv4;
  Proto proto = Proto::udp;
  std::vector<uint16_t> frame_bytes;  // with FCS, played in this order
  uint32_t flows = 1024;              // mix syn: 0 for ever new ones
  double rate = 0;                    // packets a second, or connections of the mix connections; 0: as many as go
  double open_rate = 500'000;
  double seconds = 2;
  uint64_t count = UINT64_MAX;  // packets, or connections, after which a trial ends before its time
  uint32_t in_flight = 1024;
  Endpoint vip;
  Endpoint first_backend;
  unsigned backend_count = 16;
  IpAddr clients;
  unsigned clients_bits = 0;
  uint64_t seed = 1;
  unsigned verify_every = 16;
  bool search = false;
  double tolerance = 0;  // share of packets that a trial of the search may lose
  double trial_seconds = 1;
  double load = 0.5;  // of the rate that the search found, for latency
  std::optional<unsigned> cpu;
  std::vector<pid_t> realtime;  // threads of the far end, see realtime.h
  std::string json;             // a file, or "-"
};

class UsageError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// nullopt: --help or --version was asked for and answered.
std::optional<Options> parse_options(int argc, char** argv);

}  // namespace millrace::traffic
