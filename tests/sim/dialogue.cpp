// dialogue.cpp: what the applications say. Nobody waits for what the other will only say after it: no dialogue hangs.
#include <algorithm>

#include "tests/sim/script.h"

namespace millrace::sim {
namespace {

void add_write(Random& random, Talk& talk, uint64_t after_read, uint64_t byte_count) {
  const uint32_t delay_ms = random.chance(0.3) ? static_cast<uint32_t>(random.magnitude(1, 1000)) : 0;
  talk.writes.push_back(
      {.after_read = after_read, .delay_ms = delay_ms, .byte_count = static_cast<uint32_t>(byte_count)});
}

// In turns, each after the whole of the other's last.
void draw_turns(Random& random, Script& script, uint64_t byte_budget) {
  const uint64_t turns = random.between(1, 6);
  bool client_speaks = random.chance(0.7);
  for (uint64_t turn = 0; turn < turns; ++turn, client_speaks = !client_speaks) {
    Talk& speaker = client_speaks ? script.client.talk : script.server.talk;
    const Talk& listener = client_speaks ? script.server.talk : script.client.talk;
    add_write(random, speaker, listener.byte_count(), random.magnitude(1, byte_budget));
  }
}

// Both at once, in several pieces.
void draw_streams(Random& random, Script& script, uint64_t byte_budget) {
  for (Talk* talk : {&script.client.talk, &script.server.talk}) {
    const uint64_t pieces = random.below(4);
    for (uint64_t piece = 0; piece < pieces; ++piece) add_write(random, *talk, 0, random.magnitude(1, byte_budget));
  }
}

// A short question, a long answer; or a long upload.
void draw_transfer(Random& random, Script& script, uint64_t byte_budget) {
  const uint64_t question = random.between(1, 600);
  const uint64_t rest = random.magnitude(std::max<uint64_t>(byte_budget / 8, 1), byte_budget);
  add_write(random, script.client.talk, 0, question);
  if (random.chance(0.5)) {
    add_write(random, script.server.talk, question, rest);
  } else {
    add_write(random, script.client.talk, 0, rest);
    add_write(random, script.server.talk, question + rest, random.between(1, 200));
  }
}

void draw_pauses(Random& random, Talk& talk, uint64_t incoming) {
  if (incoming == 0 || !random.chance(0.5)) return;
  const uint64_t count = random.between(1, 3);
  for (uint64_t i = 0; i < count; ++i)
    talk.pauses.push_back({.at_read = random.below(incoming), .ms = static_cast<uint32_t>(random.magnitude(50, 6000))});
  std::ranges::sort(talk.pauses, {}, &Pause::at_read);
}

// The server that hears the FIN and goes on, or the client.
void go_on_after_fin(Random& random, Talk& talk, uint64_t byte_budget) {
  const uint64_t pieces = random.between(2, 8);
  for (uint64_t piece = 0; piece < pieces; ++piece)
    talk.writes.push_back({.after_fin = true,
                           .delay_ms = static_cast<uint32_t>(random.magnitude(10, 3000)),
                           .byte_count = static_cast<uint32_t>(random.magnitude(1, byte_budget / pieces + 1))});
}

void close_after_all(Random& random, Talk& first, Talk& second) {
  first.close_after_read = second.byte_count();
  second.close_after_fin = true;
  for (Talk* talk : {&first, &second})
    if (random.chance(0.3)) talk->close_delay_ms = static_cast<uint32_t>(random.magnitude(1, 2000));
}

void draw_closes(Random& random, Script& script, uint64_t byte_budget) {
  Talk& client = script.client.talk;
  Talk& server = script.server.talk;
  switch (script.kind) {
    case Kind::both_close:
      // After its own last word; when a dialogue of turns ends, the two meet only by chance, so those wait for all.
      if (random.chance(0.5)) {
        client.close_after_read = server.byte_count();
        server.close_after_read = client.byte_count();
      }
      return;
    case Kind::client_half_closes:
      go_on_after_fin(random, server, byte_budget);
      server.close_after_fin = true;
      return;
    case Kind::server_half_closes:
      go_on_after_fin(random, client, byte_budget);
      client.close_after_fin = true;
      return;
    case Kind::server_closes:
    case Kind::server_resets:
    case Kind::server_vanishes:
      return close_after_all(random, server, client);
    default:
      return close_after_all(random, client, server);
  }
}

}  // namespace

uint64_t Talk::byte_count() const {
  uint64_t sum = 0;
  for (const Write& write : writes) sum += write.byte_count;
  return sum;
}

void draw_dialogue(Random& random, Script& script, uint64_t byte_budget) {
  switch (random.below(4)) {
    case 0:
      draw_streams(random, script, byte_budget);
      break;
    case 1:
      draw_transfer(random, script, byte_budget);
      break;
    case 2:
      draw_turns(random, script, byte_budget);
      break;
    default:
      // Nothing said by one side, or by both.
      if (random.chance(0.7)) draw_turns(random, script, std::min<uint64_t>(byte_budget, 2000));
      if (random.chance(0.2)) script.client.talk.writes.clear(), script.server.talk.writes.clear();
  }
  draw_closes(random, script, byte_budget);
  draw_pauses(random, script.client.talk, script.server.talk.byte_count());
  draw_pauses(random, script.server.talk, script.client.talk.byte_count());
}

}  // namespace millrace::sim
