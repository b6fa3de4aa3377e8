// queue_steering.h: makes a NIC put packets into a queue of the worker that owns them (conn/owner.h): our RSS key, and a
// table that names, for each value of the hash, a queue of its owner.
// Route:  open_ports > choose_steering, request_rss | start | confirm_key > set_table
// Thread: main lcore, at start.
// Fails:  a NIC that cannot or will not still works: workers hand packets over, and the port says why. With
//         steering = "rss" that is refused instead: std::runtime_error with the reason's sentence.
// Tests:  tests/unit/ports/queue_steering_test.cpp
#pragma once

#include <rte_ethdev.h>

#include "controlplane/config/config.h"
#include "dataplane/conn/owner.h"
#include "dataplane/ports/port.h"

namespace millrace {

// What a port is asked to do, by what it should do and what its driver says it can. `takes_settings`: the device
// chooses queues itself and by its driver's settings. Throws for a wish that cannot be.
PortSteering choose_steering(const rte_eth_dev_info& info, bool takes_settings, const config::PortConfig& config,
                             unsigned worker_count);

// Hash over addresses and ports of TCP and UDP with our key. Before the port is configured.
void request_rss(const rte_eth_dev_info& info, rte_eth_conf& conf);

// Reads back what the driver has for a key, and gives it ours once more when that is another.
void confirm_key(Port& port, config::SteeringWish wish);

// Programs the table by the owner of each value; the port is started.
void set_table(Port& port, const Owner& owner, config::SteeringWish wish);

}  // namespace millrace
