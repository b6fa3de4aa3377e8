// notes.h: a worker's words to the main lcore, which tells the control plane or asks the kernel.
// Thread: owning worker.
// Fails:  a full ring drops the note (counter events_dropped).
#pragma once

#include <rte_ring_elem.h>

#include "dataplane/ports/routes.h"
#include "dataplane/stages/worker_context.h"

namespace millrace {

inline void send_note(Worker& worker, const WorkerNote& note) {
  if (rte_ring_sp_enqueue_elem(worker.state.notes[raw(worker.self)], const_cast<WorkerNote*>(&note), sizeof note) != 0)
    worker.counters.events_dropped.add(1);
}

inline void note_backend(Worker& worker, NoteKind kind, ServiceSlot service, BackendSlot backend) {
  send_note(worker, WorkerNote{.kind = kind, .service = service, .backend = backend});
}

inline void note_service(Worker& worker, NoteKind kind, ServiceSlot service) {
  note_backend(worker, kind, service, kNoBackend);
}

inline void note_slab_full(Worker& worker) {
  send_note(worker, WorkerNote{.kind = NoteKind::slab_full, .service = kNoService, .backend = kNoBackend});
}

inline void note_resolve(Worker& worker, const RouteHop& hop) {
  send_note(worker, WorkerNote{.kind = NoteKind::resolve, .port = hop.port, .addr = hop.next_hop});
}

}  // namespace millrace
