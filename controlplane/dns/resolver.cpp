#include "controlplane/dns/resolver.h"

#include <netdb.h>
#include <netinet/in.h>

#include <boost/asio/this_coro.hpp>
#include <cstring>

#include "controlplane/dns/ares_question.h"

namespace millrace::control {
namespace {

namespace asio = boost::asio;

// Closes the question when the coroutine that asks it ends, however it does.
struct Asked {
  std::shared_ptr<AresQuestion> question;
  explicit Asked(const asio::any_io_executor& executor) : question(std::make_shared<AresQuestion>(executor)) {}
  Asked(const Asked&) = delete;
  Asked& operator=(const Asked&) = delete;
  ~Asked() { question->close(); }
};

struct QueryResult {
  AresQuestion* question = nullptr;
  DnsReply reply;
};

void take_answer(void* result, int status, int, unsigned char* bytes, int length) {
  QueryResult& query = *static_cast<QueryResult*>(result);
  if (status == ARES_EDESTRUCTION) return;
  if (status == ARES_SUCCESS) {
    std::optional<DnsMessage> message = parse_dns_message({bytes, static_cast<size_t>(length)});
    if (message)
      query.reply.message = std::move(*message);
    else
      query.reply.problem = "its answer is broken";
  } else if (status != ARES_ENODATA && status != ARES_ENOTFOUND) {
    query.reply.problem = ares_strerror(status);
  }
  query.question->finish();
}

struct LookUpResult {
  AresQuestion* question = nullptr;
  HostAddresses host;
};

void take_addresses(void* result, int status, int, ares_addrinfo* found) {
  LookUpResult& look_up = *static_cast<LookUpResult*>(result);
  if (status == ARES_EDESTRUCTION) return;
  for (const ares_addrinfo_node* node = found == nullptr ? nullptr : found->nodes; node != nullptr;
       node = node->ai_next) {
    IpAddr addr;
    if (node->ai_family == AF_INET) {
      addr = IpAddr::from_ipv4(Be32{reinterpret_cast<const sockaddr_in*>(node->ai_addr)->sin_addr.s_addr});
    } else {
      const in6_addr& from = reinterpret_cast<const sockaddr_in6*>(node->ai_addr)->sin6_addr;
      std::memcpy(addr.bytes.data(), &from, addr.bytes.size());
    }
    look_up.host.addresses.push_back(addr);
  }
  if (found != nullptr) ares_freeaddrinfo(found);
  if (look_up.host.addresses.empty())
    look_up.host.problem = status == ARES_SUCCESS ? "it has no address" : ares_strerror(status);
  look_up.question->finish();
}

}  // namespace

asio::awaitable<DnsReply> query_dns(DnsQuestion question) {
  QueryResult result;  // outlives the question
  Asked asked(co_await asio::this_coro::executor);
  result.question = asked.question.get();
  result.reply.problem = asked.question->open(question.server, question.tcp);
  if (!result.reply.problem.empty()) co_return std::move(result.reply);
  constexpr int kClassIn = 1;
  ares_query(asked.question->channel(), question.name.c_str(), kClassIn, static_cast<int>(question.type), take_answer,
             &result);
  co_await asked.question->wait();
  co_return std::move(result.reply);
}

asio::awaitable<HostAddresses> look_up_host(std::string host) {
  LookUpResult result;  // outlives the question
  if (const std::optional<IpAddr> addr = parse_ip(host)) {
    result.host.addresses.push_back(*addr);
    co_return std::move(result.host);
  }
  Asked asked(co_await asio::this_coro::executor);
  result.question = asked.question.get();
  result.host.problem = asked.question->open(std::nullopt, false);
  if (!result.host.problem.empty()) co_return std::move(result.host);
  ares_addrinfo_hints hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  ares_getaddrinfo(asked.question->channel(), host.c_str(), nullptr, &hints, take_addresses, &result);
  co_await asked.question->wait();
  co_return std::move(result.host);
}

}  // namespace millrace::control
