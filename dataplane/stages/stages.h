// stages.h: the stages of a burst, in their order. Each has its file.
// Route:  worker_turn > poll_burst > parse_burst > lookup_burst > act_burst > rewrite_burst > transmit_burst
// Thread: owning worker. No allocation, locks, system calls, exceptions or log lines.
#pragma once

#include "dataplane/stages/burst.h"

namespace millrace {

struct Worker;
struct TxTarget;

// Takes at most kBurstMax packets from ports and other workers into the burst. Returns how many it took; frames that
// only had to be sent on (by another worker's wish or the kernel's) are among them, but not in the burst.
unsigned poll_burst(Worker& worker, Burst& burst);

// Reads the headers of every packet, bounds-checked. Broken packets are dropped, those without IP left to the kernel.
void parse_burst(Worker& worker, Burst& burst);
// Its core, without outcome: fills info (but for port and handed), and the key of the packet's family.
void parse_frame(const rte_mbuf& mbuf, PacketInfo& info, FlowKey4& key4, FlowKey6& key6);

// Finds the connections of all flow packets, one bulk call a family, and prefetches them.
void lookup_burst(Worker& worker, Burst& burst);

// Decides about every packet. Afterwards a packet is done, or of kind flow with its connection in `conns`.
void act_burst(Worker& worker, Burst& burst);

// Translates what is left and hands it to the transmit queues, or to the hold queue.
void rewrite_burst(Worker& worker, Burst& burst);

// Empties the transmit queues and hand-over buffers.
void transmit_burst(Worker& worker);
// One queue of it. What the port does not take within kTxTries is dropped (tx_full).
void flush_target(Worker& worker, TxTarget& target);

}  // namespace millrace
