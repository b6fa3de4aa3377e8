#include "controlplane/api/connection_routes.h"

#include <fmt/format.h>

#include <boost/asio/use_awaitable.hpp>

#include "controlplane/api/number_parameter.h"
#include "controlplane/api/unknown_name.h"
#include "controlplane/api/views.h"

namespace millrace::control {
namespace {

namespace asio = boost::asio;

struct ConnQuery {
  ConnFilter filter;
  uint32_t limit = kConnectionListDefault;
  bool count_only = false;
};

// Fills `query`, or says what is wrong.
std::optional<ApiReply> read_conn_query(const Daemon& daemon, const Call& call, ConnQuery& query) {
  if (const std::string* service = call.parameter("service")) {
    // One that has gone from the file may still have connections, but then it is no typing error to ask for it:
    // the slab knows it by name. An unknown name is refused only when nothing at all bears it.
    query.filter.service = *service;
    const Json backends = backends_view(daemon, *service);
    if (find_service(daemon.desired(), *service) == nullptr && backends["backends"].empty())
      return unknown_service(daemon, *service);
  }
  if (const std::string* backend = call.parameter("backend")) {
    query.filter.backend = parse_endpoint(*backend);
    if (!query.filter.backend)
      return error_reply(400, fmt::format("'{}' is no backend", *backend), "write 10.0.0.1:80 or [fd00::1]:80");
  }
  if (const std::string* client = call.parameter("client")) {
    const std::optional<Endpoint> with_port = parse_endpoint(*client);
    query.filter.client = with_port ? with_port->addr : parse_ip(*client);
    if (with_port) query.filter.client_port = with_port->port.host();
    if (!query.filter.client)
      return error_reply(400, fmt::format("'{}' is no client", *client),
                         "write an address, 192.0.2.1, or one with its port, 192.0.2.1:40000");
  }
  if (const std::string* limit = call.parameter("limit")) {
    const std::optional<uint32_t> number = parse_number(*limit, 1, kConnectionListMax);
    if (!number)
      return error_reply(400, fmt::format("limit '{}' is not possible", *limit),
                         fmt::format("write a number from 1 to {}", kConnectionListMax));
    query.limit = *number;
  }
  if (const std::string* count = call.parameter("count")) {
    if (*count != "1" && *count != "0") return error_reply(400, "count is neither 0 nor 1", "write count=1");
    query.count_only = *count == "1";
  }
  return std::nullopt;
}

}  // namespace

asio::awaitable<ApiReply> get_connections(Daemon& daemon, const Call& call) {
  ConnQuery query;
  if (std::optional<ApiReply> refused = read_conn_query(daemon, call, query)) co_return std::move(*refused);
  const std::shared_ptr<const Segment> segment = daemon.link().segment();
  ConnScan scan;
  if (segment)
    scan = co_await scan_connections(segment, query.filter, query.count_only ? 0 : query.limit, query.count_only);
  ApiReply reply{200, connections_view(scan, query.count_only), {}};
  reply.body["connected"] = segment != nullptr;
  co_return reply;
}

}  // namespace millrace::control
