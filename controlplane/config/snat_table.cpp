// snat_table.cpp: [snat.NAME]: the source addresses that fullnat services use towards backends.
#include <algorithm>

#include "controlplane/config/tables.h"
#include "millrace/limits.h"

namespace millrace::config {

namespace {

// `ports` is nullopt when they were refused: the address is checked all the same.
void add_range(const Text& text, std::optional<PortRange> ports, SnatPoolConfig& pool, PoolOrigins& origins,
               ErrorList& errors) {
  const auto refuse = [&](std::string problem, std::string remedy) {
    origins.complete = false;
    errors.add(text.origin, std::move(problem), std::move(remedy));
  };
  Parsed<AddressRange> range = parse_address_range(text.text);
  if (!range.value) return refuse(std::move(range.problem), std::move(range.remedy));
  for (const IpAddr& addr : {range.value->first, range.value->last})
    if (const std::string_view unfit = unicast_problem(addr); !unfit.empty())
      return refuse(format_ip(addr) + " " + std::string(unfit), "write addresses that the backends can answer");
  if (address_count(*range.value) > kSnatAddressPerRangeMax)
    return refuse(quote(text.text) + " holds too many addresses",
                  "write at most " + std::to_string(kSnatAddressPerRangeMax) + " addresses a range");
  if (!ports) return;
  pool.ranges.push_back({range.value->first, range.value->last, ports->first, ports->last});
  origins.ranges.push_back(text.origin);
}

std::optional<PortRange> read_ports(TableReader& table) {
  const std::optional<Text> text = table.read_text("ports");
  // Below 1024 stand the host's own services; a reply to them must not be taken for ours.
  if (!text && !table.has("ports")) return PortRange{1024, 65535};
  if (!text) return std::nullopt;
  Parsed<PortRange> parsed = parse_port_range(text->text);
  if (!parsed.value) table.errors().add(text->origin, std::move(parsed.problem), std::move(parsed.remedy));
  return parsed.value;
}

// `addresses = "auto"`, which stands alone.
void set_automatic(TableReader& table, const std::vector<Text>& texts, std::optional<PortRange> ports,
                   SnatPoolConfig& pool, PoolOrigins& origins) {
  origins.automatic = texts.front().origin;
  if (texts.size() != 1) {
    origins.complete = false;
    table.errors().add(texts.front().origin, "\"auto\" stands beside other addresses",
                       "write \"auto\" alone for this host's own addresses, or addresses only");
  }
  pool.automatic = SnatPoolConfig::Automatic{};
  if (table.has("ports")) {
    if (ports) pool.automatic = {ports->first, ports->last};
  } else if (const std::optional<SnatPoolConfig::Automatic> free = free_port_range()) {
    pool.automatic = free;
  } else {
    table.errors().add(
        texts.front().origin, "the kernel uses nearly all ports for its own connections",
        "write ports, and keep the kernel off them: sysctl net.ipv4.ip_local_port_range=\"32768 49151\"");
  }
}

void read_pool(NamedTable& named, Draft& draft) {
  constexpr char kExample[] = "write addresses = [\"10.72.0.10-10.72.0.13\"]";
  TableReader& table = named.reader;
  SnatPoolConfig pool{.name = named.name};
  PoolOrigins origins;
  const std::optional<PortRange> ports = read_ports(table);
  const std::vector<Text> texts = table.read_texts("addresses", kExample, origins.complete);
  if (!ports || texts.size() > kSnatRangePerPoolMax) origins.complete = false;
  const auto is_auto = [](const Text& text) { return text.text == "auto"; };
  if (std::ranges::any_of(texts, is_auto))
    set_automatic(table, texts, ports, pool, origins);
  else if (texts.size() > kSnatRangePerPoolMax)
    table.errors().add(table.origin_of("addresses"), "holds " + std::to_string(texts.size()) + " ranges",
                       "write at most " + std::to_string(kSnatRangePerPoolMax) + "; join neighbouring ranges");
  else
    for (const Text& text : texts) add_range(text, ports, pool, origins, table.errors());
  table.finish();
  draft.config.snat_pools.push_back(std::move(pool));
  draft.pools.push_back(std::move(origins));
}

}  // namespace

void read_snat_table(TableReader& table, Draft& draft) {
  std::vector<NamedTable> pools = table.read_named_tables(draft.pools_complete);
  for (NamedTable& named : pools) read_pool(named, draft);
  if (pools.size() > kSnatPoolMax)
    table.errors().add(pools[kSnatPoolMax].reader.origin(), "is one SNAT pool too many",
                       "define at most " + std::to_string(kSnatPoolMax));
}

}  // namespace millrace::config
