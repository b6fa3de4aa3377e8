// snat_ports.h: finds the source address and port of a fullnat connection towards its backend.
// A (SNAT address, port) may serve once per backend endpoint and protocol at a time; the connection table itself
// says what is taken, since every reply to such a port hashes to this worker. Ports of one backend are walked in
// order from a cursor, so that a port just freed is the last to be used again.
// Thread: owning worker.
// Bound:  looks at most kSnatTries free-hashing candidates, then gives up (drop reason no_snat_port).
// Memory: 4 B a BackendSlot.
// Tests:  tests/unit/conn/snat_ports_test.cpp
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "dataplane/conn/conn_table.h"
#include "dataplane/conn/owner.h"
#include "dataplane/pick/snapshot.h"

namespace millrace {

inline constexpr unsigned kSnatTries = 256;  // At 97% use of a pool 256 tries fail once in 2,400.

class SnatPorts {
 public:
  SnatPorts(WorkerIndex self, const Owner& owner);

  // A free (address, port) of `pool` for the backend; nullopt when none was found. `tries` grows by the candidates
  // that were looked up.
  std::optional<Endpoint> find(const SnatPool& pool, Proto proto, const BackendTarget& backend, const ConnTable& table,
                               uint64_t& tries);

 private:
  WorkerIndex self_;
  const Owner& owner_;
  std::unique_ptr<uint32_t[]> cursors_;  // by BackendSlot: position in the pool's sequence of (port, address)
};

}  // namespace millrace
