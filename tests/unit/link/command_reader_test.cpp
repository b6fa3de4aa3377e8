#include "dataplane/link/command_reader.h"

#include <gtest/gtest.h>

#include <functional>

#include "tests/unit/link/commands.h"

namespace millrace {
namespace {

using Outcome = CommandReader::Outcome;

// Positions in good(): 0 begin, 1 settings, 2 range, 3 and 4 services, 5 and 6 binds, 7 .. 9 backends, 10 commit.
std::vector<Command> good(Generation generation = 5) {
  return TestTransaction(generation)
      .settings()
      .snat_range(0, "10.72.0.10", "10.72.0.13")
      .service("web")
      .service("dns", Mode::nat, Balance::maglev, Proto::udp)
      .bind(0, "203.0.113.10", 80)
      .bind(1, "0.0.0.0", 53)
      .backend(0, 0, "10.72.1.1")
      .backend(0, 1, "10.72.1.2", 0, Health::down)
      .backend(1, 0, "fd72::21")
      .commands();
}

struct Told {
  Outcome outcome = Outcome::more;
  RejectReason reason = RejectReason::none;
  size_t position = 0;  // of the message that ended it
};

// Feeds until an outcome; the rest of a rejected transaction must be skipped in silence.
Told feed(CommandReader& reader, const std::vector<Command>& commands, const DesiredModel& applied = {}) {
  Told told;
  for (size_t i = 0; i < commands.size(); ++i) {
    const CommandReader::Result result = reader.read(commands[i], applied);
    if (result.outcome == Outcome::more) continue;
    EXPECT_EQ(told.outcome, Outcome::more) << "a second answer, at message " << i;
    told = {result.outcome, result.reason, i};
  }
  return told;
}

TEST(CommandReader_read, takes_a_good_transaction) {
  CommandReader reader;
  EXPECT_EQ(feed(reader, good()).outcome, Outcome::commit);
  const DesiredModel model = reader.take();
  EXPECT_EQ(model.generation, 5u);
  ASSERT_EQ(model.snat_ranges.size(), 1u);
  ASSERT_EQ(model.services.size(), 2u);
  const DesiredService& web = model.services[0];
  EXPECT_EQ(web.name, "web");
  EXPECT_EQ(web.mode, Mode::fullnat);
  EXPECT_EQ(web.binds, (std::vector<Endpoint>{{ip("203.0.113.10"), port(80)}}));
  ASSERT_EQ(web.backends.size(), 2u);
  EXPECT_TRUE(web.backends[0].eligible());
  EXPECT_FALSE(web.backends[1].eligible());
  EXPECT_EQ(model.services[1].proto, Proto::udp);
  EXPECT_EQ(model.services[1].backends[0].endpoint.addr, ip("fd72::21"));
}

TEST(CommandReader_read, takes_an_empty_transaction) {
  CommandReader reader;
  EXPECT_EQ(feed(reader, TestTransaction(1).commands()).outcome, Outcome::commit);
  EXPECT_TRUE(reader.take().services.empty());
}

TEST(CommandReader_read, a_second_begin_abandons_the_first) {
  CommandReader reader;
  std::vector<Command> half = good(5);
  half.resize(6);
  EXPECT_EQ(feed(reader, half).outcome, Outcome::more);
  EXPECT_EQ(feed(reader, TestTransaction(6).commands()).outcome, Outcome::commit);
  EXPECT_EQ(reader.take().generation, 6u);
}

TEST(CommandReader_read, takes_the_next_transaction_after_a_rejected_one) {
  CommandReader reader;
  std::vector<Command> bad = good(5);
  bad[3].body.service.settings.proto = Proto{};
  EXPECT_EQ(feed(reader, bad).outcome, Outcome::rejected);
  EXPECT_EQ(feed(reader, good(6)).outcome, Outcome::commit);
}

struct BadField {
  const char* name;
  size_t position;
  std::function<void(Command&)> spoil;
  RejectReason reason;
};
void PrintTo(const BadField& bad, std::ostream* out) { *out << bad.name; }

class CommandReader_read_bad : public testing::TestWithParam<BadField> {};

TEST_P(CommandReader_read_bad, is_rejected_where_it_stands) {
  CommandReader reader;
  std::vector<Command> commands = good();
  GetParam().spoil(commands[GetParam().position]);
  const Told told = feed(reader, commands);
  EXPECT_EQ(told.outcome, Outcome::rejected);
  EXPECT_EQ(static_cast<int>(told.reason), static_cast<int>(GetParam().reason));
  EXPECT_EQ(told.position, GetParam().position);
}

using R = RejectReason;
#define SPOIL(...)                     \
  [](Command& c) {                     \
    [[maybe_unused]] auto& b = c.body; \
    __VA_ARGS__;                       \
  }
const BadField kEnvelope[] = {
    {"kind_0", 3, SPOIL(c.kind = CommandKind{0}), R::bad_kind},
    {"kind_12", 3, SPOIL(c.kind = CommandKind{12}), R::bad_kind},
    {"reserved", 3, SPOIL(c.reserved = 1), R::bad_field},
    {"rest_of_body", 3, SPOIL(b.bytes[sizeof(ServiceCommand)] = 1), R::bad_field},
    {"rest_of_begin", 0, SPOIL(b.bytes[239] = 1), R::bad_field},
    {"body_of_commit", 10, SPOIL(b.bytes[0] = 1), R::bad_field},
    {"sequence_gap", 4, SPOIL(c.sequence += 1), R::bad_order},
    {"sequence_again", 4, SPOIL(c.sequence -= 1), R::bad_order},
    {"other_generation", 4, SPOIL(c.generation += 1), R::bad_order},
    {"old_generation", 0, SPOIL(c.generation = 0), R::bad_generation},
    {"set_backend_inside", 4, SPOIL(c.kind = CommandKind::set_backend; b = {}), R::bad_order},
    {"kinds_out_of_order", 6, SPOIL(c.kind = CommandKind::settings; b = {}; b.settings = {}), R::bad_order},
};
const BadField kBegin[] = {
    {"ranges", 0, SPOIL(b.begin.snat_range_count = 4097), R::too_many},
    {"services", 0, SPOIL(b.begin.service_count = kServiceMax + 1), R::too_many},
    {"binds", 0, SPOIL(b.begin.bind_count = kBindMax + 1), R::too_many},
    {"backends", 0, SPOIL(b.begin.backend_count = kBackendMax + 1), R::too_many},
    {"backend_hosts", 0, SPOIL(b.begin.backend_host_count = kBackendMax + 1), R::too_many},
};
const BadField kSettings[] = {
    {"syn_sent", 1, SPOIL(b.settings.syn_sent_timeout_ms = 999), R::bad_field},
    {"syn_received", 1, SPOIL(b.settings.syn_received_timeout_ms = 0), R::bad_field},
    {"fin_wait", 1, SPOIL(b.settings.fin_wait_timeout_ms = 604'800'001), R::bad_field},
    {"time_wait", 1, SPOIL(b.settings.time_wait_timeout_ms = 0xffff'ffff), R::bad_field},
    {"closed", 1, SPOIL(b.settings.closed_timeout_ms = 1), R::bad_field},
    {"idle", 1, SPOIL(b.settings.idle = static_cast<IdlePolicy>(3)), R::bad_field},
    {"burst", 1, SPOIL(b.settings.burst_packets = kBurstMax + 1), R::bad_field},
    {"flow_log", 1, SPOIL(b.settings.flow_log = 2), R::bad_field},
    {"reserved", 1, SPOIL(b.settings.reserved = 1), R::bad_field},
};
const BadField kRange[] = {
    {"pool", 2, SPOIL(b.snat_range.pool = kSnatPoolMax), R::bad_field},
    {"port_0", 2, SPOIL(b.snat_range.port_first = 0), R::bad_field},
    {"ports_backwards", 2, SPOIL(b.snat_range.port_last = 1023), R::bad_field},
    {"reserved", 2, SPOIL(b.snat_range.reserved = 1), R::bad_field},
    {"addresses_backwards", 2, SPOIL(b.snat_range.last = ip("10.72.0.9")), R::bad_field},
    {"two_families", 2, SPOIL(b.snat_range.last = ip("fd72::1")), R::bad_field},
    {"any", 2, SPOIL(b.snat_range.first = ip("0.0.0.0")), R::bad_field},
    {"loopback", 2, SPOIL(b.snat_range.first = b.snat_range.last = ip("127.0.0.1")), R::bad_field},
    {"multicast", 2, SPOIL(b.snat_range.last = ip("224.0.0.1")), R::bad_field},
    {"too_long", 2, SPOIL(b.snat_range.last = ip("10.72.16.10")), R::too_many},
    {"far_too_long", 2, SPOIL(b.snat_range.first = ip("2001::"); b.snat_range.last = ip("2f00::")), R::too_many},
};
const BadField kService[] = {
    {"ordinal", 4, SPOIL(b.service.ordinal = ServiceOrdinal{2}), R::bad_order},
    {"proto", 4, SPOIL(b.service.settings.proto = Proto{1}), R::bad_field},
    {"mode_0", 4, SPOIL(b.service.settings.mode = Mode{0}), R::bad_field},
    {"mode_6", 4, SPOIL(b.service.settings.mode = Mode{6}), R::bad_field},
    {"balance_0", 4, SPOIL(b.service.settings.balance = Balance{0}), R::bad_field},
    {"balance_11", 4, SPOIL(b.service.settings.balance = Balance{11}), R::bad_field},
    {"slow_start_short", 4, SPOIL(b.service.settings.slow_start_ms = 999), R::bad_field},
    {"slow_start_long", 4, SPOIL(b.service.settings.slow_start_ms = 3'600'001), R::bad_field},
    {"slow_start_by_client", 4,
     SPOIL(b.service.settings.slow_start_ms = 30'000; b.service.settings.balance = Balance::iphash1), R::bad_field},
    {"requests_of_tcp", 3, SPOIL(b.service.settings.udp_requests_max = 1), R::bad_field},
    {"responses_of_tcp", 3, SPOIL(b.service.settings.udp_responses_max = 1), R::bad_field},
    {"reserved", 4, SPOIL(b.service.reserved = 1), R::bad_field},
    {"client_idle_timeout", 4, SPOIL(b.service.settings.client_idle_timeout_ms = 0), R::bad_field},
    {"backend_idle_timeout", 4, SPOIL(b.service.settings.backend_idle_timeout_ms = 0xffff'ffff), R::bad_field},
    {"no_name", 4, SPOIL(b.service.name[0] = '\0'; b.service.name[1] = '\0'; b.service.name[2] = '\0'), R::bad_field},
    {"name_without_end", 4, SPOIL(std::memset(b.service.name, 'x', kNameBytes)), R::bad_field},
    {"name_with_a_tail", 4, SPOIL(b.service.name[10] = 'x'), R::bad_field},
    {"name_unprintable", 4, SPOIL(b.service.name[1] = '\n'), R::bad_field},
    {"name_again", 4, SPOIL(std::memcpy(b.service.name, "web", 4)), R::duplicate_name},
    {"nat_with_pool", 4, SPOIL(b.service.settings.snat_pool = 0), R::bad_field},
    {"fullnat_empty_pool", 3, SPOIL(b.service.settings.snat_pool = 1), R::no_pool},
};
const BadField kBind[] = {
    {"service", 6, SPOIL(b.bind.service = ServiceOrdinal{2}), R::bad_order},
    {"port_0", 6, SPOIL(b.bind.port = {}), R::bad_field},
    {"reserved", 6, SPOIL(b.bind.reserved = 1), R::bad_field},
    {"loopback", 6, SPOIL(b.bind.addr = ip("::1")), R::bad_field},
    {"multicast", 6, SPOIL(b.bind.addr = ip("ff02::1")), R::bad_field},
    {"broadcast", 6, SPOIL(b.bind.addr = ip("255.255.255.255")), R::bad_field},
    {"again", 6, SPOIL(b.bind = {.port = port(80), .addr = ip("203.0.113.10")}), R::duplicate_bind},
    {"in_snat_range", 6, SPOIL(b.bind.addr = ip("10.72.0.12"); b.bind.port = port(5000)), R::bind_is_snat},
};
const BadField kBackend[] = {
    {"service", 9, SPOIL(b.backend.service = ServiceOrdinal{9}), R::bad_order},
    {"ordinal", 9, SPOIL(b.backend.ordinal = BackendOrdinal{1}), R::bad_order},
    {"weight", 9, SPOIL(b.backend.weight = kWeightMax + 1), R::bad_field},
    {"priority", 9, SPOIL(b.backend.priority = kPriorityMax + 1), R::bad_field},
    {"health", 9, SPOIL(b.backend.health = Health{2}), R::bad_field},
    {"admin", 9, SPOIL(b.backend.admin = Admin{3}), R::bad_field},
    {"port_0", 9, SPOIL(b.backend.port = {}), R::bad_field},
    {"proxy_protocol_3", 9, SPOIL(b.backend.proxy_protocol = ProxyProtocol{3}), R::bad_field},
    {"proxy_protocol_of_nat", 9, SPOIL(b.backend.proxy_protocol = ProxyProtocol::v1), R::bad_field},
    {"any", 9, SPOIL(b.backend.addr = ip("::")), R::bad_field},
    {"pool_of_nat", 9, SPOIL(b.backend.snat_pool = 0), R::bad_field},
    {"empty_pool", 7, SPOIL(b.backend.snat_pool = 1), R::no_pool},
    {"pool_out_of_range", 7, SPOIL(b.backend.snat_pool = kSnatPoolMax), R::no_pool},
    {"loopback", 9, SPOIL(b.backend.addr = ip("127.1.2.3")), R::bad_field},
    {"multicast", 9, SPOIL(b.backend.addr = ip("239.0.0.1")), R::bad_field},
    {"again", 8, SPOIL(b.backend.addr = ip("10.72.1.1")), R::duplicate_backend},
};
#undef SPOIL
std::string case_name(const testing::TestParamInfo<BadField>& info) { return info.param.name; }
INSTANTIATE_TEST_SUITE_P(envelope, CommandReader_read_bad, testing::ValuesIn(kEnvelope), case_name);
INSTANTIATE_TEST_SUITE_P(begin, CommandReader_read_bad, testing::ValuesIn(kBegin), case_name);
INSTANTIATE_TEST_SUITE_P(settings, CommandReader_read_bad, testing::ValuesIn(kSettings), case_name);
INSTANTIATE_TEST_SUITE_P(snat_range, CommandReader_read_bad, testing::ValuesIn(kRange), case_name);
INSTANTIATE_TEST_SUITE_P(service, CommandReader_read_bad, testing::ValuesIn(kService), case_name);
INSTANTIATE_TEST_SUITE_P(bind, CommandReader_read_bad, testing::ValuesIn(kBind), case_name);
INSTANTIATE_TEST_SUITE_P(backend, CommandReader_read_bad, testing::ValuesIn(kBackend), case_name);

// The service names no pool, so each of its backends has to.
TEST(CommandReader_read, backends_may_have_pools_of_their_own) {
  std::vector<Command> commands = good();
  commands[3].body.service.settings.snat_pool = kNoSnatPool;
  CommandReader without;
  EXPECT_EQ(feed(without, commands).reason, RejectReason::no_pool);
  commands[7].body.backend.snat_pool = 0;
  CommandReader reader;
  ASSERT_EQ(feed(reader, commands).outcome, Outcome::commit) << "the second backend is down";
  const DesiredModel model = reader.take();
  EXPECT_EQ(model.services[0].snat_pool_of(model.services[0].backends[0]), 0);
  EXPECT_EQ(model.services[0].snat_pool_of(model.services[0].backends[1]), kNoSnatPool);
}

TEST(CommandReader_read, too_many_items_are_refused_at_the_first_one_over) {
  for (const auto& [kind, position] : {std::pair{&BeginCommand::snat_range_count, 2},
                                       {&BeginCommand::service_count, 4},
                                       {&BeginCommand::bind_count, 6},
                                       {&BeginCommand::backend_count, 9}}) {
    CommandReader reader;
    std::vector<Command> commands = good();
    --(commands[0].body.begin.*kind);
    const Told told = feed(reader, commands);
    EXPECT_EQ(told.reason, RejectReason::bad_count);
    EXPECT_EQ(told.position, static_cast<size_t>(position));
  }
}

TEST(CommandReader_read, too_few_items_are_refused_at_the_commit) {
  for (const auto kind : {&BeginCommand::snat_range_count, &BeginCommand::service_count, &BeginCommand::bind_count,
                          &BeginCommand::backend_count}) {
    CommandReader reader;
    std::vector<Command> commands = good();
    ++(commands[0].body.begin.*kind);
    const Told told = feed(reader, commands);
    EXPECT_EQ(told.reason, RejectReason::bad_count);
    EXPECT_EQ(told.position, 10u);
  }
}

TEST(CommandReader_read, settings_come_once) {
  CommandReader reader;
  EXPECT_EQ(feed(reader, TestTransaction(1).settings().settings().commands()).reason, RejectReason::bad_order);
}

TEST(CommandReader_read, items_outside_a_transaction_are_refused_once) {
  CommandReader reader;
  std::vector<Command> commands = good();
  commands.erase(commands.begin());
  const Told told = feed(reader, commands);
  EXPECT_EQ(told.reason, RejectReason::bad_order);
  EXPECT_EQ(told.position, 0u);
}

TEST(CommandReader_read, generations_must_grow) {
  CommandReader reader;
  DesiredModel applied;
  applied.generation = 5;
  EXPECT_EQ(feed(reader, good(5), applied).reason, RejectReason::bad_generation);
  EXPECT_EQ(feed(reader, good(4), applied).reason, RejectReason::bad_generation);
  EXPECT_EQ(feed(reader, good(6), applied).outcome, Outcome::commit);
}

TEST(CommandReader_read, limits_of_a_pool_of_ranges) {
  TestTransaction transaction(1);
  for (uint32_t i = 0; i <= kSnatRangePerPoolMax; ++i)
    transaction.snat_range(3, "10.0.0." + std::to_string(i), "10.0.0." + std::to_string(i));
  CommandReader reader;
  std::vector<Command> commands = transaction.commands();
  commands[1].body.snat_range.first = commands[1].body.snat_range.last = ip("10.1.0.0");
  const Told told = feed(reader, commands);
  EXPECT_EQ(told.reason, RejectReason::too_many);
  EXPECT_EQ(told.position, 1u + kSnatRangePerPoolMax);
}

TEST(CommandReader_read, limits_addresses_over_all_pools) {
  TestTransaction transaction(1);
  for (uint16_t i = 0; i < 17; ++i) {
    const std::string prefix = "10." + std::to_string(i);
    transaction.snat_range(i, prefix + ".0.0", prefix + ".15.255");
  }
  CommandReader reader;
  const Told told = feed(reader, transaction.commands());
  EXPECT_EQ(told.reason, RejectReason::too_many);
  EXPECT_EQ(told.position, 17u);
}

TEST(CommandReader_read, limits_binds_of_a_service) {
  TestTransaction transaction(1);
  transaction.snat_range(0, "10.0.0.1", "10.0.0.1").service("web");
  for (uint16_t i = 0; i <= kBindPerServiceMax; ++i) transaction.bind(0, "203.0.113.1", i + 1);
  CommandReader reader;
  EXPECT_EQ(feed(reader, transaction.commands()).reason, RejectReason::too_many);
}

TEST(CommandReader_read, limits_backends_of_a_service) {
  TestTransaction transaction(1);
  transaction.snat_range(0, "10.0.0.1", "10.0.0.1").service("web");
  for (uint16_t i = 0; i <= kBackendPerServiceMax; ++i)
    transaction.backend(0, i, "10.1." + std::to_string(i / 256) + "." + std::to_string(i % 256));
  CommandReader reader;
  EXPECT_EQ(feed(reader, transaction.commands()).reason, RejectReason::too_many);
}

class CommandReader_set_backend : public testing::Test {
 protected:
  RejectReason read(const Command& command) {
    const CommandReader::Result result = reader_.read(command, applied_);
    EXPECT_EQ(result.outcome, result.reason == RejectReason::none ? Outcome::set_backend : Outcome::rejected);
    return result.reason;
  }
  DesiredModel applied_ = TestTransaction(7)
                              .snat_range(0, "10.0.0.1", "10.0.0.1")
                              .service("web")
                              .backend(0, 0, "10.1.0.1")
                              .backend(0, 1, "10.1.0.2")
                              .model();
  CommandReader reader_;
};

TEST_F(CommandReader_set_backend, takes_a_good_one) {
  EXPECT_EQ(read(set_backend(7, {.backend = BackendOrdinal{1}, .fields = kSetHealth})), RejectReason::none);
}

TEST_F(CommandReader_set_backend, must_name_the_applied_generation) {
  EXPECT_EQ(read(set_backend(6, {.fields = kSetHealth})), RejectReason::stale_generation);
  EXPECT_EQ(read(set_backend(8, {.fields = kSetHealth})), RejectReason::stale_generation);
}

TEST_F(CommandReader_set_backend, must_name_what_is_there) {
  EXPECT_EQ(read(set_backend(7, {.service = ServiceOrdinal{1}, .fields = kSetHealth})), RejectReason::bad_order);
  EXPECT_EQ(read(set_backend(7, {.backend = BackendOrdinal{2}, .fields = kSetHealth})), RejectReason::bad_order);
}

TEST_F(CommandReader_set_backend, must_have_good_fields) {
  EXPECT_EQ(read(set_backend(7, {.fields = 0})), RejectReason::bad_field);
  EXPECT_EQ(read(set_backend(7, {.fields = 16})), RejectReason::bad_field);
  EXPECT_EQ(read(set_backend(7, {.fields = kSetHealth, .health = Health{2}})), RejectReason::bad_field);
  EXPECT_EQ(read(set_backend(7, {.fields = kSetAdmin, .admin = Admin{3}})), RejectReason::bad_field);
  EXPECT_EQ(read(set_backend(7, {.fields = kSetWeight, .weight = kWeightMax + 1})), RejectReason::bad_field);
  EXPECT_EQ(read(set_backend(7, {.fields = kSetHealth, .reserved = {1}})), RejectReason::bad_field);
}

TEST_F(CommandReader_set_backend, makes_no_backend_eligible_that_has_no_pool) {
  applied_.services[0].snat_pool = kNoSnatPool;
  applied_.services[0].backends[0].health = Health::down;
  EXPECT_EQ(read(set_backend(7, {.fields = kSetWeight, .weight = 3})), RejectReason::none);
  EXPECT_EQ(read(set_backend(7, {.fields = kSetHealth, .health = Health::up})), RejectReason::no_pool);
}

TEST_F(CommandReader_set_backend, is_heard_after_a_rejected_transaction) {
  EXPECT_EQ(feed(reader_, good(7), applied_).reason, RejectReason::bad_generation);
  EXPECT_EQ(read(set_backend(7, {.fields = kSetWeight, .weight = 3})), RejectReason::none);
}

TEST_F(CommandReader_set_backend, cannot_stand_before_anything_was_applied) {
  applied_ = {};
  EXPECT_EQ(read(set_backend(0, {.fields = kSetHealth})), RejectReason::bad_order);
}

}  // namespace
}  // namespace millrace
