// simulation.h: a run: connections begin at a steady rate of virtual time, segments go over links to the workers and on,
// until every connection is over and the workers' timeouts have passed.
// Route:  run > begin_connections | handle (of every event that is due) > Middle::turn > carry_on
// Holds:  what happens to one connection depends on (seed, number) alone, as far as the middle allows it: its script, its
//         links' luck and when it begins. So one connection can be played again without the others.
#pragma once

#include <array>
#include <chrono>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "tests/sim/conversation.h"
#include "tests/sim/judge.h"
#include "tests/sim/middle.h"
#include "tests/sim/plant.h"
#include "tests/sim/script.h"

namespace millrace::sim {

struct SimulationSettings {
  ScriptSettings scripts;
  MiddleSettings middle;
  ModeFacts facts;
  Leniency leniency;
  uint32_t connections = 10'000;
  uint32_t rate = 40;  // connections that begin in a second of virtual time
  bool has_only = false;
  uint32_t only = 0;  // this number alone
  bool trace = false;
  bool quiet = false;  // no progress
  Plant plant = Plant::none;
};

// How connections ended, by what was meant and what became of the client.
using Endings = std::map<std::tuple<Kind, Ending>, uint32_t>;

class Simulation {
 public:
  explicit Simulation(const SimulationSettings& settings);
  ~Simulation();

  void run();
  Judge& judge() { return judge_; }
  const Endings& endings() const { return endings_; }
  std::string summary();

 private:
  struct Event {
    enum class What : uint8_t { to_middle, to_end, wake, begin, forget, give_up } what;
    uint32_t number;
    uint32_t life;
    int end = kClientEnd;
    Bytes frame;                                   // to_middle
    Segment segment;                               // to_middle, to_end
    std::optional<TooBig> too_big = std::nullopt;  // to_end, instead of a segment
  };
  // What a server sees of a connection: who speaks to it.
  using Pair = std::tuple<IpAddr, uint16_t, IpAddr, uint16_t>;
  struct ServerPlace {
    uint32_t number;
    uint32_t life;
    int end;
  };

  void begin_connections();
  void begin(uint32_t number, uint32_t life);
  void handle(Event& event);
  void give_middle(Event& event, Conversation& conversation);
  void settle(Conversation& conversation, int end);
  void send_from(Conversation& conversation, int end);
  void forget(Conversation& conversation);
  void give_up(Conversation& conversation);
  void retire(Conversation& conversation);
  void carry_on(MiddleFrame& frame);
  void to_client(const Arrival& arrival);
  void to_server(const Arrival& arrival);
  bool take_syn(const Arrival& arrival, const Pair& pair);
  void deliver(Conversation& conversation, int end, const Segment& segment);
  void deliver(Conversation& conversation, int end, const TooBig& too_big);
  void take_too_big(const Arrival& arrival, PortIndex port);
  void spoil_middle();
  void step_to(VirtualMs ms);
  VirtualMs next_ms() const;
  void drain();
  void check_drops();
  void schedule(VirtualMs ms, Event event) { due_[ms].push_back(std::move(event)); }
  Conversation* find(uint32_t number, uint32_t life);
  uint32_t number_end() const { return settings_.has_only ? settings_.only + 1 : settings_.connections; }
  VirtualMs begin_ms(uint32_t number) const;
  void trace(const Conversation& conversation, const char* what, const Segment& segment) const;
  void tell_progress();
  void report(const std::string& text) { judge_.add({.at_ms = now_ms_, .text = text}); }

  const SimulationSettings settings_;
  Judge judge_;
  int faults_before_;
  std::unique_ptr<Middle> middle_;
  VirtualMs now_ms_ = 0;
  uint32_t next_number_ = 0;
  std::map<VirtualMs, std::vector<Event>> due_;
  std::map<uint32_t, std::unique_ptr<Conversation>> alive_;
  std::map<Pair, ServerPlace> servers_;
  std::set<Pair> unknown_syns_;  // of this turn; a SYN may be taken back by a reset in the same turn
  uint64_t alive_max_ = 0;
  Endings endings_;
  Random plant_luck_;
  std::vector<rte_mbuf*> lost_buffers_;
  std::chrono::steady_clock::time_point begun_, told_;
};

}  // namespace millrace::sim
