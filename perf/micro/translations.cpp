#include "perf/micro/translations.h"

#include <cstdlib>
#include <new>

namespace millrace::perf {
namespace {

Tuple turned(const Tuple& tuple) { return {tuple.dst, tuple.src, tuple.dst_port, tuple.src_port, tuple.proto}; }

}  // namespace

void wrong(const std::string& what) { throw std::runtime_error("the dataplane forwards wrongly: " + what); }

std::string text_of(const Tuple& tuple) {
  return format_endpoint({tuple.src, tuple.src_port}) + " -> " + format_endpoint({tuple.dst, tuple.dst_port});
}

Translations::Translations(const FlowPlan& plan, Mode mode, uint32_t connections)
    : plan_(plan), mode_(mode), place_(connections, kNone) {
  if (mode_ == Mode::nat) return;
  // Zero pages come as they are touched.
  holder_.reset(static_cast<uint32_t*>(std::calloc(place(kBackendCount, 0, {}), sizeof(uint32_t))));
  if (!holder_) throw std::bad_alloc();
}

uint32_t Translations::connection_of(const Tuple& from_client) const {
  const auto connection = plan_.connection_of_client(from_client.src, from_client.src_port);
  if (!connection || *connection >= place_.size()) wrong("no client of ours: " + text_of(from_client));
  return *connection;
}

uint32_t Translations::place_of(const Tuple& towards_backend) const {
  const auto backend = plan_.number_of_backend(towards_backend.dst);
  if (!backend || towards_backend.dst_port != plan_.backend_port()) wrong("no backend: " + text_of(towards_backend));
  if (mode_ == Mode::nat) return place(*backend, 0, {});
  const auto snat = plan_.number_of_snat(towards_backend.src);
  if (!snat || towards_backend.src_port.host() < kSnatPortFirst) wrong("source: " + text_of(towards_backend));
  return place(*backend, *snat, towards_backend.src_port);
}

void Translations::learn(const Tuple& from_client, const Tuple& towards_backend) {
  const uint32_t connection = connection_of(from_client);
  const uint32_t at = place_of(towards_backend);
  if (mode_ != Mode::nat) {
    if (holder_[at] != 0) wrong("used twice: " + text_of(towards_backend));
    holder_[at] = connection + 1;
  }
  place_[connection] = at;
}

void Translations::forget(uint32_t connection) {
  if (mode_ != Mode::nat && place_[connection] != kNone) holder_[place_[connection]] = 0;
  place_[connection] = kNone;
}

Tuple Translations::towards_backend(uint32_t connection) const {
  const uint32_t at = place_[connection];
  if (at == kNone) wrong("unknown: " + text_of(plan_.from_client(connection)));
  Tuple tuple = plan_.from_client(connection);
  tuple.dst = plan_.backend((at >> 16) / kSnatAddressCount);
  tuple.dst_port = plan_.backend_port();
  if (mode_ != Mode::nat) {
    tuple.src = plan_.snat((at >> 16) % kSnatAddressCount);
    tuple.src_port = Be16::from_host(static_cast<uint16_t>(at));
  }
  return tuple;
}

Tuple Translations::from_backend(uint32_t connection) const { return turned(towards_backend(connection)); }

Forwarded Translations::expected(const Tuple& received) const {
  if (received.dst == plan_.vip()) {
    const uint32_t connection = connection_of(received);
    return {connection, towards_backend(connection), backend_mac((place_[connection] >> 16) / kSnatAddressCount)};
  }
  const Tuple asked = turned(received);
  uint32_t connection = 0;
  if (mode_ != Mode::nat) {
    connection = holder_[place_of(asked)] - 1;
    if (connection == kNone) wrong("no connection: " + text_of(received));
  } else {
    connection = connection_of(asked);
  }
  return {connection, turned(plan_.from_client(connection)), kRouterMac};
}

}  // namespace millrace::perf
