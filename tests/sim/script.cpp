#include "tests/sim/script.h"

#include <fmt/format.h>

#include <algorithm>

namespace millrace::sim {
namespace {

// How often each kind, in thousandths.
constexpr std::array<unsigned, kKindCount> kKindShares = {290, 200, 110, 100, 60, 60, 60, 35, 30, 20, 20, 15};

Kind draw_kind(Random& random) {
  uint64_t at = random.below(1000);
  size_t kind = 0;
  while (at >= kKindShares[kind]) at -= kKindShares[kind++];
  return static_cast<Kind>(kind);
}

// A fair share begins within 64 KiB of the wrap.
uint32_t draw_isn(Random& random) { return random.chance(0.25) ? 0u - random.small_between(0, 65535) : random.word(); }

uint32_t draw_timestamp_start(Random& random) {
  if (random.chance(0.25)) return 0u - random.small_between(0, 20'000);
  return random.chance(0.1) ? 0x8000'0000 - random.small_between(0, 20'000) : random.word();
}

void draw_options(Random& random, EndScript& end) {
  end.isn = draw_isn(random);
  end.layout =
      random.one_of(std::array{OptionLayout::aligned, OptionLayout::aligned, OptionLayout::packed, OptionLayout::odd});
  if (random.chance(0.06)) return;  // no options at all
  end.mss = random.chance(0.5) ? uint16_t{1460} : static_cast<uint16_t>(random.between(536, 8960));
  if (random.chance(0.1)) end.mss = 536;
  if (random.chance(0.75)) end.window_scale = static_cast<int>(random.below(11));
  end.sack = random.chance(0.75);
  end.timestamps = random.chance(0.65);
  end.reports_duplicates = random.chance(0.3);
  end.ecn = random.chance(0.1);
  end.fast_open = random.chance(0.05);
  end.experimental = !end.fast_open && random.chance(0.03);
}

void draw_habits(Random& random, EndScript& end) {
  end.timestamp_start = draw_timestamp_start(random);
  end.timestamp_hz = random.one_of(std::array{10u, 100u, 250u, 1000u, 1000u, 1000u, 10'000u});
  // A window never holds less than a few units of its scale.
  const uint64_t least = std::max<uint64_t>(2048, uint64_t{4} << std::max(end.window_scale, 0));
  const uint64_t most = random.chance(0.4)     ? std::max<uint64_t>(16'384, least)
                        : end.window_scale < 0 ? 65'535
                                               : 512 * 1024;
  end.buffer_bytes = static_cast<uint32_t>(random.magnitude(least, most));
  end.delayed_ack_ms = random.chance(0.7) ? random.small_between(5, 200) : 0;
  end.probes_with_data = random.chance(0.3);
  end.fin_waits_for_window = random.chance(0.6);
  end.nagle = random.chance(0.3);
  end.cut = random.one_of(std::array{Cut::full, Cut::full, Cut::full, Cut::random, Cut::random, Cut::tiny});
  end.data_with_handshake = random.chance(0.8);
  end.rto_start_ms = random.small_between(300, 1000);
  end.draws = random.next();
}

void draw_urgent(Random& random, EndScript& end) {
  const uint64_t byte_count = end.talk.byte_count();
  if (byte_count == 0 || !random.chance(0.04)) return;
  for (uint64_t i = random.between(1, 3); i > 0; --i) end.urgent.push_back(random.below(byte_count));
}

// An application hears nothing for so long although the connection is in order: never, but in a broken middle.
constexpr VirtualMs kPatienceMs = 170'000;

struct LinkQuality {
  double loss, duplicate, reorder;
  uint32_t jitter_ms;
};
// Per hop; a segment goes over two.
constexpr LinkQuality kPerfect{0, 0, 0, 1};
constexpr LinkQuality kGood{0.005, 0.005, 0.02, 20};
constexpr LinkQuality kRough{0.04, 0.02, 0.15, 150};
constexpr LinkQuality kAwful{0.12, 0.08, 0.30, 1000};

void draw_links(Random& random, const ScriptSettings& settings, Script& script) {
  const uint64_t luck = random.below(100);
  const LinkQuality quality = luck < 25 ? kPerfect : luck < 60 ? kGood : luck < 92 ? kRough : kAwful;
  const uint32_t delay_ms_max = static_cast<uint32_t>(random.magnitude(1, 60));
  for (LinkScript& link : script.links) {
    link.delay_ms = random.small_between(1, delay_ms_max);
    link.loss = std::min(quality.loss * settings.loss_factor, 0.5);
    link.duplicate = quality.duplicate;
    link.reorder = quality.reorder;
    link.jitter_ms = quality.jitter_ms;
    if (luck >= 40 && random.chance(0.03)) {
      link.outage_ms = random.magnitude(1, 8000);
      link.outage_length_ms = random.small_between(100, 3000);
    }
  }
  // Now and then a segment is overtaken by whole round trips.
  if (luck >= 60 && random.chance(0.1)) script.links[random.below(kHopCount)].jitter_ms = kHopMsMax - 100;
}

void draw_disorder(Random& random, Script& script) {
  const VirtualMs when = random.magnitude(1, 10'000);
  switch (script.kind) {
    case Kind::client_resets:
      script.client.reset_after_ms = when;
      break;
    case Kind::server_resets:
      script.server.reset_after_ms = when;
      break;
    case Kind::client_vanishes:
      script.client.vanish_after_ms = when;
      break;
    case Kind::server_vanishes:
      script.server.vanish_after_ms = when;
      break;
    case Kind::half_open:
      script.client.vanish_after_ms = 1;
      break;
    case Kind::refused:
      script.failing_attempts = UINT32_MAX;
      script.attempts_are_refused = true;
      break;
    case Kind::silent:
      script.failing_attempts = UINT32_MAX;
      break;
    default:
      break;
  }
}

// Nobody gives up on an orderly connection that can still get somewhere. The others must end soon, and by themselves.
void draw_patience(Random& random, Script& script) {
  const bool is_vanishing = script.kind == Kind::client_vanishes || script.kind == Kind::server_vanishes;
  for (EndScript* end : {&script.client, &script.server}) {
    end->retries = is_orderly(script.kind) ? 40 : random.small_between(5, 9);
    // Now and then somebody keeps talking to a peer that is gone for longer than the dataplane waits for that peer.
    if (is_vanishing && random.chance(0.2)) end->retries = 60;
    if (random.chance(0.3)) end->keepalive_ms = random.small_between(2000, 15'000);
    const bool is_patient = is_orderly(script.kind) || end->retries == 60;
    end->idle_limit_ms = is_patient ? kPatienceMs : random.small_between(20'000, 70'000);
  }
  // A client that waits for the server's first word must find out by itself that the ACK of its handshake was lost.
  const Talk& talk = script.client.talk;
  if (talk.writes.empty() || talk.writes[0].after_read != 0 || talk.writes[0].after_fin)
    script.client.keepalive_ms = random.small_between(2000, 8000);
}

void draw_attempts(Random& random, const ScriptSettings& settings, Script& script) {
  if (settings.failing_attempts_max == 0 || script.failing_attempts != 0 || !random.chance(0.15)) return;
  script.failing_attempts = random.small_between(1, settings.failing_attempts_max);
  script.attempts_are_refused = random.chance(0.5);
}

// Bad links carry little, so that virtual time stays short.
uint64_t draw_byte_budget(Random& random, const LinkScript& link) {
  if (link.loss > kRough.loss) return random.magnitude(200, 20'000);
  return link.loss < kRough.loss && random.chance(0.06) ? 2'000'000 : random.magnitude(200, 150'000);
}

std::string end_text(const char* name, const EndScript& end) {
  static constexpr std::array kCuts = {"full", "random", "tiny"};
  std::string text = fmt::format(
      "  {}: isn {:#x} mss {} wscale {} buffer {} {}{}{}{}{}layout {} ts {:#x} at {} Hz, delayed ACK {} ms, probes {}, "
      "cuts "
      "{}, keep-alive {}\n    writes",
      name, end.isn, end.mss, end.window_scale, end.buffer_bytes, end.sack ? "sack " : "",
      end.reports_duplicates ? "dsack " : "", end.timestamps ? "timestamps " : "", end.ecn ? "ecn " : "",
      end.nagle ? "nagle " : "", static_cast<int>(end.layout), end.timestamp_start, end.timestamp_hz,
      end.delayed_ack_ms, end.probes_with_data ? "with data" : "without", kCuts[static_cast<size_t>(end.cut)],
      end.keepalive_ms);
  for (const Write& write : end.talk.writes)
    text +=
        fmt::format(" {}{}@{}+{}ms", write.byte_count, write.after_fin ? "F" : "", write.after_read, write.delay_ms);
  text += fmt::format(", closes @{}{}+{}ms, pauses", end.talk.close_after_read, end.talk.close_after_fin ? "F" : "",
                      end.talk.close_delay_ms);
  for (const Pause& pause : end.talk.pauses) text += fmt::format(" {}ms@{}", pause.ms, pause.at_read);
  if (end.reset_after_ms != kNever) text += fmt::format(", resets after {} ms", end.reset_after_ms);
  if (end.vanish_after_ms != kNever) text += fmt::format(", vanishes after {} ms", end.vanish_after_ms);
  return text + "\n";
}

}  // namespace

Script draw_script(const ScriptSettings& settings, uint32_t number, uint32_t life) {
  Random random(settings.seed, uint64_t{life} << 32 | number);
  // What all lives of a number share is drawn from a stream of its own.
  Random shared(settings.seed, uint64_t{0xffff} << 32 | number);
  Script script;
  script.number = number;
  script.life = life;
  script.family = settings.ipv6 && (!settings.ipv4 || shared.chance(0.5)) ? Family::ipv6 : Family::ipv4;
  script.lives = shared.chance(0.05) ? shared.small_between(2, 3) : 1;
  script.kind = draw_kind(random);
  draw_links(random, settings, script);
  draw_options(random, script.client);
  draw_options(random, script.server);
  draw_habits(random, script.client);
  draw_habits(random, script.server);
  draw_dialogue(random, script, draw_byte_budget(random, script.links[0]));
  draw_urgent(random, script.client);
  draw_urgent(random, script.server);
  draw_disorder(random, script);
  draw_patience(random, script);
  draw_attempts(random, settings, script);
  if (random.chance(0.1)) script.answer_delay_ms = static_cast<uint32_t>(random.magnitude(10, 3000));
  return script;
}

std::string Script::text() const {
  std::string text =
      fmt::format("connection {} life {} of {}: {}, IPv{}, SYN answered after {} ms, {} failing attempts\n", number,
                  life, lives, kKindNames[static_cast<size_t>(kind)], static_cast<int>(family), answer_delay_ms,
                  static_cast<int32_t>(failing_attempts));
  text += end_text("client", client) + end_text("server", server) + "  links";
  for (const LinkScript& link : links) {
    text += fmt::format(" [{} ms, loss {}, dup {}, reorder {} by {} ms", link.delay_ms, link.loss, link.duplicate,
                        link.reorder, link.jitter_ms);
    if (link.outage_ms != kNever)
      text += fmt::format(", outage at {} for {} ms", link.outage_ms, link.outage_length_ms);
    text += "]";
  }
  return text + "\n";
}

}  // namespace millrace::sim
