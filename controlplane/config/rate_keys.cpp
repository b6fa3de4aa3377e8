// rate_keys.cpp: how fast connections and packets may come: keys of [servers.NAME].
#include "controlplane/config/tables.h"
#include "millrace/limits.h"

namespace millrace::config {

namespace {

constexpr uint8_t kSourcePrefix4 = 32;
constexpr uint8_t kSourcePrefix6 = 64;  // what a site's network has at least (RFC 6177), and may choose addresses from

uint32_t read_rate(TableReader& server, const char* key) {
  return static_cast<uint32_t>(server.read_integer(key, 1, kRateMax).value_or(0));
}

uint8_t read_prefix(TableReader& server, const char* key, uint8_t bits_max, uint8_t by_itself, bool meant) {
  const std::optional<uint64_t> bits = server.read_integer(key, 1, bits_max);
  if (meant) return static_cast<uint8_t>(bits.value_or(by_itself));
  if (bits)
    server.errors().add(server.origin_of(key), "has a meaning with a rate of each source alone",
                        "remove it or write source_connection_rate or source_packet_rate");
  return 0;
}

}  // namespace

void read_rate_options(TableReader& server, ServiceConfig& service) {
  service.connection_rate = read_rate(server, "connection_rate");
  service.packet_rate = read_rate(server, "packet_rate");
  service.source_connection_rate = read_rate(server, "source_connection_rate");
  service.source_packet_rate = read_rate(server, "source_packet_rate");
  const bool by_source = server.has("source_connection_rate") || server.has("source_packet_rate");
  service.source_prefix4 = read_prefix(server, "source_prefix4", 32, kSourcePrefix4, by_source);
  service.source_prefix6 = read_prefix(server, "source_prefix6", 128, kSourcePrefix6, by_source);
}

}  // namespace millrace::config
