// api_shapes.cpp: what the bodies and answers of the API are made of.
#include <algorithm>

#include "controlplane/api/openapi.h"
#include "millrace/counters.h"

namespace millrace::control {
namespace {

constexpr char kConfiguration[] =
    R"({"servers": {"web": {"bind": "203.0.113.10:80", "discovery": {"kind": "static", "static_list": ["10.0.0.1:80"]}}}})";

constexpr OperationShape kOperations[] = {
    {"GET", "/", "GobetweenInfo"},
    {"GET", "/ping", "", "", nullptr, "text/plain"},
    {"GET", "/dump", "Tree", "", nullptr, "text/plain"},
    {"GET", "/servers", "Servers"},
    {"GET", "/servers/{name}", "Tree"},
    {"POST", "/servers/{name}", "any?", "Tree",
     R"({"bind": "203.0.113.10:2525", "discovery": {"kind": "static", "static_list": ["10.0.0.9:25"]}})"},
    {"DELETE", "/servers/{name}", "any?"},
    {"GET", "/servers/{name}/stats", "ServerStats"},
    {"GET", "/v1/status", "Status"},
    {"GET", "/v1/services", "Services"},
    {"GET", "/v1/services/{service}", "Service"},
    {"PUT", "/v1/services/{service}", "Report", "Tree",
     R"({"bind": "203.0.113.10:25", "discovery": {"kind": "static", "static_list": ["10.0.0.9:25", "10.0.0.10:25"]}})",
     "", 201},
    {"PATCH", "/v1/services/{service}", "Report", "Tree", R"({"balance": "leastconn", "max_connections": 1000})"},
    {"DELETE", "/v1/services/{service}", "Report"},
    {"POST", "/v1/services/{service}/backends", "Report", "NewBackend",
     R"({"backend": "10.0.0.7:80", "weight": 4, "priority": 1})", "", 201},
    {"POST", "/v1/services/{service}/backends/{endpoint}", "ChangedBackend", "BackendChange", R"({"admin": "drain"})"},
    {"PATCH", "/v1/services/{service}/backends/{endpoint}", "Report", "BackendOptions", R"({"max_connections": 100})"},
    {"DELETE", "/v1/services/{service}/backends/{endpoint}", "Report"},
    {"GET", "/v1/backends", "Backends"},
    {"GET", "/v1/connections", "Connections"},
    {"GET", "/v1/counters", "Counters"},
    {"GET", "/v1/stages", "Stages"},
    {"GET", "/v1/snat", "Snat"},
    {"GET", "/v1/steering", "Steering"},
    {"GET", "/v1/version", "Version"},
    {"POST", "/v1/plan", "Plan", "Tree", kConfiguration},
    {"POST", "/v1/apply", "AppliedChange", "Tree", kConfiguration},
    {"POST", "/v1/confirm", "Confirmed"},
    {"POST", "/v1/rollback", "AppliedChange"},
    {"GET", "/v1/history", "History"},
    {"GET", "/v1/history/{number}", "HistoryEntry"},
    {"POST", "/v1/reload", "Report"},
    {"GET", "/v1/changes", "Changes"},
    {"DELETE", "/v1/changes", "Report"},
    {"GET", "/v1/settings", "Settings"},
    {"PATCH", "/v1/settings", "Report", "Tree", R"({"timeouts.syn_sent": "5s", "logging.level": null})"},
    {"GET", "/v1/events", "Events", "", nullptr, "text/event-stream"},
    {"GET", "/v1/openapi.json", "Tree"},
};

constexpr char kShapes[] = R"json({
"Error": {"error": "string", "remedy": "string", "file?": "string", "errors?": ["string"]},
"Tree": {"*": "any"},
"Servers": {"*": "Tree"},
"GobetweenInfo": {"pid": "integer", "time": "string", "startTime": "string", "uptime": "string", "version": "string",
  "configuration": {"kind": "string", "path": "string"}},
"ServerStats": {"active_connections": "integer", "rx_total": "integer", "tx_total": "integer", "rx_second": "integer",
  "tx_second": "integer", "backends": [{"host": "string", "port": "string", "priority": "integer", "weight": "integer",
    "sni": "string", "stats": {"live": "boolean", "discovered": "boolean", "total_connections": "integer",
      "active_connections": "integer", "refused_connections": "integer", "rx": "integer", "tx": "integer",
      "rx_second": "integer", "tx_second": "integer"}}]},
"Version": {"version": "string", "abi_version": "integer"},
"Report": {"accepted": "boolean", "dataplane?": "applied|sending|waiting", "errors?": ["string"], "notices?": ["string"],
  "time": "integer"},
"Status": {"version": "string",
  "control": {"pid": "integer", "uptime_s": "integer", "file": "string", "segment": "string"},
  "dataplane": {"connected": "boolean", "state": "absent|running|stalled", "problem?": "string", "pid?": "integer",
    "uptime_s?": "integer", "heartbeat_age_ms?": "integer", "workers?": "integer", "events_dropped?": "integer",
    "commands_rejected?": "integer"},
  "config": {"state": "waiting|sending|applied|rejected", "generation_configured?": "integer",
    "generation_applied?": "integer",
    "rejection?": {"generation": "integer", "reason": "string", "item": "string", "sentence": "string"}},
  "last_reload?": "Report", "services": {"total": "integer", "up": "integer"},
  "backends": {"total": "integer", "up": "integer"}, "discovery": {"services": "integer", "failing": "integer"},
  "blocklist": {"prefixes": "integer", "packets?": "integer", "packets_in_xdp?": "integer"},
  "flow_log?": {"output": "string", "written": "integer", "over_rate": "integer", "lost": "integer",
    "malformed": "integer"},
  "connections?": {"used": "integer", "capacity": "integer"}, "drops_total?": "integer", "rates?": "Rates",
  "workers?": ["WorkerRates"]},
"Rates": {"rx_packets_per_s": "number", "tx_packets_per_s": "number", "rx_bits_per_s": "number",
  "tx_bits_per_s": "number", "connections_per_s": "number", "drops_per_s": "number"},
"WorkerRates": {"worker": "integer", "cpu": "integer", "busy_ratio": "number", "rx_packets_per_s": "number",
  "tx_packets_per_s": "number", "rx_bits_per_s": "number", "tx_bits_per_s": "number", "connections_per_s": "number",
  "drops_per_s": "number"},
"Services": {"services": ["ServiceRow"]},
"ServiceRow": {"service": "string", "up": "boolean", "protocol": "tcp|udp", "mode": "nat|fullnat|proxy|dsr|tunnel",
  "syn_proxy?": "off|auto|on", "encapsulation?": "none|ip|gue", "gue_port?": "integer", "mss_clamp?": "boolean",
  "balance": "string", "max_connections?": "integer", "slow_start_ms?": "integer", "max_requests?": "integer",
  "max_responses?": "integer", "snat?": "string", "access?": {"default": "allow|deny", "rules": "integer"},
  "connection_rate?": "integer", "packet_rate?": "integer", "source_connection_rate?": "integer",
  "source_packet_rate?": "integer", "discovery?": "Discovery", "bind": ["string"],
  "backends": {"total": "integer", "up": "integer"}, "active?": "integer", "connections?": "integer",
  "no_backend?": "integer", "no_snat_port?": "integer", "no_slot?": "integer", "refused?": "integer",
  "syn_floods?": "integer", "backends_full?": "integer", "service_full?": "integer", "sessions_moved?": "integer",
  "denied?": "integer", "evicted?": "integer", "limited?": "integer", "ejection_panics?": "integer"},
"Discovery": {"kind": "string", "found?": "integer", "asked?": "integer", "failed?": "integer", "unbelieved?": "integer",
  "asked_at?": "integer", "answered_at?": "integer", "failed_at?": "integer", "failing?": "boolean", "failure?": "string"},
"Backends": {"backends": ["BackendRow"]},
"BackendRow": {"service": "string", "backend": "string", "health": "up|down|gone", "admin?": "enabled|drain|disabled",
  "weight?": "integer", "priority?": "integer", "max_connections?": "integer", "sni?": "string",
  "proxy_protocol?": "integer", "checked?": "boolean", "cause?": "string", "active?": "integer",
  "connections?": "integer", "forward_packets?": "integer", "reverse_packets?": "integer", "forward_bytes?": "integer",
  "reverse_bytes?": "integer", "connect_failures?": "integer", "resets?": "integer", "connect_p50_us?": "integer", "connect_p99_us?": "integer",
  "breaker?": "closed|open|half_open", "ejections?": "integer"},
"BackendChange": {"admin?": "enabled|drain|disabled", "weight?": "integer"},
"BackendOptions": {"weight?": "integer?", "priority?": "integer?", "max_connections?": "integer?", "sni?": "string?",
  "proxy_protocol?": "any?"},
"NewBackend": {"backend": "string", "weight?": "integer?", "priority?": "integer?", "max_connections?": "integer?",
  "sni?": "string?", "proxy_protocol?": "any?"},
"Connections": {"connections?": ["Connection"], "complete?": "boolean", "count?": "integer", "connected": "boolean"},
"Connection": {"index": "integer", "service": "string", "protocol": "tcp|udp", "mode": "string", "state": "string",
  "worker": "integer", "client": "string", "vip": "string", "snat?": "string", "backend?": "string",
  "encapsulation?": "string", "age_ms": "integer", "client_idle_ms": "integer", "backend_idle_ms?": "integer",
  "splice?": {"state": "string", "tries": "integer", "forward_seq_delta": "integer", "reverse_seq_delta": "integer",
    "forward_ts_delta": "integer", "reverse_ts_delta": "integer", "timestamps": "boolean", "sack": "boolean",
    "forward_window_shift": "integer", "reverse_window_shift": "integer", "mss": "integer",
    "client_window_scale?": "integer", "client": "Half", "backend": "Half"}},
"Half": {"next": "integer", "acked": "integer", "timestamps": "boolean", "sack": "boolean"},
"Counters": {"connected": "boolean",
  "drops?": [{"reason": "string", "packets": "integer", "sentence": "string"}], "blocked_in_xdp?": "integer",
  "workers?": ["WorkerCounters"]},
"Stages": {"connected": "boolean", "tsc_hz?": "integer", "interval_s?": "integer", "workers?": [{"worker": "integer",
  "cycles": "integer", "packets": "integer", "cycles_per_packet": "number?", "ns_per_packet": "number?",
  "stages": [{"stage": "string", "sentence": "string", "cycles": "integer", "packets": "integer",
    "cycles_per_packet": "number?", "ns_per_packet": "number?", "share": "number"}]}]},
"Snat": {"connected": "boolean", "pools": [{"pool": "string", "automatic": "boolean", "family": "ipv4|ipv6",
  "addresses": "integer", "ports": "integer", "services": ["string"], "connections": "integer", "share": "number",
  "peak": "number", "level": "ok|filling|nearly_full",
  "fullest?": {"backend": "string", "protocol": "tcp|udp", "in_use": "integer"}, "full_in_s": "number?"}]},
"Steering": {"connected": "boolean", "ports?": [{"port": "string", "device": "string", "vlan": "integer",
    "steering": "string", "reason": "string", "sentence": "string", "queues": "integer",
    "workers_with_queue": "integer", "rss_key_bytes": "integer", "reta_size": "integer", "rx_packets": "integer",
    "handed_over": "integer", "handed_over_share": "number?",
    "now?": {"rx_packets_per_s": "number", "handed_over_per_s": "number", "handed_over_share": "number?"}}],
  "workers?": [{"worker": "integer", "cpu": "integer", "busy_ratio": "number", "rx_packets_per_s": "number",
    "handed_in_per_s": "number", "handed_out_per_s": "number", "load_packets_per_s": "number"}],
  "skew?": "number?"},
"Setting": {"key": "string", "was": "string?", "is": "string?"},
"Fate": {"kept": "integer", "drained": "integer", "moved": "integer"},
"Plan": {"differs": "boolean", "services": [{"service": "string", "change": "added|removed|changed",
    "settings": ["Setting"], "backends": [{"backend": "string", "change": "added|removed|changed", "active": "integer",
      "settings?": ["Setting"]}], "backends_unknown?": "boolean", "connections": "Fate", "slots_moved?": "number"}],
  "settings": ["Setting"], "connections": "Fate", "notices": ["string"]},
"Confirmed": {"confirmed": "boolean", "time": "integer"},
"HistoryRow": {"number": "integer", "time": "integer", "origin": "start|reload|apply|rollback|rest", "summary": "string"},
"History": {"directory": "string", "entries": ["HistoryRow"], "unconfirmed": "Trial?"},
"Trial": {"until": "integer", "seconds_left": "integer"},
"Changes": {"file": "string", "changed": ["string"], "removed": ["string"], "tuned": "Tree"},
"Settings": {"settings": [{"name": "string", "value": "string", "default": "string", "range": "string", "about": "string",
  "tuned": "boolean", "file?": "string"}]},
"Events": {"events": ["Event"], "last_id": "integer", "streams": "integer", "cut_off": "integer"},
"Event": {"id": "integer", "time_ms": "integer", "kind": "backend|config|discovery|dataplane|limit", "what": "string",
  "service?": "string", "backend?": "string", "cause?": "string", "generation?": "integer", "count?": "integer"}
})json";

// Its counters are those of the segment's list.
Json worker_counters() {
  Json shape = {{"worker", "integer"}};
#define X(name, unit, sentence) shape[#name] = "integer";
  MR_WORKER_COUNTERS(X)
#undef X
  shape["dropped_total"] = "integer";
  shape["dropped"] = {{"*", "integer"}};
  return shape;
}

// A row with more beside it.
Json with(Json shape, const Json& more) {
  shape.update(more);
  return shape;
}

}  // namespace

Json api_shapes() {
  Json shapes = Json::parse(kShapes);
  shapes["WorkerCounters"] = worker_counters();
  shapes["Service"] = with(shapes["ServiceRow"], {{"origin", "file|rest"}, {"config", "Tree"}});
  shapes["AppliedChange"] =
      with(shapes["Report"],
           {{"number?", "integer"}, {"back_to?", "integer"}, {"confirm_until?", "integer"}, {"plan", "Plan"}});
  shapes["HistoryEntry"] = with(shapes["HistoryRow"], {{"config?", "string"}, {"errors?", {"string"}}});
  shapes["ChangedBackend"] = with(shapes["BackendRow"], {{"dataplane", "sent|waiting"}});
  return shapes;
}

const OperationShape* find_shape(std::string_view method, std::string_view path) {
  const auto found = std::ranges::find_if(
      kOperations, [&](const OperationShape& shape) { return shape.method == method && shape.path == path; });
  return found == std::end(kOperations) ? nullptr : &*found;
}

}  // namespace millrace::control
