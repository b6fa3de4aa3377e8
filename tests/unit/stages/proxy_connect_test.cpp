// A proxied connection's backends: silent, unwilling, none at all, and what is said first to one.
#include <gtest/gtest.h>

#include "dataplane/stages/proxy_handshake.h"
#include "dataplane/stages/proxy_say.h"
#include "tests/unit/stages/proxy_fixture.h"

namespace millrace {
namespace {

class ProxyConnect : public Proxy {};
INSTANTIATE_TEST_SUITE_P(families, ProxyConnect, kFamilies, family_name);

TEST_P(ProxyConnect, silent_backend_gets_the_syn_again_then_the_client_a_reset) {
  send_syn();
  send_ack();
  bed_.pass(kFirstRetransmitMs + 300);
  bed_.run();
  EXPECT_EQ(heard_one(kBack).seq, our_isn_);
  for (int i = 0; i < 20; ++i) {
    bed_.pass(200);
    bed_.run();
  }
  const std::vector<Talk> to_client = heard(kFront);
  ASSERT_EQ(to_client.size(), 1u);
  EXPECT_EQ(to_client[0].flags, kRstAck);
  EXPECT_EQ(to_client[0].seq, cookie_ + 1);
  EXPECT_EQ(bed_.service_total(ServiceSlot{0}, &ServiceCounters::refused), 1u);
  EXPECT_EQ(state(), ConnState::closed);
}

TEST_P(ProxyConnect, client_without_a_backend_is_reset_and_counted_once) {
  bed_.state().eligible.set(BackendSlot{0}, false);
  bed_.state().eligible.set(BackendSlot{1}, false);
  send_syn();
  client_says(client_talk(kAck, kClientIsn + 1, cookie_ + 1));
  EXPECT_EQ(heard_one(kFront).flags, kRstAck);
  EXPECT_EQ(bed_.service_total(ServiceSlot{0}, &ServiceCounters::no_backend), 1u);
  EXPECT_EQ(bed_.service_total(ServiceSlot{0}, &ServiceCounters::refused), 0u);
}

class ProxyTwoBackends : public Proxy {
 protected:
  ProxyTwoBackends()
      : Proxy(TestService{.backends = {"10.0.0.1:8080", "10.0.0.2:8080", "[fd00::1]:8080", "[fd00::2]:8080"}}) {
    for (const char* backend : {"10.0.0.2", "fd00::2"}) bed_.resolve(kBack, backend, kBackendMac);
  }
};
INSTANTIATE_TEST_SUITE_P(families, ProxyTwoBackends, kFamilies, family_name);

TEST_P(ProxyTwoBackends, refusal_moves_on_to_the_other_backend) {
  send_syn();
  send_ack();
  const wire::Flow first = reply_;
  Talk refusal = backend_talk(kRstAck, 0, our_isn_ + 1);
  backend_says(refusal);
  take_syn();
  EXPECT_NE(reply_.src, first.src);
  EXPECT_TRUE(heard(kFront).empty());
  send_syn_ack();
  EXPECT_EQ(heard_one(kFront).flags, kAck);
  EXPECT_EQ(state(), ConnState::established);
  EXPECT_EQ(bed_.total(&WorkerCounters::backend_retries), 1u);
}

class ProxyHeader : public Proxy {
 protected:
  ProxyHeader() : Proxy(TestService{.proxy_protocol = ProxyProtocol::v1}) {}
  std::string line() const {
    const bool ipv4 = GetParam().name == std::string("ipv4");
    return std::string("PROXY ") + (ipv4 ? "TCP4 " : "TCP6 ") + GetParam().client + " " + GetParam().vip +
           " 4000 80\r\n";
  }
};
INSTANTIATE_TEST_SUITE_P(families, ProxyHeader, kFamilies, family_name);

TEST_P(ProxyHeader, comes_first_and_is_said_again_until_it_is_acknowledged) {
  send_syn();
  send_ack();
  send_syn_ack();
  EXPECT_TRUE(heard(kFront).empty());  // the client's window stays closed
  const Talk header = heard_one(kBack);
  EXPECT_EQ(header.seq, our_isn_ + 1);
  EXPECT_EQ(std::string(header.payload.begin(), header.payload.end()), line());
  bed_.pass(kFirstRetransmitMs + 300);
  bed_.run();
  EXPECT_EQ(heard_one(kBack).payload, header.payload);
  const auto bytes = static_cast<uint32_t>(header.payload.size());
  backend_says(backend_talk(kAck, kBackendIsn + 1, our_isn_ + 1 + bytes));
  const Talk opening = heard_one(kFront);
  EXPECT_EQ(opening.ack, kClientIsn + 1);
  EXPECT_EQ(opening.window, 1000);
  client_says(client_talk(kAck, kClientIsn + 1, cookie_ + 1, hello_text()));
  EXPECT_EQ(heard_one(kBack).seq, our_isn_ + 1 + bytes);
}

}  // namespace
}  // namespace millrace
