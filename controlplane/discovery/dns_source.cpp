#include "controlplane/discovery/dns_source.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "controlplane/discovery/backend_text.h"
#include "controlplane/dns/resolver.h"
#include "millrace/limits.h"

namespace millrace::control {
namespace {

namespace asio = boost::asio;
using std::chrono::milliseconds;

constexpr uint32_t kEmptyTtlS = 30;  // of an answer without records
constexpr uint32_t kTtlMaxS = 7 * 24 * 3600;

milliseconds lifetime(const std::vector<DnsRecord>& records) {
  uint32_t ttl_s = records.empty() ? kEmptyTtlS : kTtlMaxS;
  for (const DnsRecord& record : records) ttl_s = std::min(ttl_s, record.ttl_s);
  return milliseconds(uint64_t{1000} * ttl_s);
}

// The address of a server. `problem`: it has none; then nullopt. nullopt without a problem: the host's own servers.
asio::awaitable<std::optional<Endpoint>> find_server(const config::DnsServer& server, std::string& problem) {
  if (server.host.empty()) co_return std::nullopt;
  const HostAddresses host = co_await look_up_host(server.host);
  if (!host.problem.empty()) {
    problem = fmt::format("server {}: {}", server.host, host.problem);
    co_return std::nullopt;
  }
  co_return Endpoint{host.addresses.front(), Be16::from_host(server.port)};
}

std::vector<DnsRecord> of_type(const std::vector<DnsRecord>& records, DnsType type) {
  std::vector<DnsRecord> found;
  std::ranges::copy_if(records, std::back_inserter(found),
                       [type](const DnsRecord& record) { return record.type == type; });
  return found;
}

config::Parsed<config::BackendConfig> to_backend(const DnsRecord& address, const DnsRecord& srv) {
  return parse_parts({.host = format_ip(address.addr),
                      .port = std::to_string(srv.port),
                      .weight = std::to_string(srv.weight),
                      .priority = std::to_string(srv.priority),
                      .sni = srv.target});
}

bool same_name(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, [](unsigned char x, unsigned char y) { return std::tolower(x) == std::tolower(y); });
}

// IPv4 addresses if the target has some, as gobetween takes them; else those of IPv6.
std::vector<DnsRecord> addresses_of(const std::string& target, const std::vector<DnsRecord>& records) {
  for (const DnsType type : {DnsType::a, DnsType::aaaa}) {
    std::vector<DnsRecord> found = of_type(records, type);
    std::erase_if(found, [&](const DnsRecord& record) { return !same_name(record.name, target); });
    if (!found.empty()) return found;
  }
  return {};
}

// Asks for the addresses that did not come along.
asio::awaitable<DnsReply> ask_addresses(DnsQuestion question) {
  DnsReply reply;
  for (const DnsType type : {DnsType::a, DnsType::aaaa}) {
    question.type = type;
    reply = co_await query_dns(question);
    reply.message.answers = of_type(reply.message.answers, type);
    if (!reply.problem.empty() || !reply.message.answers.empty()) break;
  }
  co_return reply;
}

}  // namespace

void fit_srv_records(std::vector<DnsRecord>& records) {
  std::map<uint16_t, uint16_t> ranks;
  uint32_t weight_max = 1;
  for (const DnsRecord& record : records) {
    ranks[record.priority] = record.priority;
    weight_max = std::max<uint32_t>(weight_max, record.weight);
  }
  if (!ranks.empty() && ranks.rbegin()->first > kPriorityMax) {
    uint32_t next = 0;
    for (auto& [priority, rank] : ranks) rank = static_cast<uint16_t>(std::min(next++, kPriorityMax));
  }
  for (DnsRecord& record : records) {
    record.priority = ranks[record.priority];
    const uint32_t weight = weight_max > kWeightMax ? record.weight * kWeightMax / weight_max : record.weight;
    record.weight = static_cast<uint16_t>(std::max(weight, 1u));
  }
}

asio::awaitable<Answer> SrvSource::ask(milliseconds) {
  std::string problem;
  DnsQuestion question{.name = config_.name, .type = DnsType::srv, .tcp = config_.server.tcp};
  question.server = co_await find_server(config_.server, problem);
  if (!problem.empty()) co_return Answer::failed(problem);
  const DnsReply reply = co_await query_dns(question);
  if (!reply.problem.empty()) co_return Answer::failed(config_.name + ": " + reply.problem);
  std::vector<DnsRecord> services = of_type(reply.message.answers, DnsType::srv);
  milliseconds shortest = lifetime(services);
  std::erase_if(services, [](const DnsRecord& record) { return record.target.empty(); });
  fit_srv_records(services);

  AnswerBuilder builder;
  std::map<std::string, std::vector<DnsRecord>> hosts;  // by target
  for (const DnsRecord& service : services) {
    const auto [host, is_new] = hosts.try_emplace(service.target);
    if (is_new) host->second = addresses_of(service.target, reply.message.additional);
    if (is_new && host->second.empty()) {
      question.name = service.target;
      DnsReply addresses = co_await ask_addresses(question);
      if (!addresses.problem.empty()) co_return Answer::failed(service.target + ": " + addresses.problem);
      host->second = std::move(addresses.message.answers);
    }
    if (host->second.empty())
      builder.add({"has no address", "give it one"}, service.target);
    else
      shortest = std::min(shortest, lifetime(host->second));
    for (const DnsRecord& address : host->second)
      if (!builder.add(to_backend(address, service), service.target)) break;
  }
  Answer answer = builder.take("records");
  answer.lifetime = shortest;
  co_return answer;
}

asio::awaitable<Answer> DnsSource::ask(milliseconds) {
  std::string problem;
  DnsQuestion question{.name = config_.name, .tcp = config_.server.tcp};
  question.server = co_await find_server(config_.server, problem);
  if (!problem.empty()) co_return Answer::failed(problem);
  std::vector<DnsRecord> records;
  for (const DnsType type : {DnsType::a, DnsType::aaaa}) {
    question.type = type;
    const DnsReply reply = co_await query_dns(question);
    if (!reply.problem.empty()) co_return Answer::failed(config_.name + ": " + reply.problem);
    std::ranges::copy(of_type(reply.message.answers, type), std::back_inserter(records));
  }
  AnswerBuilder builder;
  for (const DnsRecord& record : records)
    if (!builder.add(parse_parts({.host = format_ip(record.addr), .port = std::to_string(config_.port)}), config_.name))
      break;
  Answer answer = builder.take("records");
  answer.lifetime = lifetime(records);
  co_return answer;
}

}  // namespace millrace::control
