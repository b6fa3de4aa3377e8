#include "controlplane/api/views.h"

namespace millrace::control {

Json snat_view(const Daemon& daemon) {
  Json rows = Json::array();
  for (const SnatUse& use : daemon.snat().uses()) {
    Json row = {{"pool", use.pool},
                {"automatic", use.automatic},
                {"family", use.family == Family::ipv4 ? "ipv4" : "ipv6"},
                {"addresses", use.address_count},
                {"ports", use.port_count},
                {"services", use.services},
                {"connections", use.connections},
                {"share", use.share},
                {"peak", use.peak},
                {"level", snat_level_name(use.level)}};
    if (use.fullest)
      row["fullest"] = {{"backend", format_endpoint(use.fullest->backend)},
                        {"protocol", proto_name(use.fullest->proto)},
                        {"in_use", use.fullest->in_use}};
    row["full_in_s"] = use.full_in_s ? Json(*use.full_in_s) : Json(nullptr);
    rows.push_back(std::move(row));
  }
  return {{"connected", daemon.link().segment() != nullptr}, {"pools", std::move(rows)}};
}

}  // namespace millrace::control
