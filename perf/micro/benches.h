// benches.h: the benchmarks, one file each; main() calls them all.
#pragma once

namespace millrace::perf {

// Whole paths.
void register_established_benches();
void register_direct_benches();
void register_two_worker_benches();
void register_new_benches();
void register_life_benches();
void register_handover_benches();
void register_expiry_benches();
void register_fragmented_benches();
void register_swap_benches();
void register_syn_flood_benches();
void register_cookie_benches();

// Parts.
void register_access_benches();
void register_stage_benches();
void register_conn_table_benches();
void register_index_benches();
void register_checksum_benches();
void register_parse_benches();
void register_timer_wheel_benches();
void register_pick_benches();
void register_ring_benches();

}  // namespace millrace::perf
