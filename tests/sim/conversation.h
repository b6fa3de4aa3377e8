// conversation.h: one connection: its client, the servers that it led to (one, if the middle does well), the links, and
// what is to be thought of it in the end.
#pragma once

#include <deque>
#include <memory>
#include <optional>

#include "tests/sim/judge.h"
#include "tests/sim/link.h"
#include "tests/sim/proxy_header.h"
#include "tests/sim/script.h"
#include "tests/sim/segment.h"
#include "tests/sim/tcp_end.h"

namespace millrace::sim {

// What the simulator must know of a mode.
struct ModeFacts {
  // The two ends speak to each other; the middle changes addresses and ports alone.
  bool is_transparent = true;
  // A late SYN of the client's makes a new connection of one that was reset.
  bool reopens = true;
  ProxyProtocol header = ProxyProtocol::none;
};

inline constexpr int kClientEnd = -1;  // servers count from 0

class Conversation {
 public:
  Conversation(const Script& script, const ModeFacts& facts, Judge& judge, VirtualMs now_ms);

  const Script& script() const { return script_; }
  // A server for a SYN from `source`; its number.
  int add_server(const Endpoint& source, const Endpoint& backend);
  size_t server_count() const { return servers_.size(); }
  TcpEnd& end(int which) { return which == kClientEnd ? *client_ : *servers_[static_cast<size_t>(which)].end; }
  const Path& path(int which) const {
    return which == kClientEnd ? client_path_ : servers_[static_cast<size_t>(which)].path;
  }
  Link& link(Hop hop) { return links_[static_cast<size_t>(hop)]; }
  // From here on nothing is reported: what the ends see is the links' doing.
  void mute() { is_muted_ = true; }
  bool is_muted() const { return is_muted_; }
  // After anything happened to an end: who is whose true peer may be known now.
  void match_peers();
  // What the middle is given. A SYN that was under way for longer than the connection lived makes a new one of it, to
  // which the old one's last segments go: no mistake of a NAT's, so nothing of that is reported.
  void note_given(bool from_client, const Segment& segment, VirtualMs now_ms);

  bool is_over() const;
  // Once, when it is over.
  void judge_end();
  // Its end was seen, and a while later it is forgotten.
  bool is_retiring() const { return is_retiring_; }
  void set_retiring(bool retiring) { is_retiring_ = retiring; }
  std::string status() const;
  // The client's ending.
  Ending ending() const { return client_->ending(); }

  // When the end is to be woken next, as far as the event queue knows.
  VirtualMs& scheduled_ms(int which) {
    return which == kClientEnd ? client_scheduled_ms_ : servers_[static_cast<size_t>(which)].scheduled_ms;
  }

 private:
  struct Server {
    std::unique_ptr<EndScript> script;
    std::unique_ptr<TcpEnd> end;
    Path path;
    VirtualMs scheduled_ms = kNever;
  };
  Witness witness(std::string who) const { return {&judge_, script_.number, script_.life, std::move(who), &is_muted_}; }
  Stream client_stream() const;
  Stream server_stream() const;
  void judge_orderly(const Witness& all) const;
  void judge_disorderly(const Witness& all) const;
  bool is_given_up() const;

  const Script script_;
  const ModeFacts facts_;
  Judge& judge_;
  std::unique_ptr<TcpEnd> client_;
  Path client_path_;
  VirtualMs client_scheduled_ms_ = kNever;
  std::deque<Server> servers_;
  int true_server_ = -1;
  std::array<Link, kHopCount> links_;
  bool is_retiring_ = false;
  bool fin_from_client_ = false, fin_from_server_ = false, reset_given_ = false;
  VirtualMs syn_given_ms_ = kNever;
  bool is_muted_ = false;
};

}  // namespace millrace::sim
