// automatic_snat.h: automatic SNAT pools: one for each address of this host that the kernel would use towards a backend.
// Route:  load_config (SnatPoolConfig::automatic) > find_sources > compute_desired_state > AutomaticPools
// Thread: any; one call of find_sources at a time.      Tests: tests/unit/control/automatic_snat_test.cpp
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "controlplane/config/config.h"
#include "millrace/messages.h"

namespace millrace::control {

// By backend: the host's address towards it; nullopt: there is no way, or it is the host itself.
using SourceTable = std::map<IpAddr, std::optional<IpAddr>>;

// nullptr: the service takes none.
const config::SnatPoolConfig* find_pool(const config::Config& config, const config::ServiceConfig& service);

// Of services whose pool is automatic. `towards`: the host's own address towards an address, if there is a way.
SourceTable find_sources(const config::Config& config,
                         const std::function<std::optional<IpAddr>(const IpAddr&)>& towards);

// A pool of the desired state; its place in the list is its number.
struct DesiredPool {
  std::string name;
  bool automatic = false;
};

// Numbers the pools of automatic sources behind those of the file and gives them their ranges: the automatic ports but
// those that a bind or another pool has on that address.
class AutomaticPools {
 public:
  AutomaticPools(const config::Config& config, const SourceTable& sources, std::vector<DesiredPool>& pools,
                 std::vector<SnatRangeCommand>& ranges)
      : config_(config), sources_(sources), pools_(pools), ranges_(ranges) {}

  // kNoSnatPool: there is no way to the backend, or there are kSnatPoolMax pools already.
  uint16_t pool_of(const config::SnatPoolConfig::Automatic& ports, const IpAddr& backend);

 private:
  uint16_t add_pool(const config::SnatPoolConfig::Automatic& ports, const IpAddr& source);

  const config::Config& config_;
  const SourceTable& sources_;
  std::vector<DesiredPool>& pools_;
  std::vector<SnatRangeCommand>& ranges_;
  std::map<IpAddr, uint16_t> numbers_;  // by source
};

}  // namespace millrace::control
