// gobetween_keys.cpp: gobetween's keys that this release knows but cannot serve. Each is refused with what to do,
// because a balancer that quietly ignored an access list or a TLS setting would do harm.
#include "controlplane/config/tables.h"

namespace millrace::config {

namespace {

// Harmless while it is switched off.
void refuse_profiler(TableReader& root) {
  std::optional<TableReader> table = root.read_table("profiler");
  if (!table) return;
  if (table->read_bool("enabled").value_or(false))
    table->errors().add(table->origin_of("enabled"), "gobetween's profiler does not exist here",
                        "write enabled = false or remove the table");
  table->read_text("bind");
  table->finish();
}

}  // namespace

void refuse_global_tables(TableReader& root) {
  refuse_profiler(root);
  root.refuse("acme", "TLS certificates are not handled yet", "remove the table; let the backends speak TLS");
}

void refuse_server_keys(TableReader& server) {
  server.refuse("tls", "TLS is not ended here yet", "remove the table; with protocol = \"tcp\" the backends speak TLS");
  server.refuse("backends_tls", "TLS towards backends comes with a later release",
                "remove the table; with protocol = \"tcp\" clients and backends speak TLS with each other");
}

}  // namespace millrace::config
