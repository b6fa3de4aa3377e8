// simulation_wires.cpp: what comes out of the middle, and to whom it goes.
#include <fmt/format.h>

#include <cstdio>

#include "tests/sim/simulation.h"

namespace millrace::sim {

void Simulation::carry_on(MiddleFrame& frame) {
  if (settings_.plant == Plant::bad_checksum && plant_luck_.chance(0.001)) frame.frame.back() ^= 1;
  const Arrival arrival = read_frame(frame.frame);
  if (!arrival.wrong.empty()) return report(fmt::format("the middle sent a bad frame: {}", arrival.wrong));
  if (arrival.too_big)
    take_too_big(arrival, frame.port);
  else if (frame.port == kFront)
    to_client(arrival);
  else
    to_server(arrival);
}

void Simulation::to_client(const Arrival& arrival) {
  const std::optional<uint32_t> number = client_number(arrival.path.dst);
  if (!number || arrival.path.src != vip_endpoint(arrival.path.dst.addr.family()) ||
      arrival.path.dst_mac != kClientMac || arrival.path.src_mac != kFrontMac)
    return report("to no client: " + arrival.segment.text());
  const auto found = alive_.find(*number);
  if (found == alive_.end()) {
    ++judge_.tally.strays;
    return;
  }
  deliver(*found->second, kClientEnd, arrival.segment);
}

void Simulation::to_server(const Arrival& arrival) {
  const auto& [src, dst] = std::tie(arrival.path.src, arrival.path.dst);
  if (!middle_->is_backend(dst) || arrival.path.dst_mac != kBackendMac || arrival.path.src_mac != kBackMac)
    return report("to no server: " + arrival.segment.text());
  const Pair pair{src.addr, src.port.host(), dst.addr, dst.port.host()};
  if (arrival.segment.has(kSyn) && !take_syn(arrival, pair)) return;
  if (arrival.segment.has(kRst)) unknown_syns_.erase(pair);
  const auto place = servers_.find(pair);
  Conversation* conversation = place == servers_.end() ? nullptr : find(place->second.number, place->second.life);
  if (conversation == nullptr) {
    ++judge_.tally.strays;
    return;
  }
  deliver(*conversation, place->second.end, arrival.segment);
}

// A server is made for the first SYN from a source, and for one after its end. False: it goes nowhere.
bool Simulation::take_syn(const Arrival& arrival, const Pair& pair) {
  const auto known = servers_.find(pair);
  const std::optional<Endpoint> client = middle_->client_behind(arrival.path.src, arrival.path.dst);
  const std::optional<uint32_t> number = client ? client_number(*client) : std::nullopt;
  if (!number) {
    unknown_syns_.insert(pair);
    return false;
  }
  const auto found = alive_.find(*number);
  if (found == alive_.end()) {
    ++judge_.tally.strays;
    return false;
  }
  Conversation& conversation = *found->second;
  const uint32_t life = conversation.script().life;
  if (known != servers_.end() && known->second.number == *number && known->second.life == life) {
    const TcpEnd& before = conversation.end(known->second.end);
    if (!before.listens_again()) return true;
    // A SYN that arrives behind the server's reset begins anew, while the old SYN-ACK may still be under way.
    if (before.ending() != Ending::closed) conversation.mute();
  }
  servers_[pair] = {*number, life, conversation.add_server(arrival.path.src, arrival.path.dst)};
  return true;
}

void Simulation::deliver(Conversation& conversation, int end, const Segment& sent) {
  Segment segment = sent;
  const uint32_t number = conversation.script().number, life = conversation.script().life;
  if (settings_.plant != Plant::none && spoil(settings_.plant, number, plant_luck_, segment)) {
    if (settings_.plant == Plant::swallow) return;
    trace(conversation, "planted:", segment);
  }
  const bool to_client = end == kClientEnd;
  const Hop hop = to_client ? Hop::front_to_client : Hop::back_to_server;
  const Link::Fate fate = conversation.link(hop).carry(now_ms_, judge_.tally);
  trace(conversation, fate.count != 0 ? (to_client ? "front >" : "back >") : (to_client ? "front x" : "back x"),
        segment);
  for (unsigned i = 0; i < fate.count; ++i)
    schedule(fate.at_ms[i],
             {.what = Event::What::to_end, .number = number, .life = life, .end = end, .segment = segment});
}

// About a segment of the receiver's own, which it quotes.
void Simulation::take_too_big(const Arrival& arrival, PortIndex port) {
  const TooBig& told = *arrival.too_big;
  if (told.src.addr != arrival.path.dst.addr) return report("an error message to somebody else");
  if (port == kFront) {
    const std::optional<uint32_t> number = client_number(told.src);
    const auto found = number ? alive_.find(*number) : alive_.end();
    if (found == alive_.end()) return report("an error message about no client's segment");
    return deliver(*found->second, kClientEnd, told);
  }
  const auto place = servers_.find({told.dst.addr, told.dst.port.host(), told.src.addr, told.src.port.host()});
  Conversation* conversation = place == servers_.end() ? nullptr : find(place->second.number, place->second.life);
  if (conversation == nullptr) return report("an error message about no server's segment");
  deliver(*conversation, place->second.end, told);
}

void Simulation::deliver(Conversation& conversation, int end, const TooBig& too_big) {
  const Hop hop = end == kClientEnd ? Hop::front_to_client : Hop::back_to_server;
  const Link::Fate fate = conversation.link(hop).carry(now_ms_, judge_.tally);
  const Script& script = conversation.script();
  if (settings_.trace)
    std::printf("%10.3f %u.%u too big: seq %u, MTU %u\n", static_cast<double>(now_ms_) / 1000, script.number,
                script.life, too_big.seq, too_big.mtu_bytes);
  for (unsigned i = 0; i < fate.count; ++i)
    schedule(
        fate.at_ms[i],
        {.what = Event::What::to_end, .number = script.number, .life = script.life, .end = end, .too_big = too_big});
}

void Simulation::trace(const Conversation& conversation, const char* what, const Segment& segment) const {
  if (!settings_.trace) return;
  const Script& script = conversation.script();
  std::printf("%10.3f %u.%u %-10s %s\n", static_cast<double>(now_ms_) / 1000, script.number, script.life, what,
              segment.text().c_str());
}

}  // namespace millrace::sim
