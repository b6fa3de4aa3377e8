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
  root.refuse("acme", "certificates are not handled here, since TLS is not ended here",
              "remove the table; docs/tls.md shows HAProxy with certificates behind a service");
}

void refuse_server_keys(TableReader& server) {
  server.refuse(
      "tls", "TLS is not ended here: it would cost more than all the rest, and need secrets",
      "remove the table and write protocol = \"tcp\": docs/tls.md shows how backends end TLS, and how HAProxy "
      "does behind the service");
  server.refuse("backends_tls", "TLS towards backends is not done here",
                "remove the table: with protocol = \"tcp\" clients and backends speak TLS with each other, and HAProxy "
                "between them is in docs/tls.md");
}

}  // namespace millrace::config
