// Server names choose backends: the ClientHello is kept, acknowledged, and said to the backend that it chose.
#include "dataplane/stages/proxy_hello.h"

#include <gtest/gtest.h>

#include "dataplane/stages/proxy_handshake.h"
#include "dataplane/stages/proxy_say.h"
#include "tests/unit/stages/proxy_fixture.h"
#include "tests/unit/tcp/recorded_hellos.h"

namespace millrace {
namespace {

using wire::Bytes;

const Bytes kNamed(std::begin(kOpensslNamed), std::end(kOpensslNamed));        // www.example.org
const Bytes kUnnamed(std::begin(kOpensslUnnamed), std::end(kOpensslUnnamed));  // none

const uint32_t kNamedEnd = kClientIsn + 1 + static_cast<uint32_t>(kNamed.size());

TestService named_service(UnexpectedHost unexpected, ProxyProtocol header = ProxyProtocol::none) {
  return {.backends = {"10.0.0.1:8080", "10.0.0.2:8080", "[fd00::1]:8080", "[fd00::2]:8080"},
          .proxy_protocol = header,
          .host_matching = HostMatching::exact,
          .unexpected_host = unexpected,
          .hosts = {"", "www.example.org", "", "www.example.org"}};
}

class ProxyHello : public Proxy {
 protected:
  explicit ProxyHello(UnexpectedHost unexpected = UnexpectedHost::fallback, ProxyProtocol header = ProxyProtocol::none)
      : Proxy(named_service(unexpected, header)) {
    for (const char* backend : {"10.0.0.2", "fd00::2"}) bed_.resolve(kBack, backend, kBackendMac);
  }

  // What the client says from byte `at` of its stream on.
  void say_stream(const Bytes& stream, size_t at, size_t bytes) {
    const auto from = stream.begin() + static_cast<long>(at);
    const auto seq = kClientIsn + 1 + static_cast<uint32_t>(at);
    client_says(client_talk(kAck, seq, cookie_ + 1, Bytes(from, from + static_cast<long>(bytes))));
  }
  std::string backend_chosen() const { return format_ip(reply_.src); }
  std::string with_name() const { return GetParam().name == std::string("ipv4") ? "10.0.0.2" : "fd00::2"; }
  std::string without_name() const { return GetParam().backend; }
};
INSTANTIATE_TEST_SUITE_P(families, ProxyHello, kFamilies, family_name);

TEST_P(ProxyHello, the_window_is_open_for_a_hello) {
  EXPECT_EQ(send_syn().window, kHelloWindowBytes);
  client_says(client_talk(kAck, kClientIsn + 1, cookie_ + 1));
  EXPECT_EQ(state(), ConnState::hello);
  EXPECT_TRUE(heard(kBack).empty());
}

TEST_P(ProxyHello, the_name_chooses_and_the_hello_goes_on) {
  send_syn();
  client_says(client_talk(kAck, kClientIsn + 1, cookie_ + 1));
  say_stream(kNamed, 0, kNamed.size());
  const Talk kept = heard_one(kFront);
  EXPECT_EQ(kept.ack, kNamedEnd);
  EXPECT_EQ(kept.window, 0);
  take_syn();
  EXPECT_EQ(backend_chosen(), with_name());
  send_syn_ack();
  const Talk said = heard_one(kBack);
  EXPECT_EQ(said.seq, our_isn_ + 1);
  EXPECT_EQ(said.payload, kNamed);
  EXPECT_TRUE(heard(kFront).empty());
  const auto bytes = static_cast<uint32_t>(kNamed.size());
  backend_says(backend_talk(kAck, kBackendIsn + 1, our_isn_ + 1 + bytes, hello_text()));
  const Talk answer = heard_one(kFront);
  EXPECT_EQ(answer.ack, kClientIsn + 1 + bytes);
  EXPECT_EQ(answer.payload, hello_text());
  EXPECT_EQ(state(), ConnState::established);
  client_says(client_talk(kAck, kClientIsn + 1 + bytes, cookie_ + 6, hello_text()));
  EXPECT_EQ(heard_one(kBack).seq, our_isn_ + 1 + bytes);
}

TEST_P(ProxyHello, a_hello_on_the_ack_of_the_handshake_is_kept) {
  send_syn();
  say_stream(kNamed, 0, kNamed.size());
  take_syn();
  EXPECT_EQ(backend_chosen(), with_name());
}

TEST_P(ProxyHello, parts_are_acknowledged_one_by_one_and_a_gap_is_not_kept) {
  send_syn();
  client_says(client_talk(kAck, kClientIsn + 1, cookie_ + 1));
  say_stream(kNamed, 0, 1);
  const Talk first = heard_one(kFront);
  EXPECT_EQ(first.ack, kClientIsn + 2);
  EXPECT_EQ(first.window, (kHelloWindowBytes - 1) >> kOwnWindowScale);
  say_stream(kNamed, 100, 50);
  EXPECT_EQ(heard_one(kFront).ack, kClientIsn + 2);
  say_stream(kNamed, 0, 120);  // the first byte again
  EXPECT_EQ(heard_one(kFront).ack, kClientIsn + 121);
  EXPECT_TRUE(heard(kBack).empty());
  say_stream(kNamed, 120, kNamed.size() - 120);
  take_syn();
  send_syn_ack();
  EXPECT_EQ(heard_one(kBack).payload, kNamed);
}

TEST_P(ProxyHello, a_corrupt_part_is_not_kept) {
  send_syn();
  client_says(client_talk(kAck, kClientIsn + 1, cookie_ + 1));
  Bytes frame = from_client(packet_of(client_talk(kAck, kClientIsn + 1, cookie_ + 1, kNamed)));
  frame.back() ^= 1;
  bed_.expect_drop(kFront, frame, DropReason::bad_l4_checksum);
  say_stream(kNamed, 0, kNamed.size());
  take_syn();
  send_syn_ack();
  EXPECT_EQ(heard_one(kBack).payload, kNamed);
}

TEST_P(ProxyHello, an_unexpected_name_falls_back) {
  send_syn();
  client_says(client_talk(kAck, kClientIsn + 1, cookie_ + 1));
  say_stream(kUnnamed, 0, kUnnamed.size());
  take_syn();
  EXPECT_EQ(backend_chosen(), without_name());
}

TEST_P(ProxyHello, what_is_no_tls_falls_back) {
  send_syn();
  client_says(client_talk(kAck, kClientIsn + 1, cookie_ + 1));
  say_stream({'G', 'E', 'T', ' ', '/'}, 0, 5);
  take_syn();
  EXPECT_EQ(backend_chosen(), without_name());
}

TEST_P(ProxyHello, silence_ends_it) {
  send_syn();
  client_says(client_talk(kAck, kClientIsn + 1, cookie_ + 1));
  bed_.pass(1500);
  EXPECT_EQ(heard_one(kFront).flags, kRstAck);
  EXPECT_EQ(state(), ConnState::closed);
}

// Options count with the payload; a backend that asks for next to nothing gets segments that are small, not tiny.
TEST_P(ProxyHello, parts_fit_what_the_backend_takes) {
  for (const uint16_t mss : {300, 1}) {
    send_syn();
    say_stream(kNamed, 0, kNamed.size());
    take_syn();
    heard(kFront);
    Talk answer = backend_talk(kSynAck, kBackendIsn, our_isn_ + 1);
    answer.window = 65160;
    answer.options.mss = mss;
    backend_says(answer);
    const size_t part_bytes = std::max<size_t>(mss, kMssMin) - 12;
    Bytes said;
    for (const Talk& part : heard(kBack)) {
      EXPECT_EQ(part.seq, our_isn_ + 1 + said.size());
      EXPECT_EQ(part.payload.size(), std::min(part_bytes, kNamed.size() - said.size()));
      said = wire::joined(said, part.payload);
    }
    EXPECT_EQ(said, kNamed);
    client_says(client_talk(kRst, kNamedEnd, 0));
    heard(kBack);
    EXPECT_EQ(state(), ConnState::closed);
  }
}

TEST_P(ProxyHello, a_lost_part_is_said_again) {
  send_syn();
  say_stream(kNamed, 0, kNamed.size());
  take_syn();
  send_syn_ack();
  heard(kBack);
  backend_says(backend_talk(kAck, kBackendIsn + 1, our_isn_ + 1 + 100));
  EXPECT_TRUE(heard(kBack).empty());  // it may be under way
  bed_.pass(kFirstRetransmitMs + 300);
  const Talk again = heard_one(kBack);
  EXPECT_EQ(again.seq, our_isn_ + 101);
  EXPECT_EQ(again.payload, Bytes(kNamed.begin() + 100, kNamed.end()));
}

TEST_P(ProxyHello, nothing_is_kept_after_the_splice_or_a_refusal) {
  const unsigned before = rte_mempool_in_use_count(bed_.state().mbuf_pool);
  send_syn();
  say_stream(kNamed, 0, kNamed.size());
  EXPECT_EQ(rte_mempool_in_use_count(bed_.state().mbuf_pool), before + 3);  // and two that wait for us: ACK, SYN
  heard(kFront);
  take_syn();
  for (int i = 0; i < 60; ++i) bed_.pass(200);
  EXPECT_EQ(state(), ConnState::closed);  // while the client's cookie is good
  bed_.pass(2 * kCookieEpochMs);
  heard(kBack);
  heard(kFront);
  EXPECT_EQ(state(), ConnState::free);
  EXPECT_EQ(rte_mempool_in_use_count(bed_.state().mbuf_pool), before);
}

class ProxyHelloRejecting : public ProxyHello {
 protected:
  ProxyHelloRejecting() : ProxyHello(UnexpectedHost::reject) {}
};
INSTANTIATE_TEST_SUITE_P(families, ProxyHelloRejecting, kFamilies, family_name);

TEST_P(ProxyHelloRejecting, an_unexpected_name_is_reset) {
  send_syn();
  client_says(client_talk(kAck, kClientIsn + 1, cookie_ + 1));
  say_stream(kUnnamed, 0, kUnnamed.size());
  EXPECT_EQ(heard(kFront).back().flags, kRstAck);
  EXPECT_TRUE(heard(kBack).empty());
}

class ProxyHelloHeader : public ProxyHello {
 protected:
  ProxyHelloHeader() : ProxyHello(UnexpectedHost::fallback, ProxyProtocol::v2) {}
};
INSTANTIATE_TEST_SUITE_P(families, ProxyHelloHeader, kFamilies, family_name);

TEST_P(ProxyHelloHeader, header_with_the_name_comes_before_the_hello) {
  send_syn();
  say_stream(kNamed, 0, kNamed.size());
  take_syn();
  send_syn_ack();
  heard(kFront);
  const Talk said = heard_one(kBack);
  const std::string text(said.payload.begin(), said.payload.end());
  EXPECT_NE(text.find("www.example.org"), std::string::npos);
  const size_t header_bytes = said.payload.size() - kNamed.size();
  EXPECT_EQ(Bytes(said.payload.begin() + static_cast<long>(header_bytes), said.payload.end()), kNamed);
  backend_says(backend_talk(kAck, kBackendIsn + 1, our_isn_ + 1 + static_cast<uint32_t>(said.payload.size())));
  EXPECT_EQ(heard_one(kFront).ack, kNamedEnd);
}

}  // namespace
}  // namespace millrace
