#include "perf/micro/bed.h"

#include <malloc.h>
#include <rte_cycles.h>
#include <rte_rcu_qsbr.h>
#include <rte_ring_elem.h>

#include <algorithm>
#include <cstdlib>

#include "dataplane/stages/connection.h"
#include "dataplane/tcp/tcp_state.h"
#include "perf/micro/configuration.h"
#include "perf/micro/proxied_handshake.h"
#include "perf/micro/random_order.h"

namespace millrace::perf {
namespace {

constexpr PortIndex kPort{0};
constexpr uint32_t kOpenedAtOnce = 65'536;  // frames that are ready for opening, not all at once
constexpr uint32_t kFramesMin = 4096;       // so that bursts of one flow are as long as any

// By this process, in hugepages and in ordinary memory.
double allocated_bytes() {
  const struct mallinfo2 ordinary = mallinfo2();
  return static_cast<double>(heap_bytes() + ordinary.uordblks + ordinary.hblkhd);
}

uint32_t connections_per_worker(const BedOptions& options) {
  const uint32_t flows = options.last_owns_all ? options.flows : options.flows / options.workers;
  return std::max<uint32_t>(1, flows) + options.room;
}

// The same mixture in every twelve frames.
uint32_t frame_bytes_of(const BedOptions& options, uint32_t place) {
  if (options.frame_bytes != kImix) return options.frame_bytes;
  constexpr std::array<uint32_t, 12> kMixture = {64, 594, 64, 64, 594, 64, 1518, 64, 594, 64, 594, 64};
  return kMixture[place % kMixture.size()];
}

size_t entry_bytes(const BedOptions& options) {
  return sizeof(ConnEntry) + (options.mode == Mode::proxy ? sizeof(Splice) : 0);
}

}  // namespace

Bed::Bed(const BedOptions& options, std::nullptr_t)
    : options_(options),
      plan_{options.proto, options.family},
      translations_(plan_, options.mode, options.flows + options.newcomers),
      ends_(options.family, options.timestamps, options.numbered() ? options.flows + options.newcomers : 0),
      traffic_(options.workers,
               FrameDeck(options.family, options.proto, options.timestamps ? kTimestampBytes : uint16_t{})),
      service_info_(kServiceMax),
      backend_info_(kBackendMax) {}

Bed::Bed(const BedOptions& options) : Bed(options, nullptr) {
  make_state();
  publisher_ = std::make_unique<Publisher>(state_, steering_, Directory(service_info_, backend_info_));
  if (publisher_->apply(configuration(options_, plan_, 1)) != RejectReason::none)
    throw std::runtime_error("the configuration was refused: " + publisher_->last_error());
  make_network();
  make_workers();
  if (options_.opened) open_all();
}

void Bed::open_all() {
  for (uint32_t first = 0; first < options_.flows; first += kOpenedAtOnce) {
    const uint32_t count = std::min(kOpenedAtOnce, options_.flows - first);
    if (options_.mode == Mode::proxy)
      open_proxied(*this, first, count);
    else
      open_connections(first, count);
  }
  rewound_.assign(state_.splices.begin(), state_.splices.end());
  make_traffic();
  check_nothing_lost();
}

void Bed::forget_all() {
  for (uint32_t i = 0; i < options_.flows; ++i) translations_.forget(i);
  for (FrameDeck& deck : traffic_) deck.clear();
}

Bed::~Bed() {
  for (unsigned q = 0; q < memory_port().queue_count(); ++q) {
    memory_port().queue(q).play({});
    memory_port().queue(q).set_sink(nullptr);
  }
  workers_.clear();
  publisher_.reset();
  for (rte_ring* ring : state_.notes) rte_ring_free(ring);
  for (rte_ring* ring : state_.handover) rte_ring_free(ring);
  std::free(state_.qsbr);
}

void Bed::make_state() {
  const unsigned count = options_.workers;
  state_.tsc_hz = rte_get_tsc_hz();
  state_.idle = IdlePolicy::busy;
  state_.mbuf_pool = packet_pool();
  const std::vector<uint8_t> reta(options_.last_owns_all ? 1 : 0, static_cast<uint8_t>(count - 1));
  state_.owner = std::make_unique<Owner>(count, reta);
  state_.qsbr =
      static_cast<rte_rcu_qsbr*>(std::aligned_alloc(64, (rte_rcu_qsbr_get_memsize(count) + 63) & ~size_t{63}));
  rte_rcu_qsbr_init(state_.qsbr, count);

  const size_t entries = size_t{connections_per_worker(options_)} * count;
  slab_memory_.emplace(entries * sizeof(ConnEntry));
  state_.slab = {static_cast<ConnEntry*>(slab_memory_->data()), entries};
  if (options_.mode == Mode::proxy) {
    splice_memory_.emplace(entries * sizeof(Splice));
    state_.splices = {static_cast<Splice*>(splice_memory_->data()), entries};
  }

  worker_info_.reset(new WorkerInfo[count]());
  worker_counters_.reset(new WorkerCounters[count]());
  state_.worker_info = {worker_info_.get(), count};
  state_.worker_counters = {worker_counters_.get(), count};
  for (unsigned w = 0; w < count; ++w) {
    service_counters_.emplace_back(new ServiceCounters[kServiceMax]());
    backend_counters_.emplace_back(new BackendCounters[kBackendMax]());
    backend_handshakes_.emplace_back(new BackendHandshakes[kBackendMax]());
    service_lifetimes_.emplace_back(new ServiceLifetimes[kServiceMax]());
    state_.service_counters.push_back(service_counters_.back().get());
    state_.backend_counters.push_back(backend_counters_.back().get());
    state_.backend_counters_own.push_back(backend_counters_.back().get());
    state_.backend_handshakes.push_back(backend_handshakes_.back().get());
    state_.service_lifetimes.push_back(service_lifetimes_.back().get());
  }
}

void Bed::make_network() {
  Port port;
  port.index = kPort;
  port.kind = DeviceKind::null;
  port.dpdk_port = memory_port().dpdk_port();
  port.mac = kOwnMac;
  port.name = "memory";
  port.device = "null";
  port.queue_count = static_cast<uint16_t>(options_.workers);
  for (unsigned w = 0; w < options_.workers; ++w) port.queue_owner[w] = static_cast<WorkerIndex>(w);
  state_.ports = {port};

  const bool ipv4 = options_.family == Family::ipv4;
  IpAddr lan = plan_.backend(0);
  lan.bytes[14] = lan.bytes[15] = 0;
  publisher_->set_routes({{.prefix = ipv4 ? IpAddr::from_ipv4(Be32{}) : IpAddr{},
                           .prefix_bits = 0,
                           .port = kPort,
                           .gateway = plan_.router()},
                          {.prefix = lan, .prefix_bits = static_cast<uint8_t>(ipv4 ? 16 : 112), .port = kPort}});
  state_.neighbours = std::make_unique<NeighbourTable>();
  state_.neighbours->set_resolved(state_.neighbours->add(kPort, plan_.router()), kRouterMac);
  for (unsigned i = 0; i < kBackendCount; ++i)
    state_.neighbours->set_resolved(state_.neighbours->add(kPort, plan_.backend(i)), backend_mac(i));
}

void Bed::make_workers() {
  const unsigned count = options_.workers;
  const unsigned one_to_one = RING_F_SP_ENQ | RING_F_SC_DEQ;
  for (unsigned from = 0; from < count; ++from) {
    const std::string name = "bed_notes_" + std::to_string(from);
    state_.notes.push_back(
        rte_ring_create_elem(name.c_str(), sizeof(WorkerNote), kNoteRingSlots, SOCKET_ID_ANY, one_to_one));
    if (state_.notes.back() == nullptr) throw std::runtime_error("no hugepages free for a ring");
    for (unsigned to = 0; to < count; ++to) {
      const std::string pair = "bed_" + std::to_string(from) + "_" + std::to_string(to);
      state_.handover.push_back(
          from == to ? nullptr : rte_ring_create(pair.c_str(), kHandoverRingSlots, SOCKET_ID_ANY, one_to_one));
      if (from != to && state_.handover.back() == nullptr) throw std::runtime_error("no hugepages free for a ring");
    }
  }
  const double before = allocated_bytes();
  for (unsigned w = 0; w < count; ++w) workers_.push_back(make_worker(state_, static_cast<WorkerIndex>(w)));
  const double made = allocated_bytes() - before + static_cast<double>(state_.slab.size() * entry_bytes(options_));
  bytes_per_connection_ = made / static_cast<double>(state_.slab.size());
  no_announcements();
}

void Bed::no_announcements() {
  const Snapshot& snapshot = *state_.snapshot.load(std::memory_order_relaxed);
  for (const auto& worker : workers_) {
    worker->announced_generation = snapshot.generation;
    worker->announce_next = UINT32_MAX;
  }
}

uint64_t Bed::counted(Counter WorkerCounters::*counter) const {
  uint64_t sum = 0;
  for (const WorkerCounters& counters : state_.worker_counters) sum += (counters.*counter).read();
  return sum;
}

unsigned Bed::owner_of(uint32_t connection) const {
  const Tuple tuple = plan_.from_client(connection);
  const Owner& owner = *state_.owner;
  return raw(options_.mode == Mode::nat ? owner.of_nat_client(tuple.src, tuple.src_port)
                                        : owner.of_fullnat(tuple.src, tuple.src_port, tuple.dst, tuple.dst_port));
}

FrameFields Bed::fields_of(const Tuple& tuple, uint8_t tcp_flags, uint32_t frame_bytes) const {
  const bool from_client = tuple.dst == plan_.vip();
  const MacAddr from = from_client ? kRouterMac : backend_mac(plan_.number_of_backend(tuple.src).value_or(0));
  return {.tuple = tuple,
          .dst_mac = kOwnMac,
          .src_mac = from,
          .tcp_flags = tcp_flags,
          .data_bytes = data_bytes_of(options_.family, options_.proto, frame_bytes)};
}

FrameFields Bed::fields_of(const Tuple& tuple, uint8_t tcp_flags, const TcpFields& tcp, uint16_t payload_bytes) const {
  FrameFields fields = fields_of(tuple, tcp_flags);
  fields.tcp = tcp;
  fields.data_bytes =
      static_cast<uint16_t>(header_bytes(options_.family, options_.proto, tcp_option_bytes(tcp)) + payload_bytes);
  return fields;
}

void Bed::play_through(const FrameDeck& deck, unsigned queue, const MemoryQueue::Sink& sink) {
  // A sink that throws ends with us, too.
  struct Sinks {
    unsigned workers;
    ~Sinks() {
      for (unsigned q = 0; q < workers; ++q) memory_port().queue(q).set_sink(nullptr);
    }
  } const sinks{options_.workers};
  for (unsigned q = 0; q < options_.workers; ++q) {
    memory_port().queue(q).play({});
    memory_port().queue(q).set_sink(sink);
  }
  memory_port().queue(queue).play(once(deck));
  unsigned taken = 1;
  while (taken != 0) {
    taken = 0;
    for (const auto& worker : workers_) {
      // Time stands still: no pause of ours makes the balancer say something again.
      if (options_.mode == Mode::proxy) pass_time(*worker, 0);
      taken += worker_turn(*worker);
    }
  }
}

void Bed::pass(const FrameDeck& deck, unsigned queue, bool first_packets) {
  size_t seen = 0;
  play_through(deck, queue, [&](const uint8_t* frame, uint16_t data_bytes) {
    if (seen == deck.size()) wrong("more packets out than in");
    const uint8_t* sent = deck.slot(seen);
    const Tuple received = read_tuple(sent);
    if (first_packets) translations_.learn(received, read_tuple(frame));
    const Forwarded forwarded = translations_.expected(received);
    TcpFields tcp = read_tcp(sent);
    if (options_.mode == Mode::proxy) tcp = ends_.translated(forwarded.connection, received.dst == plan_.vip(), tcp);
    check_frame(frame, data_bytes,
                {.tuple = forwarded.tuple,
                 .dst_mac = forwarded.dst_mac,
                 .src_mac = kOwnMac,
                 .ttl = 63,
                 .tcp_flags = read_tcp_flags(sent),
                 .tcp = tcp,
                 .data_bytes = deck.data_bytes(seen)});
    ++seen;
  });
  if (seen != deck.size()) wrong(std::to_string(deck.size()) + " packets in, " + std::to_string(seen) + " out");
}

void Bed::open_connections(uint32_t first, uint32_t count) {
  FrameDeck deck(options_.family, options_.proto);
  deck.reserve(count);
  for (unsigned w = 0; w < options_.workers; ++w) {
    const auto play = [&](bool from_client, uint8_t tcp_flags, bool first_packets) {
      deck.clear();
      for (uint32_t i = first; i < first + count; ++i) {
        if (options_.workers != 1 && owner_of(i) != w) continue;
        const Tuple tuple = from_client ? plan_.from_client(i) : translations_.from_backend(i);
        deck.add(fields_of(tuple, tcp_flags));
      }
      pass(deck, options_.last_owns_all ? 0 : w, first_packets);
    };
    play(true, kTcpSyn, true);
    play(false, kTcpSyn | kTcpAck, false);
    play(true, kTcpAck, false);
  }
}

void Bed::make_traffic() {
  const uint32_t frames = std::max(2 * options_.flows, kFramesMin);
  const RandomOrder order(frames, 1);
  if (options_.numbered()) said_.assign(options_.flows, {});
  traffic_[0].reserve(frames / (options_.last_owns_all ? 1 : options_.workers));
  for (uint32_t place = 0; place < frames; ++place) {
    const uint32_t connection = order[place] / 2 % options_.flows;
    const bool from_client = order[place] % 2 == 0;
    const unsigned queue = options_.workers == 1 || options_.last_owns_all ? 0 : owner_of(connection);
    traffic_[queue].add(frame_of(connection, from_client, frame_bytes_of(options_, place)));
  }
}

// The next one of that end. With numbers each has something to say and acknowledges all that was said.
FrameFields Bed::frame_of(uint32_t connection, bool from_client, uint32_t frame_bytes) {
  const Tuple tuple = from_client ? plan_.from_client(connection) : translations_.from_backend(connection);
  if (!options_.numbered()) return fields_of(tuple, kTcpAck, frame_bytes);
  Said& said = said_[connection];
  const TcpFields tcp = from_client ? ends_.from_client(connection, said) : ends_.from_backend(connection, said);
  const uint16_t headers = header_bytes(options_.family, options_.proto, tcp_option_bytes(tcp));
  const auto payload_bytes = static_cast<uint16_t>(std::max<uint32_t>(frame_bytes - kFcsBytes, headers + 1) - headers);
  (from_client ? said.client_bytes : said.backend_bytes) += payload_bytes;
  ++(from_client ? said.client_ms : said.backend_ms);
  return fields_of(tuple, kTcpAck, tcp, payload_bytes);
}

ConnIndex Bed::find(uint32_t connection) const {
  const Tuple tuple = plan_.from_client(connection);
  const ConnTable& table = workers_[0]->table;
  const auto proto = static_cast<uint32_t>(tuple.proto);
  if (tuple.src.is_ipv4())
    return table.find4({tuple.src.ipv4(), tuple.dst.ipv4(), tuple.src_port, tuple.dst_port, proto}).index;
  return table.find6({tuple.src.bytes, tuple.dst.bytes, tuple.src_port, tuple.dst_port, proto}).index;
}

void Bed::close(uint32_t first, uint32_t count) {
  for (uint32_t i = first; i < first + count; ++i) {
    const ConnIndex index = find(i);
    if (index == kNoConn) wrong("not opened: " + text_of(plan_.from_client(i)));
    close_connection(*workers_[0], index, FlowEnd::timer);
    translations_.forget(i);
  }
}

void Bed::rewind() { std::copy(rewound_.begin(), rewound_.end(), state_.splices.begin()); }

void Bed::check_traffic() {
  rewind();
  for (unsigned w = 0; w < options_.workers; ++w)
    if (traffic_[w].size() != 0) pass(traffic_[w], w, false);
  check_nothing_lost();
  for (size_t at = 0; at < state_.splices.size(); ++at)
    if (state_.slab[at].state == ConnState::established) check_splice(state_.slab[at], state_.splices[at]);
}

void Bed::check_splice(const ConnEntry& entry, const Splice& splice) const {
  const uint32_t connection = translations_.connection_of(client_tuple(entry));
  const Said& said = said_[connection];
  if (splice.client_next != ends_.client_begin(connection) + said.client_bytes ||
      splice.backend_next != ends_.backend_begin(connection) + said.backend_bytes)
    wrong("numbers were not noticed: " + text_of(plan_.from_client(connection)));
}

void Bed::check_nothing_lost() const {
  for (const WorkerCounters& counters : state_.worker_counters)
    for (uint32_t reason = 0; reason < kDropReasonCount; ++reason)
      if (const uint64_t count = counters.dropped[reason].read())
        wrong(std::to_string(count) + " packets dropped: " + std::string(kDropReasonNames[reason]));
  if (counted(&WorkerCounters::diverted) + counted(&WorkerCounters::held) != 0) wrong("packets diverted or held");
  if (!options_.last_owns_all && counted(&WorkerCounters::handed_out) != 0) wrong("packets of another worker's");
}

void check_frame(const uint8_t* frame, uint16_t data_bytes, const FrameFields& wanted) {
  std::vector<uint8_t> bytes(wanted.data_bytes);
  write_headers(bytes.data(), wanted);
  const uint8_t* end = frame + data_bytes;
  const auto differs = std::mismatch(frame, end, bytes.begin(), bytes.end()).first;
  if (differs != end || data_bytes != bytes.size())
    wrong(text_of(read_tuple(frame)) + ", wanted " + text_of(wanted.tuple) + "; first difference in byte " +
          std::to_string(differs - frame) + " of " + std::to_string(data_bytes));
}

void pass_time(Worker& worker, uint32_t ms) {
  const uint64_t tsc = rte_rdtsc();
  worker.clock.anchor(tsc, worker.clock.now_ms() + ms);
  worker.clock.advance(tsc);
  worker.clock.anchor(tsc, worker.clock.now_ms());
}

namespace {
std::optional<BedOptions> present_options;
std::unique_ptr<Bed> present;
}  // namespace

Bed& bed_for(const BedOptions& options) {
  if (!present || present_options != options) {
    take_down_bed();
    need_hugepages(uint64_t{connections_per_worker(options)} * options.workers, entry_bytes(options));
    present = std::make_unique<Bed>(options);
    present_options = options;
  }
  return *present;
}

void take_down_bed() { present.reset(); }

}  // namespace millrace::perf
