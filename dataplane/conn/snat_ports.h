// snat_ports.h: finds the source address and port of a fullnat connection towards its backend.
// A (SNAT address, port) may serve once per backend endpoint and protocol at a time; the connection table itself
// says what is taken, since every reply to such a port hashes to this worker. The pool is walked per backend, all
// ports of an address before the next address, from a cursor that only goes forward: a port just freed is the last
// to be used again. Where the cursor starts is random for each backend, worker and run (RFC 6056 section 3.3.3), so
// that a restarted dataplane does not at once meet the connections that its predecessor left at the backends.
// Thread: owning worker.
// Bound:  looks up at most kSnatTries candidates and passes over at most kSnatStepsMax, whichever comes first; then it
//         gives up (drop reason no_snat_port), and the next call goes on where this one ended.
// Memory: 512 KiB: 8 B a BackendSlot.
// Tests:  tests/unit/conn/snat_ports_test.cpp
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "dataplane/conn/conn_table.h"
#include "dataplane/conn/owner.h"
#include "dataplane/pick/snapshot.h"
#include "millrace/limits.h"

namespace millrace {

inline constexpr unsigned kSnatTries = 256;  // At 97% use of a pool 256 tries fail once in 2,400.
// With kWorkerMax workers one candidate in 64 hashes home: enough steps for all tries, some 30 us at worst.
inline constexpr unsigned kSnatStepsMax = kSnatTries * kWorkerMax;

class SnatPorts {
 public:
  // `owner` outlives this. `seed`: for tests that want the same places again; other seeds, other places.
  SnatPorts(WorkerIndex self, const Owner& owner);
  SnatPorts(WorkerIndex self, const Owner& owner, uint64_t seed);

  // A free (address, port) of `pool` for the backend, of its family; nullopt when none was found. It stays free until
  // a connection with it is inserted into `table`. `tries` grows by the candidates that were looked up.
  std::optional<Endpoint> find(const SnatPool& pool, Proto proto, const BackendTarget& backend, const ConnTable& table,
                               uint64_t& tries);

 private:
  WorkerIndex self_;
  const Owner& owner_;
  std::unique_ptr<uint64_t[]> cursors_;  // by BackendSlot: position in the pool's sequence, modulo its length
};

// The source of a tunnelled flow's outer packets: one of all of the pool's addresses of that family, and one of its ports,
// if it has such, of the dynamic ones (RFC 6335 section 6), by the flow's hash: routers that choose among equal paths by
// the outer header spread the flows, and keep each on its path. Nothing is taken: flows share them. nullopt: the pool has
// no address of the family.
std::optional<Endpoint> tunnel_source(const SnatPool& pool, Family family, uint64_t hash);

}  // namespace millrace
