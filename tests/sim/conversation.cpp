#include "tests/sim/conversation.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "tests/sim/middle.h"

namespace millrace::sim {
namespace {

uint64_t stream_key(const Script& script, bool of_client) {
  return scramble(uint64_t{script.number} << 8 | script.life << 1 | (of_client ? 1 : 0));
}

Link make_link(const Script& script, Hop hop, VirtualMs now_ms) {
  const auto index = static_cast<size_t>(hop);
  return {script.links[index], Random(script.client.draws, 10 + index), now_ms};
}

}  // namespace

Conversation::Conversation(const Script& script, const ModeFacts& facts, Judge& judge, VirtualMs now_ms)
    : script_(script),
      facts_(facts),
      judge_(judge),
      client_path_{kClientMac, kFrontMac, client_endpoint(script.number, script.family), vip_endpoint(script.family)},
      links_{make_link(script_, Hop::client_to_front, now_ms), make_link(script_, Hop::back_to_server, now_ms),
             make_link(script_, Hop::server_to_back, now_ms), make_link(script_, Hop::front_to_client, now_ms)} {
  client_ = std::make_unique<TcpEnd>(EndSetup{.script = script_.client,
                                              .own = client_stream(),
                                              .expected = server_stream(),
                                              .peer_urgent = script_.server.urgent,
                                              .family = script_.family,
                                              .witness = witness("client"),
                                              .is_transparent = facts_.is_transparent,
                                              .had_predecessor = script_.life != 0});
}

Stream Conversation::client_stream() const { return {stream_key(script_, true), script_.client.talk.byte_count()}; }
Stream Conversation::server_stream() const { return {stream_key(script_, false), script_.server.talk.byte_count()}; }

int Conversation::add_server(const Endpoint& source, const Endpoint& backend) {
  const auto attempt = static_cast<uint32_t>(servers_.size());
  const bool accepts = attempt >= script_.failing_attempts;
  if (attempt != 0) ++judge_.tally.further_servers;
  std::vector<int16_t> header = proxy_header(facts_.header, client_path_.src, client_path_.dst);
  Server server;
  server.path = {kBackendMac, kBackMac, backend, source};
  server.script = std::make_unique<EndScript>(script_.server);
  server.script->isn += attempt * 0x3c6e'f372;
  server.end = std::make_unique<TcpEnd>(
      EndSetup{.script = *server.script,
               .own = server_stream(),
               .expected = client_stream().behind(std::move(header)),
               .peer_urgent = script_.client.urgent,
               .family = script_.family,
               .witness = witness(attempt == 0 ? "server" : fmt::format("server {}", attempt + 1)),
               .reception = accepts                        ? Reception::accepts
                            : script_.attempts_are_refused ? Reception::refuses
                                                           : Reception::ignores,
               .answer_delay_ms = script_.answer_delay_ms,
               .is_transparent = facts_.is_transparent,
               .mss_is_known = facts_.is_transparent});
  server.end->set_peer(client_.get());
  servers_.push_back(std::move(server));
  return static_cast<int>(attempt);
}

void Conversation::match_peers() {
  // As long as one has neither heard nor told the client anything, the middle may choose another.
  if (true_server_ >= 0 && servers_[static_cast<size_t>(true_server_)].end->heard_of_peer() != 0) return;
  if (true_server_ >= 0 && client_->has_heard()) return;
  const auto found = std::find_if(servers_.begin() + true_server_ + 1, servers_.end(),
                                  [](const Server& server) { return server.end->is_established(); });
  if (found == servers_.end()) return;
  true_server_ = static_cast<int>(found - servers_.begin());
  client_->set_peer(found->end.get());
}

void Conversation::note_given(bool from_client, const Segment& segment, VirtualMs now_ms) {
  if (segment.has(kRst)) reset_given_ = true;
  if (segment.has(kFin)) (from_client ? fin_from_client_ : fin_from_server_) = true;
  if (from_client && segment.has(kSyn)) syn_given_ms_ = now_ms;
  // Of what is given in the same millisecond, the middle may see either first.
  const bool has_ended = reset_given_ || (fin_from_client_ && fin_from_server_);
  if (!has_ended || syn_given_ms_ != now_ms) return;
  ++judge_.tally.late_syns;
  if (facts_.reopens && reset_given_) mute();
}

bool Conversation::is_over() const {
  return client_->is_over() && std::ranges::all_of(servers_, [](const Server& server) {
           return server.end->is_over() || !server.end->is_started();
         });
}

std::string Conversation::status() const {
  std::string text = "client " + client_->status();
  for (const Server& server : servers_) text += "; server " + server.end->status();
  return text;
}

void Conversation::judge_end() {
  const Witness all = witness("connection");
  for (size_t i = 0; i < servers_.size(); ++i)
    if (static_cast<int>(i) != true_server_ && servers_[i].end->heard_of_peer() != 0)
      all.report(fmt::format("another server got {} bytes as well: {}", servers_[i].end->heard_of_peer(),
                             servers_[i].end->status()));
  if (is_orderly(script_.kind))
    judge_orderly(all);
  else
    judge_disorderly(all);
}

void Conversation::judge_orderly(const Witness& all) const {
  const bool failed_on_purpose = script_.failing_attempts != 0 && facts_.is_transparent;
  if (failed_on_purpose) return;
  if (is_given_up()) {
    ++judge_.tally.given_up;
    return;
  }
  if (true_server_ < 0) return all.report("no server was reached: client " + client_->status());
  if (!client_->is_whole() || !servers_[static_cast<size_t>(true_server_)].end->is_whole())
    all.report("not complete: " + status());
}

// A middle that connects by itself may lose patience with a server behind a bad link, before the client has said or
// heard anything.
bool Conversation::is_given_up() const {
  const auto is_hopeless = [&](Hop hop) { return !script_.links[static_cast<size_t>(hop)].is_perfect(); };
  const bool has_excuse =
      script_.answer_delay_ms != 0 || is_hopeless(Hop::back_to_server) || is_hopeless(Hop::server_to_back);
  if (facts_.is_transparent || !has_excuse || client_->ending() != Ending::reset || client_->received() != 0)
    return false;
  return std::ranges::all_of(
      servers_, [](const Server& server) { return server.end->heard_of_peer() == 0 && !server.end->is_whole(); });
}

void Conversation::judge_disorderly(const Witness& all) const {
  const bool has_server = script_.kind != Kind::refused && script_.kind != Kind::silent;
  if (!has_server && client_->received() != 0)
    all.report("the client heard something, but no server accepted: " + client_->status());
  if (!script_.has_perfect_links()) return;
  // Nothing was lost, so a reset reaches whom it is for.
  const auto is_ignorant = [](const TcpEnd& end) {
    return end.ending() == Ending::timed_out || end.ending() == Ending::gave_up;
  };
  const TcpEnd* server = true_server_ < 0 ? nullptr : servers_[static_cast<size_t>(true_server_)].end.get();
  if (client_->ending() == Ending::reset_by_itself && server != nullptr && is_ignorant(*server))
    all.report("the server never heard of the client's reset: " + status());
  const bool server_reset = server != nullptr && server->ending() == Ending::reset_by_itself;
  if ((server_reset || script_.kind == Kind::refused) && is_ignorant(*client_))
    all.report("the client never heard of the server's reset: " + status());
}

}  // namespace millrace::sim
