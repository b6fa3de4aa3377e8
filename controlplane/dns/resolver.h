// resolver.h: DNS by c-ares on our event loop: nothing blocks, and nothing outlives the one who asks.
// Thread: the event loop. Whoever awaits may cancel (terminal); the sockets of the question are closed then.
// Bound:  c-ares asks each server twice, kTryMs and its double; callers have their own, shorter or longer, deadline.
//         An answer that does not fit UDP is asked for by TCP.
// Fails:  with a sentence; never throws.      Tests: tests/unit/control/dns_test.cpp
#pragma once

#include <boost/asio/awaitable.hpp>
#include <optional>
#include <string>
#include <vector>

#include "controlplane/dns/dns_message.h"
#include "millrace/addr.h"

namespace millrace::control {

struct DnsQuestion {
  std::string name;
  DnsType type{};
  std::optional<Endpoint> server;  // nullopt: those of this host's resolv.conf
  bool tcp = false;                // from the first try on
};

struct DnsReply {
  DnsMessage message;   // empty, too, where the name or its records do not exist
  std::string problem;  // not empty: there is no answer
};

boost::asio::awaitable<DnsReply> query_dns(DnsQuestion question);

struct HostAddresses {
  std::vector<IpAddr> addresses;  // at least one, in the order to try, unless there is a problem
  std::string problem;
};

// As programs of this host see `host`: by its hosts file, then by its servers. An address is itself.
boost::asio::awaitable<HostAddresses> look_up_host(std::string host);

}  // namespace millrace::control
