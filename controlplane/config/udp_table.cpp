// udp_table.cpp: [servers.NAME.udp]: when a session ends besides being idle, and whether backends see the client.
#include "controlplane/config/tables.h"

namespace millrace::config {

namespace {

// gobetween's word for what mode nat does. It had no mode to write, so the table may stand alone.
void apply_transparent(TableReader& server, TableReader& table, ServiceConfig& service, ServiceOrigins& origins) {
  const std::optional<bool> transparent = table.read_bool("transparent");
  if (!transparent || !origins.mode_known) return;
  if (!server.has("mode")) {
    if (*transparent) service.mode = Mode::nat;
    return;
  }
  if (*transparent == (service.mode == Mode::nat || is_direct(service.mode))) return;
  if (*transparent)
    table.errors().add(table.origin_of("transparent"), "in this mode backends do not see the client",
                       "remove it, or write mode = \"nat\" and lead the backends' replies through this host");
  else
    table.errors().add(table.origin_of("transparent"), "in this mode backends do see the client",
                       "remove it, or write mode = \"fullnat\"");
}

}  // namespace

void read_udp_options(TableReader& server, ServiceConfig& service, ServiceOrigins& origins) {
  std::optional<TableReader> table = server.read_table("udp");
  if (!table) return;
  const auto read = [&](std::string_view key) {
    return static_cast<uint16_t>(table->read_integer(key, 0, UINT16_MAX).value_or(0));
  };
  service.udp_requests_max = read("max_requests");
  service.udp_responses_max = read("max_responses");
  if (service.proto == Proto::udp)
    apply_transparent(server, *table, service, origins);
  else
    server.errors().add(table->origin(), "is for UDP sessions, but the service is TCP",
                        "remove the table or write protocol = \"udp\"");
  table->finish();
}

}  // namespace millrace::config
