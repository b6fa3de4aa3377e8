#include "dataplane/stages/proxy_hello.h"

#include <algorithm>

#include "dataplane/stages/connection.h"
#include "dataplane/stages/proxy_connect.h"
#include "dataplane/stages/proxy_handshake.h"
#include "dataplane/stages/proxy_say.h"

namespace millrace {
namespace {

using HelloBytes = std::array<uint8_t, kHelloBytesMax>;

HelloName read_held(const Worker& worker, ConnIndex index, std::span<char, kServerNameBytesMax> storage) {
  HelloBytes scratch;
  const uint16_t place = worker.slab[index].hello;
  return read_client_hello(worker.hellos.read(place, 0, worker.hellos.count(place), scratch), storage);
}

void choose_backend(Worker& worker, ConnIndex index) {
  const ServiceTables* service = service_of(worker, worker.slab[index]);
  if (service == nullptr) return refuse_client(worker, index, kNoBackend);
  connect_backend(worker, index, *service, kNoBackend);
}

}  // namespace

void begin_hello(Worker& worker, ConnIndex index, const ServiceTables& service, const TcpSegment& segment) {
  ConnEntry& entry = worker.slab[index];
  Splice& splice = worker.splice(index);
  entry.state = ConnState::hello;
  splice.deadline_ms = splice.due_ms = worker.clock.now32_ms() + service.hello_timeout_ms;
  arm_connection(worker, index);
  if (segment.payload_bytes != 0) take_hello_segment(worker, index, segment);
}

bool take_hello_segment(Worker& worker, ConnIndex index, const TcpSegment& segment) {
  ConnEntry& entry = worker.slab[index];
  Splice& splice = worker.splice(index);
  // What lies before is here already; behind a gap nothing is kept.
  const uint32_t known = splice.client_next - segment.seq;
  const bool in_order = known <= segment.payload_bytes;
  if (in_order && known < segment.payload_bytes) {
    if (entry.hello == kNoHello) entry.hello = worker.hellos.claim();
    if (entry.hello == kNoHello) return false;
    const size_t taken = worker.hellos.append(entry.hello, segment.payload().subspan(known), worker.state.mbuf_pool);
    if (taken == 0) return false;
    splice.client_next += static_cast<uint32_t>(taken);
  }
  const bool ends = segment.has(kTcpFin) && splice.client_next == segment.seq + segment.payload_bytes;
  std::array<char, kServerNameBytesMax> storage;
  if (ends || (entry.hello != kNoHello && read_held(worker, index, storage).verdict != HelloVerdict::more)) {
    if (entry.hello != kNoHello) say_ack_to_client(worker, index, 0);
    choose_backend(worker, index);
  } else if (segment.length() != 0 || segment.seq != splice.client_next) {
    say_ack_to_client(worker, index, client_window(worker, index));
  }
  return true;
}

std::string_view server_name(const Worker& worker, ConnIndex index, std::span<char, kServerNameBytesMax> storage) {
  if (worker.slab[index].hello == kNoHello) return {};
  const HelloName hello = read_held(worker, index, storage);
  return hello.verdict == HelloVerdict::named ? hello.name : std::string_view{};
}

const PickTable* table_of(Worker& worker, ConnIndex index, const ServiceTables& service) {
  const Family family = worker.slab[index].family;
  if (!service.hosts) return &service.table(family);
  std::array<char, kServerNameBytesMax> storage;
  return service.hosts->find(server_name(worker, index, storage), family, worker.host_matcher);
}

uint16_t client_window(const Worker& worker, ConnIndex index) {
  if (worker.slab[index].state != ConnState::hello) return 0;
  const bool scales = worker.splices[raw(index)].client_window_scale != kNoWindowScale;
  return static_cast<uint16_t>((kHelloWindowBytes - held_bytes(worker, index)) >> (scales ? kOwnWindowScale : 0));
}

uint32_t held_bytes(const Worker& worker, ConnIndex index) { return worker.hellos.count(worker.slab[index].hello); }

void release_hello(Worker& worker, ConnIndex index) {
  worker.hellos.release(worker.slab[index].hello);
  worker.slab[index].hello = kNoHello;
}

}  // namespace millrace
