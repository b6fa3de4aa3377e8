// discovery_kinds.h: readers of the keys of [servers.NAME.discovery] that one kind of it has.
// Route:  read_discovery_table > read_consul …
// Fails:  as TableReader does; what a reader returns after reporting is not used.
// Tests:  tests/unit/config/corpus_test.cpp
#pragma once

#include <string>
#include <string_view>

#include "controlplane/config/discovery_config.h"
#include "controlplane/config/table_reader.h"

namespace millrace::config {

// A key that must be there; "" after reporting.
std::string read_needed(TableReader& table, std::string_view key, std::string_view example);

ConsulDiscovery read_consul(TableReader& table);
DockerDiscovery read_docker(TableReader& table);
LxdDiscovery read_lxd(TableReader& table);
ZookeeperDiscovery read_zookeeper(TableReader& table);
EtcdDiscovery read_etcd(TableReader& table);
KubernetesDiscovery read_kubernetes(TableReader& table);

}  // namespace millrace::config
