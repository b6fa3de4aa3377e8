// whose_packet.cpp: see the header. Most specific first: a service, a SNAT port, one of our addresses, a nat backend.
#include "dataplane/stages/whose_packet.h"

namespace millrace {
namespace {

WorkerIndex service_owner(const Worker& worker, const ServiceTables& service, const Tuple& tuple) {
  const Owner& owner = *worker.state.owner;
  if (owner.worker_count() == 1) return worker.self;
  if (service.mode == Mode::nat) return owner.of_nat_client(tuple.src, tuple.src_port);
  return owner.of_fullnat(tuple.src, tuple.src_port, tuple.dst, tuple.dst_port);
}

}  // namespace

Belonging whose_packet(const Worker& worker, const Tuple& tuple) {
  const Snapshot& snapshot = *worker.snapshot;
  const VipTable& vips = snapshot.vips;
  const Owner& owner = *worker.state.owner;
  const ServiceSlot slot = vips.find_service({.addr = tuple.dst, .port = tuple.dst_port, .proto = tuple.proto});
  if (slot != kNoService) {
    const ServiceTables& service = *snapshot.services[raw(slot)];
    return {.whose = Whose::service, .owner = service_owner(worker, service, tuple), .service = &service};
  }
  const std::optional<OwnedAddress> address = vips.find_address(tuple.dst);
  const bool kernel_owned = address && address->kernel_owned;
  if (address && address->is_snat && vips.is_snat(tuple.dst, tuple.dst_port))
    return {.whose = Whose::snat_reply,
            .owner = owner.of_fullnat(tuple.src, tuple.src_port, tuple.dst, tuple.dst_port),
            .kernel_owned = kernel_owned};
  if (address && !kernel_owned) return {.whose = Whose::our_address};
  if (vips.is_nat_backend({.addr = tuple.src, .port = tuple.src_port, .proto = tuple.proto}))
    return {.whose = Whose::nat_reply, .owner = owner.of_nat_client(tuple.dst, tuple.dst_port)};
  return {.whose = Whose::kernel};
}

}  // namespace millrace
