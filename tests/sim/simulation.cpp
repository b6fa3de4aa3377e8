// simulation.cpp: events and the ends. What the middle sends is carried on by simulation_wires.cpp.
#include "tests/sim/simulation.h"

#include <fmt/format.h>
#include <rte_mbuf.h>

#include <algorithm>
#include <cstdio>
#include <utility>

namespace millrace::sim {
namespace {

// The workers' timers are turned at least so often.
constexpr VirtualMs kTurnMsMax = 100;
// What is left of a connection may be under way for so long after its end.
constexpr VirtualMs kLingerMs = 2 * kHopMsMax + 500;
// Nothing takes so long, however bad the links: what is not over by then never will be.
constexpr VirtualMs kLifeMsMax = 1'500'000;
// Longer than any timeout of the dataplane with the bed's settings.
constexpr VirtualMs kDrainMsMax = 400'000;

}  // namespace

Simulation::Simulation(const SimulationSettings& settings)
    : settings_(settings),
      judge_(settings.leniency),
      faults_before_(Middle::faults()),
      middle_(std::make_unique<Middle>(settings.middle)),
      next_number_(settings.has_only ? settings.only : 0),
      plant_luck_(settings.scripts.seed, UINT64_MAX) {}

Simulation::~Simulation() {
  middle_.reset();
  for (rte_mbuf* buffer : lost_buffers_) rte_pktmbuf_free(buffer);
}

void Simulation::run() {
  begun_ = told_ = std::chrono::steady_clock::now();
  if (settings_.has_only) now_ms_ = begin_ms(settings_.only) - 1;
  while (next_number_ < number_end() || !alive_.empty()) {
    if (Middle::faults() != faults_before_) break;
    step_to(std::min(now_ms_ + kTurnMsMax, next_ms()));
  }
  spoil_middle();
  drain();
  check_drops();
  middle_.reset();  // which looks for lost packet buffers
  if (Middle::faults() != faults_before_) report("the bed's own checks failed; it said why");
}

// Evenly, but a quarter of the time in storms of five times the rate, with silence behind them.
VirtualMs Simulation::begin_ms(uint32_t number) const {
  constexpr VirtualMs kCycleMs = 40'000, kStormMs = 10'000;
  const VirtualMs even_ms = uint64_t{number} * 1000 / settings_.rate;
  const VirtualMs phase_ms = even_ms % kCycleMs;
  return 1000 + even_ms - phase_ms + (phase_ms < kStormMs ? phase_ms / 5 : phase_ms);
}

VirtualMs Simulation::next_ms() const {
  const VirtualMs begin = next_number_ < number_end() ? begin_ms(next_number_) : kNever;
  return std::max(now_ms_ + 1, std::min(begin, due_.empty() ? kNever : due_.begin()->first));
}

void Simulation::step_to(VirtualMs ms) {
  now_ms_ = judge_.now_ms = ms;
  middle_->set_time(ms);
  begin_connections();
  while (!due_.empty() && due_.begin()->first <= ms) {
    std::vector<Event> events = std::move(due_.begin()->second);
    due_.erase(due_.begin());
    for (Event& event : events) handle(event);
  }
  for (MiddleFrame& frame : middle_->turn()) carry_on(frame);
  for (const Pair& pair : unknown_syns_)
    report(fmt::format("SYN from port {} to a server for no client", std::get<1>(pair)));
  unknown_syns_.clear();
  tell_progress();
}

void Simulation::begin_connections() {
  for (; next_number_ < number_end() && begin_ms(next_number_) <= now_ms_; ++next_number_) begin(next_number_, 0);
}

void Simulation::begin(uint32_t number, uint32_t life) {
  const Script script = draw_script(settings_.scripts, number, life);
  auto conversation = std::make_unique<Conversation>(script, settings_.facts, judge_, now_ms_);
  if (settings_.trace) std::fputs(script.text().c_str(), stdout);
  Conversation& begun = *conversation;
  alive_[number] = std::move(conversation);
  alive_max_ = std::max<uint64_t>(alive_max_, alive_.size());
  begun.end(kClientEnd).open(now_ms_);
  settle(begun, kClientEnd);
  schedule(now_ms_ + kLifeMsMax, {.what = Event::What::give_up, .number = number, .life = life});
}

Conversation* Simulation::find(uint32_t number, uint32_t life) {
  const auto found = alive_.find(number);
  return found != alive_.end() && found->second->script().life == life ? found->second.get() : nullptr;
}

void Simulation::handle(Event& event) {
  if (event.what == Event::What::begin) return begin(event.number, event.life);
  Conversation* conversation = find(event.number, event.life);
  if (conversation == nullptr) return;
  TcpEnd& end = conversation->end(event.end);
  switch (event.what) {
    case Event::What::to_middle:
      return give_middle(event, *conversation);
    case Event::What::to_end:
      if (event.too_big) {
        end.take_too_big(*event.too_big, now_ms_);
      } else {
        trace(*conversation, event.end == kClientEnd ? "  > client" : "  > server", event.segment);
        end.arrive(event.segment, now_ms_);
      }
      return settle(*conversation, event.end);
    case Event::What::wake:
      if (conversation->scheduled_ms(event.end) != now_ms_) return;
      conversation->scheduled_ms(event.end) = kNever;
      end.wake(now_ms_);
      return settle(*conversation, event.end);
    case Event::What::forget:
      return forget(*conversation);
    case Event::What::give_up:
      return give_up(*conversation);
    case Event::What::begin:
      return;
  }
}

void Simulation::give_middle(Event& event, Conversation& conversation) {
  const bool from_client = event.end == kClientEnd;
  trace(conversation, from_client ? "  > front" : "  > back", event.segment);
  conversation.note_given(from_client, event.segment, now_ms_);
  middle_->put(from_client ? kFront : kBack, event.frame);
}

// After anything happened to an end: what it said goes out, and it is woken when it wants to be.
void Simulation::settle(Conversation& conversation, int which) {
  TcpEnd& end = conversation.end(which);
  conversation.match_peers();
  send_from(conversation, which);
  const VirtualMs wake_ms = end.next_wake_ms();
  const uint32_t number = conversation.script().number, life = conversation.script().life;
  if (wake_ms != kNever && std::max(wake_ms, now_ms_ + 1) < conversation.scheduled_ms(which)) {
    conversation.scheduled_ms(which) = std::max(wake_ms, now_ms_ + 1);
    schedule(conversation.scheduled_ms(which),
             {.what = Event::What::wake, .number = number, .life = life, .end = which});
  }
  if (!conversation.is_retiring() && conversation.is_over()) {
    conversation.set_retiring(true);
    schedule(now_ms_ + kLingerMs, {.what = Event::What::forget, .number = number, .life = life});
  }
}

void Simulation::send_from(Conversation& conversation, int which) {
  const bool from_client = which == kClientEnd;
  Link& link = conversation.link(from_client ? Hop::client_to_front : Hop::server_to_back);
  for (const Segment& segment : conversation.end(which).take_sent()) {
    const Link::Fate fate = link.carry(now_ms_, judge_.tally);
    trace(conversation,
          fate.count != 0 ? (from_client ? "client >" : "server >") : (from_client ? "client x" : "server x"), segment);
    for (unsigned i = 0; i < fate.count; ++i)
      schedule(fate.at_ms[i], {.what = Event::What::to_middle,
                               .number = conversation.script().number,
                               .life = conversation.script().life,
                               .end = which,
                               .frame = make_frame(conversation.path(which), segment),
                               .segment = segment});
  }
}

// It was over a while ago. A late SYN may have made a server since.
void Simulation::forget(Conversation& conversation) {
  if (!conversation.is_over()) return conversation.set_retiring(false);
  conversation.judge_end();
  retire(conversation);
}

void Simulation::give_up(Conversation& conversation) {
  if (!conversation.is_over() && !conversation.is_muted())
    judge_.add(
        {conversation.script().number, conversation.script().life, now_ms_, "does not end: " + conversation.status()});
  retire(conversation);
}

void Simulation::retire(Conversation& conversation) {
  const Script& script = conversation.script();
  ++endings_[{script.kind, conversation.ending()}];
  const uint32_t number = script.number, next_life = script.life + 1;
  const bool goes_on = next_life < script.lives && conversation.is_over();
  std::erase_if(servers_, [&](const auto& row) { return row.second.number == number; });
  alive_.erase(number);
  if (goes_on) begin(number, next_life);
}

// Nobody speaks any more; now the middle must forget everything by its own timeouts.
void Simulation::drain() {
  const VirtualMs until_ms = now_ms_ + kDrainMsMax;
  while (middle_->entries_in_use() != 0 && now_ms_ < until_ms && Middle::faults() == faults_before_)
    step_to(now_ms_ + kTurnMsMax);
  if (const uint64_t entries = middle_->entries_in_use(); entries != 0)
    report(fmt::format("{} slab entries are still in use {} s after the last connection's end", entries,
                       kDrainMsMax / 1000));
}

void Simulation::check_drops() {
  if (judge_.tally.given_up > 10 + settings_.connections / 50)
    report(fmt::format("the middle gave up on {} connections", judge_.tally.given_up));
  for (const auto& [reason, count] : middle_->drops()) {
    // Late segments of connections that are over, in any mode; of proxied ones also under reasons of their own, which
    // stand at the end of the list.
    if (reason == DropReason::no_connection || reason == DropReason::icmp_rate || reason > DropReason::no_config)
      continue;
    report(fmt::format("{} packets dropped as {}", count, kDropReasonNames[static_cast<size_t>(reason)]));
  }
}

void Simulation::spoil_middle() {
  if (settings_.plant == Plant::leak_entry) middle_->leak_entry();
  if (settings_.plant == Plant::miscount) middle_->miscount();
  if (settings_.plant == Plant::lose_buffer) lost_buffers_.push_back(rte_pktmbuf_alloc(middle_->buffers()));
  if (settings_.plant == Plant::miscount) step_to(now_ms_ + 1);
}

void Simulation::tell_progress() {
  if (settings_.quiet) return;
  const auto now = std::chrono::steady_clock::now();
  if (now - told_ < std::chrono::seconds(2)) return;
  told_ = now;
  std::printf("  %5.0f s: %u of %u begun, %zu alive, %lu s of virtual time, %lu segments, %lu violations\n",
              std::chrono::duration<double>(now - begun_).count(), next_number_, number_end(), alive_.size(),
              now_ms_ / 1000, judge_.tally.segments, judge_.count());
  std::fflush(stdout);
}

std::string Simulation::summary() {
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begun_).count();
  std::string text;
  uint32_t total = 0;
  for (const auto& [key, count] : endings_) {
    const auto [kind, ending] = key;
    text += fmt::format("  {:>7} {:<20} client {}\n", count, kKindNames[static_cast<size_t>(kind)],
                        kEndingNames[static_cast<size_t>(ending)]);
    total += count;
  }
  text += "\n";
  for (const TallyRow& row : kTallyRows) text += fmt::format("  {:>11} {}\n", judge_.tally.*row.count, row.words);
  return fmt::format("{} connections ended, at most {} at a time\n", total, alive_max_) + text +
         fmt::format("{:.0f} s of virtual time in {:.1f} s: {:.0f} connections/s, {:.0f} segments/s\n",
                     static_cast<double>(now_ms_) / 1000, seconds, total / seconds,
                     static_cast<double>(judge_.tally.segments) / seconds);
}

}  // namespace millrace::sim
