#include "perf/traffic/bench.h"

#include <rte_malloc.h>

#include <new>
#include <stdexcept>
#include <string>

#include "dataplane/ports/unmap_grace.h"

namespace millrace::traffic {
namespace {

constexpr double kStallUs = 50;
// What has not come back after so long is lost. Queues empty in far less, but on a machine that is shared the far end
// may be waiting for its CPU.
constexpr double kQuietMs = 300;
constexpr double kDrainMs = 3000;
constexpr uint32_t kTurnsPerLinkCheck = 4096;

}  // namespace

uint64_t Tally::faulty() const {
  uint64_t sum = 0;
  for (const uint64_t count : faults) sum += count;
  return sum;
}

Bench::Bench(const Options& asked, Wires& wires)
    : options(asked),
      tsc_hz(static_cast<double>(rte_get_tsc_hz())),
      wires_(wires),
      clients_(asked.clients, asked.clients_bits, asked.seed),
      reader_(asked.family, asked.proto, clients_, asked.vip, asked.first_backend, asked.backend_count),
      forward_writer_(asked.family, asked.proto, wires.clients_side().mac(), wires.clients_side().peer()),
      reverse_writer_(asked.family, asked.proto, wires.backends_side().mac(), wires.backends_side().peer()),
      stall_min_(static_cast<uint64_t>(kStallUs * 1e-6 * tsc_hz)),
      random_(asked.seed * 0x9e3779b97f4a7c15 | 1) {
  qsbr_.reset(static_cast<rte_rcu_qsbr*>(rte_zmalloc("turns", rte_rcu_qsbr_get_memsize(1), RTE_CACHE_LINE_SIZE)));
  if (!qsbr_) throw std::runtime_error("no memory; reserve more huge pages");
  rte_rcu_qsbr_init(qsbr_.get(), 1);
  rte_rcu_qsbr_thread_register(qsbr_.get(), 0);
  rte_rcu_qsbr_thread_online(qsbr_.get(), 0);
  begin_unmap_grace(qsbr_.get());
  if (options.mix != Mix::established) return;
  auto* memory = static_cast<Flow*>(rte_zmalloc("flows", sizeof(Flow) * options.flows, alignof(Flow)));
  if (memory == nullptr)
    throw std::runtime_error("no memory for " + std::to_string(options.flows) + " flows; reserve " +
                             std::to_string(sizeof(Flow) * options.flows / (2u << 20) + 1) +
                             " more huge pages of 2 MB");
  for (uint32_t i = 0; i < options.flows; ++i) new (memory + i) Flow;
  flows = {memory, options.flows};
}

Bench::~Bench() {
  rte_rcu_qsbr_thread_offline(qsbr_.get(), 0);
  end_unmap_grace();
  rte_free(flows.data());
}

void Bench::FreeQsbr::operator()(rte_rcu_qsbr* qsbr) const { rte_free(qsbr); }

// Nothing of a device is in use here.
void Bench::end_turn() {
  rte_rcu_qsbr_quiescent(qsbr_.get(), 0);
  if (++turns_ % kTurnsPerLinkCheck == 0) wires_.check_links();
}

void Bench::begin_trial() {
  tally_ = {};
  latency_.clear();
  sent_before_ = refused_before_ = 0;
  for (const Wire& wire : wires_.all()) {
    sent_before_ += wire.sent;
    refused_before_ += wire.refused;
  }
  began_ = last_tsc_ = last_arrival_ = rte_rdtsc();
  drain_began_ = 0;
}

bool Bench::draining() {
  const uint64_t tsc = now();
  if (drain_began_ == 0) drain_began_ = last_arrival_ = tsc;
  const Tally all = tally();
  if (all.received + all.faulty() == all.sent) return false;
  return static_cast<double>(tsc - last_arrival_) < kQuietMs * 1e-3 * tsc_hz &&
         static_cast<double>(tsc - drain_began_) < kDrainMs * 1e-3 * tsc_hz;
}

Tally Bench::tally() const {
  Tally tally = tally_;
  for (const Wire& wire : wires_.all()) {
    tally.sent += wire.sent;
    tally.refused += wire.refused;
  }
  tally.sent -= sent_before_;
  tally.refused -= refused_before_;
  return tally;
}

uint64_t Bench::now() {
  const uint64_t tsc = rte_rdtsc();
  if (tsc - last_tsc_ > stall_min_) {
    ++tally_.stalls;
    tally_.stall_cycles += tsc - last_tsc_;
  }
  return last_tsc_ = tsc;
}

void Bench::send(Wire& wire, const FrameWriter& writer, const Ends& ends, const Message& message) {
  rte_mbuf* mbuf = wire.next_frame();
  if (mbuf == nullptr) return;
  const uint16_t frame_bytes = options.frame_bytes[size_next_];
  if (++size_next_ == options.frame_bytes.size()) size_next_ = 0;
  mbuf->data_len = writer.write(rte_pktmbuf_mtod(mbuf, uint8_t*), ends, message, frame_bytes);
  mbuf->pkt_len = mbuf->data_len;
}

void Bench::send_forward(const Message& message) {
  send(wires_.clients_side(), forward_writer_, {clients_.client(message.id), options.vip}, message);
}

void Bench::send_reverse(const Endpoint& snat, unsigned backend, const Message& message) {
  send(wires_.backends_side(), reverse_writer_, {backend_endpoint(options.first_backend, backend), snat}, message);
}

void Bench::flush() {
  for (Wire& wire : wires_.all()) wire.flush();
}

// Checksums, and whether the flow has kept its SNAT address, of each Nth.
Fault Bench::judge(const rte_mbuf* mbuf, const MacAddr& mac, Arrival& arrival) {
  const auto* frame = rte_pktmbuf_mtod(mbuf, const uint8_t*);
  if (mbuf->nb_segs != 1) return Fault::malformed;
  const Fault fault = reader_.read(frame, mbuf->data_len, mac, arrival);
  if (fault != Fault::none) return fault;
  if (!flows.empty() && arrival.message.id >= flows.size()) return Fault::unknown_flow;
  if (++verify_next_ < options.verify_every) return Fault::none;
  verify_next_ = 0;
  if (arrival.to_backend && !flows.empty()) {
    const Flow& flow = flows[arrival.message.id];
    if (flow.open && (flow.snat != arrival.ends.src || flow.backend != arrival.backend)) return Fault::wrong_snat;
  }
  return reader_.check_sums(frame);
}

// True when the frame is one of this trial, and right.
bool Bench::count(Fault fault, const Arrival& arrival, uint64_t tsc) {
  if (fault == Fault::foreign) {
    ++tally_.foreign;
    return false;
  }
  if (fault != Fault::none) {
    ++tally_.faults[static_cast<unsigned>(fault)];
    return false;
  }
  const uint64_t age = (tsc - arrival.message.stamp) & kStampMask;
  if (age > tsc - began_) {
    ++tally_.late;
    return false;
  }
  ++tally_.received;
  latency_.add(age);
  return true;
}

// SplitMix64, and a multiplication instead of a division.
uint32_t Bench::random_below(uint32_t bound) {
  uint64_t value = random_ += 0x9e3779b97f4a7c15;
  value = (value ^ value >> 30) * 0xbf58476d1ce4e5b9;
  value = (value ^ value >> 27) * 0x94d049bb133111eb;
  return static_cast<uint32_t>((value >> 32) * bound >> 32);
}

}  // namespace millrace::traffic
