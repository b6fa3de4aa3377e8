#include "controlplane/api/views.h"
#include "millrace/mode_name.h"

namespace millrace::control {
namespace {

// One side's end of a spliced connection: `next` is the end of what it sent, `acked` of what it acknowledged.
Json half_view(uint32_t next, uint32_t acked, uint8_t has) {
  return {{"next", next},
          {"acked", acked},
          {"timestamps", (has & kSpliceTimestamps) != 0},
          {"sack", (has & kSpliceSack) != 0}};
}

Json splice_view(const ConnRow& row) {
  const Splice& splice = *row.splice;
  const int both_have = splice.client_has & splice.backend_has;
  Json view = {{"state", conn_state_name(row.state)},
               {"tries", splice.tries},
               {"forward_seq_delta", splice.forward_seq_delta},
               {"reverse_seq_delta", splice.reverse_seq_delta},
               {"forward_ts_delta", splice.forward_ts_delta},
               {"reverse_ts_delta", splice.reverse_ts_delta},
               {"timestamps", (both_have & kSpliceTimestamps) != 0},
               {"sack", (both_have & kSpliceSack) != 0},
               {"forward_window_shift", splice.forward_window_shift},
               {"reverse_window_shift", splice.reverse_window_shift},
               {"mss", splice.mss}};
  if (splice.client_window_scale != kNoWindowScale) view["client_window_scale"] = splice.client_window_scale;
  view["client"] = half_view(splice.client_next, splice.client_acked, splice.client_has);
  view["backend"] = half_view(splice.backend_next, splice.backend_acked, splice.backend_has);
  return view;
}

}  // namespace

Json connections_view(const ConnScan& scan, bool count_only) {
  if (count_only) return {{"count", scan.matched}};
  Json rows = Json::array();
  for (const ConnRow& row : scan.rows) {
    Json view = {{"index", raw(row.index)},
                 {"service", row.service},
                 {"protocol", proto_name(row.proto)},
                 {"mode", mode_name(row.mode)},
                 {"state", conn_state_name(row.state)},
                 {"worker", raw(row.owner)},
                 {"client", format_endpoint(row.client)},
                 {"vip", format_endpoint(row.vip)}};
    // A proxied connection has neither before it tries a backend.
    if (row.snat.port.raw != 0) view["snat"] = format_endpoint(row.snat);
    if (row.backend.port.raw != 0) view["backend"] = format_endpoint(row.backend);
    if (row.mode == Mode::tunnel) view["encapsulation"] = encapsulation_name(row.encapsulation);
    view["age_ms"] = row.age_ms;
    view["client_idle_ms"] = row.client_idle_ms;
    // Nothing of what the backend says comes by.
    if (!is_direct(row.mode)) view["backend_idle_ms"] = row.backend_idle_ms;
    if (row.splice) view["splice"] = splice_view(row);
    rows.push_back(std::move(view));
  }
  return {{"connections", std::move(rows)}, {"complete", scan.complete}};
}

}  // namespace millrace::control
