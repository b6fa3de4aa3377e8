#include "perf/micro/proxied_handshake.h"

#include "dataplane/tcp/tcp_state.h"

namespace millrace::perf {
namespace {

constexpr uint8_t kSynAck = kTcpSyn | kTcpAck;

// A segment that the balancer says itself.
FrameFields own_segment(const Bed& bed, const Forwarded& to, uint8_t tcp_flags, const TcpFields& tcp) {
  FrameFields fields = bed.fields_of(to.tuple, tcp_flags, tcp);
  fields.dst_mac = to.dst_mac;
  fields.src_mac = kOwnMac;
  return fields;
}

Forwarded to_client(Bed& bed, uint32_t connection) {
  const Tuple asked = bed.plan().from_client(connection);
  return {connection, {asked.dst, asked.src, asked.dst_port, asked.src_port, asked.proto}, kRouterMac};
}

Forwarded to_backend(Bed& bed, uint32_t connection) {
  return bed.translations().expected(bed.plan().from_client(connection));
}

// `sent`: the segment that brought the answer about.
void check_syn_ack(Bed& bed, const uint8_t* sent, const uint8_t* frame, uint16_t data_bytes) {
  const uint32_t connection = bed.translations().connection_of(read_tuple(sent));
  bed.ends().learn_syn_ack(connection, read_tcp(frame));
  const TcpFields tcp = bed.ends().own_syn_ack(connection);
  check_frame(frame, data_bytes, own_segment(bed, to_client(bed, connection), kSynAck, tcp));
}

void check_syn(Bed& bed, const uint8_t* sent, const uint8_t* frame, uint16_t data_bytes) {
  const Tuple client = read_tuple(sent);
  const uint32_t connection = bed.translations().connection_of(client);
  bed.translations().learn(client, read_tuple(frame));
  bed.ends().learn_syn(connection, read_tcp(frame));
  const Forwarded to = to_backend(bed, connection);
  const TcpFields tcp = bed.ends().own_syn(connection, bed.plan().number_of_backend(to.tuple.dst).value());
  check_frame(frame, data_bytes, own_segment(bed, to, kTcpSyn, tcp));
}

void check_ack(Bed& bed, const uint8_t* sent, const uint8_t* frame, uint16_t data_bytes) {
  const Tuple backend = read_tuple(sent);
  const uint32_t connection = bed.translations().expected(backend).connection;
  bed.ends().heard(bed.plan().number_of_backend(backend.src).value());
  const bool client = read_tuple(frame).src == bed.plan().vip();
  const Forwarded to = client ? to_client(bed, connection) : to_backend(bed, connection);
  const TcpFields tcp = client ? bed.ends().own_ack_to_client(connection) : bed.ends().own_ack_to_backend(connection);
  check_frame(frame, data_bytes, own_segment(bed, to, kTcpAck, tcp));
}

}  // namespace

FrameDeck handshake_deck(const Bed& bed) { return {bed.plan().family, Proto::tcp, kSynOptionBytes}; }

FrameFields handshake_segment(Bed& bed, HandshakeStep step, uint32_t connection) {
  switch (step) {
    case HandshakeStep::syn:
      return bed.fields_of(bed.plan().from_client(connection), kTcpSyn, bed.ends().client_syn(connection));
    case HandshakeStep::ack:
      return bed.fields_of(bed.plan().from_client(connection), kTcpAck, bed.ends().client_ack(connection));
    case HandshakeStep::syn_ack:
      return bed.fields_of(bed.translations().from_backend(connection), kSynAck,
                           bed.ends().backend_syn_ack(connection));
  }
  wrong("no such step");
}

void pass_handshake(Bed& bed, HandshakeStep step, const FrameDeck& deck) {
  // To the backend first, then to the client.
  const size_t answers = step == HandshakeStep::syn_ack ? 2 : 1;
  size_t seen = 0;
  bed.play_through(deck, 0, [&](const uint8_t* frame, uint16_t data_bytes) {
    if (seen == deck.size() * answers) wrong("more answers than segments ask for");
    const uint8_t* sent = deck.slot(seen++ / answers);
    switch (step) {
      case HandshakeStep::syn:
        return check_syn_ack(bed, sent, frame, data_bytes);
      case HandshakeStep::ack:
        return check_syn(bed, sent, frame, data_bytes);
      case HandshakeStep::syn_ack:
        if ((seen % 2 == 0) != (read_tuple(frame).src == bed.plan().vip())) wrong("an ACK to the wrong side");
        return check_ack(bed, sent, frame, data_bytes);
    }
  });
  if (seen != deck.size() * answers)
    wrong(std::to_string(deck.size()) + " segments of a handshake, " + std::to_string(seen) + " answers");
  if (step == HandshakeStep::syn) forget_syn_answers(bed);
}

void open_proxied(Bed& bed, uint32_t first, uint32_t count) {
  FrameDeck deck = handshake_deck(bed);
  deck.reserve(count);
  for (const HandshakeStep step : {HandshakeStep::syn, HandshakeStep::ack, HandshakeStep::syn_ack}) {
    deck.clear();
    for (uint32_t i = first; i < first + count; ++i) deck.add(handshake_segment(bed, step, i));
    pass_handshake(bed, step, deck);
  }
}

void forget_syn_answers(Bed& bed) { bed.worker().syn_answers = SynAnswers{}; }

}  // namespace millrace::perf
