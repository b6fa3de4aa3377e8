// direct_tables.cpp: what services in mode dsr and tunnel have, whose backends answer clients themselves: encapsulation,
// gue_port, mss_clamp; and what they cannot have.
#include "controlplane/config/tables.h"

namespace millrace::config {

namespace {

constexpr uint16_t kGuePort = 6080;  // IANA's for GUE
constexpr char kUncountable[] =
    "nobody can count what is open: backends answer clients themselves, and other hosts may forward to them too";

void read_encapsulation(TableReader& server, ServiceConfig& service) {
  static constexpr Choice<Encapsulation> kKinds[] = {{"ip", Encapsulation::ip}, {"gue", Encapsulation::gue}};
  const std::optional<Encapsulation> kind = server.read_choice("encapsulation", kKinds);
  const std::optional<uint64_t> gue_port = server.read_integer("gue_port", 1, UINT16_MAX);
  if (service.mode != Mode::tunnel) {
    if (kind)
      server.errors().add(server.origin_of("encapsulation"), "only mode \"tunnel\" wraps packets",
                          "remove it or write mode = \"tunnel\"");
  } else {
    service.encapsulation = kind.value_or(Encapsulation::ip);
  }
  if (service.encapsulation == Encapsulation::gue)
    service.gue_port = static_cast<uint16_t>(gue_port.value_or(kGuePort));
  else if (gue_port && (kind || !server.has("encapsulation")))
    server.errors().add(server.origin_of("gue_port"), "is the UDP port of encapsulation \"gue\" alone",
                        "remove it or write encapsulation = \"gue\"");
}

void read_mss_clamp(TableReader& server, ServiceConfig& service) {
  const bool clamp = server.read_bool("mss_clamp").value_or(false);
  const Origin origin = server.origin_of("mss_clamp");
  if (!clamp) return;
  if (!is_direct(service.mode))
    server.errors().add(origin, "is for the modes \"dsr\" and \"tunnel\"", "remove it");
  else if (service.proto == Proto::udp)
    server.errors().add(origin, "is for TCP, but the service is UDP", "remove it");
  else
    service.mss_clamp = 1;
}

void refuse_what_needs_replies(TableReader& server, const ServiceConfig& service, const ConnectionOptions& own) {
  if (service.balance != Balance::maglev)
    server.errors().add(server.origin_of("balance"),
                        "every host must choose the same backend for a flow, and connections cannot be counted, "
                        "since backends answer clients themselves",
                        "write balance = \"maglev\" or remove it");
  if (own.backend_idle_timeout_ms.value_or(0) != 0)
    server.errors().add(server.origin_of("backend_idle_timeout"),
                        "what backends say does not come by: they answer clients themselves",
                        "remove it; client_idle_timeout ends flows");
  if (own.connections_max.value_or(0) != 0)
    server.errors().add(server.origin_of("max_connections"), kUncountable, "remove it or write 0");
}

void refuse_session_limits(TableReader& server, const ServiceConfig& service) {
  if (service.udp_requests_max == 0 && service.udp_responses_max == 0) return;
  server.errors().add(server.origin_of("udp"),
                      "limits datagrams of a session, but answers do not come by, and by Maglev a new session would "
                      "have the same backend",
                      "remove max_requests and max_responses");
}

}  // namespace

void read_direct_options(TableReader& server, const ConnectionOptions& own, ServiceConfig& service,
                         const ServiceOrigins& origins) {
  if (!origins.mode_known) {
    for (const char* key : {"encapsulation", "gue_port", "mss_clamp"}) server.ignore(key);
    return;
  }
  read_encapsulation(server, service);
  read_mss_clamp(server, service);
  if (!is_direct(service.mode)) return;
  refuse_what_needs_replies(server, service, own);
  refuse_session_limits(server, service);
  service.connections_max = 0;  // what [defaults] says is for the others
}

void check_direct_endpoints(const ServiceConfig& service, const ServiceOrigins& origins, ErrorList& errors) {
  if (!origins.mode_known || !is_direct(service.mode) || service.binds.empty()) return;
  for (size_t b = 0; b < service.binds.size(); ++b)
    if (service.binds[b].addr.is_any())
      errors.add(origins.binds[b], "backends need the bind's address as one of their own, which this host's cannot be",
                 "write an address that neither this host nor another one has on the network");
  const Be16 port = service.binds.front().port;
  for (size_t b = 1; b < service.binds.size(); ++b)
    if (service.binds[b].port != port)
      errors.add(origins.binds[b],
                 "has another port than " + format_endpoint(service.binds.front()) +
                     ", and packets keep theirs on the way to the backends",
                 "write a service for each port");
  for (size_t b = 0; b < service.backends.size(); ++b)
    if (service.backends[b].endpoint.port != port)
      errors.add(
          origins.backends[b],
          format_endpoint(service.backends[b].endpoint) + " has another port than the bind, and packets keep theirs",
          "write port " + std::to_string(port.host()));
  for (size_t b = 0; b < service.backends.size(); ++b)
    if (service.backends[b].connections_max != 0)
      errors.add(origins.backends[b], std::string("max_connections= has no meaning in this mode: ") + kUncountable,
                 "remove it");
}

}  // namespace millrace::config
