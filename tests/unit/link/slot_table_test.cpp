#include "dataplane/link/slot_table.h"

#include <gtest/gtest.h>

#include "tests/unit/link/commands.h"
#include "tests/unit/link/workers.h"

namespace millrace {
namespace {

class SlotTableTest : public testing::Test {
 protected:
  static TestTransaction transaction(Generation generation) {
    return TestTransaction(generation).snat_range(0, "10.0.0.1", "10.0.0.1");
  }
  // Two services with two backends and one.
  static DesiredModel both(Generation generation) {
    return transaction(generation)
        .service("web")
        .service("mail", Mode::nat)
        .backend(0, 0, "10.1.0.1")
        .backend(0, 1, "10.1.0.2")
        .backend(1, 0, "10.1.0.1")
        .model();
  }
  static DesiredModel web_with(Generation generation, const std::string& backend) {
    return transaction(generation).service("web").backend(0, 0, backend).model();
  }
  DesiredModel apply(DesiredModel model) {
    EXPECT_TRUE(slots_.assign(model));
    slots_.commit(model);
    return model;
  }
  // Everything happens that lets a slot go, as long as no connection is left.
  void let_go() {
    for (unsigned i = 0; i < 4; ++i) {
      workers_.all_quiet();
      slots_.reclaim();
    }
  }

  TestWorkers workers_;
  SlotTable slots_{workers_.qsbr(), workers_.counters()};
};

using SlotTable_assign = SlotTableTest;
using SlotTable_reclaim = SlotTableTest;
using SlotTable_abandon = SlotTableTest;
using SlotTable_nat_backends = SlotTableTest;

TEST_F(SlotTable_assign, gives_different_slots_to_all) {
  const DesiredModel model = apply(both(1));
  EXPECT_NE(model.services[0].slot, model.services[1].slot);
  EXPECT_NE(model.services[0].backends[0].slot, model.services[0].backends[1].slot);
  // One endpoint of two services is two backends.
  EXPECT_NE(model.services[0].backends[0].slot, model.services[1].backends[0].slot);
}

TEST_F(SlotTable_assign, keeps_slots_by_name_and_endpoint_whatever_the_order) {
  const DesiredModel before = apply(both(1));
  const DesiredModel after = apply(transaction(2)
                                       .service("mail", Mode::nat)
                                       .service("new")
                                       .service("web")
                                       .backend(0, 0, "10.1.0.1")
                                       .backend(2, 0, "10.1.0.2", 9)
                                       .backend(2, 1, "10.1.0.3")
                                       .backend(2, 2, "10.1.0.1")
                                       .model());
  EXPECT_EQ(after.services[0].slot, before.services[1].slot);
  EXPECT_EQ(after.services[2].slot, before.services[0].slot);
  EXPECT_EQ(after.services[0].backends[0].slot, before.services[1].backends[0].slot);
  EXPECT_EQ(after.services[2].backends[0].slot, before.services[0].backends[1].slot);
  EXPECT_EQ(after.services[2].backends[2].slot, before.services[0].backends[0].slot);
  EXPECT_TRUE(slots_.departed_services().empty());
  EXPECT_TRUE(slots_.departed_backends().empty());
}

TEST_F(SlotTable_assign, what_left_and_comes_back_in_time_has_its_slot_and_counters) {
  const DesiredModel first = apply(both(1));
  const BackendSlot slot = first.services[0].backends[0].slot;
  workers_.backend(0, slot).connections.set(42);
  workers_.backend(0, slot).active.set(1);
  apply(web_with(2, "10.1.0.2"));
  let_go();
  EXPECT_EQ(slots_.departed_backends(), (std::vector<BackendSlot>{slot}));
  const DesiredModel again = apply(both(3));
  EXPECT_EQ(again.services[0].backends[0].slot, slot);
  EXPECT_EQ(workers_.backend(0, slot).connections.read(), 42u);
  workers_.backend(0, slot).active.set(0);
  let_go();
  EXPECT_TRUE(slots_.departed_backends().empty());
  EXPECT_EQ(apply(both(4)).services[0].backends[0].slot, slot);
}

TEST_F(SlotTable_reclaim, waits_for_every_worker) {
  const BackendSlot slot = apply(both(1)).services[0].backends[0].slot;
  workers_.all_quiet();
  apply(web_with(2, "10.1.0.2"));
  workers_.quiet(0);
  slots_.reclaim();
  workers_.quiet(0);
  EXPECT_FALSE(slots_.reclaim());
  EXPECT_EQ(slots_.departed_backends().size(), 2u);
  workers_.quiet(1);
  EXPECT_FALSE(slots_.reclaim());  // settling from here on
  EXPECT_FALSE(slots_.reclaim());
  workers_.all_quiet();
  EXPECT_TRUE(slots_.reclaim());
  EXPECT_EQ(std::count(slots_.freed_backends().begin(), slots_.freed_backends().end(), slot), 1);
}

TEST_F(SlotTable_reclaim, waits_for_the_last_connection_of_any_worker) {
  const DesiredModel model = apply(both(1));
  const BackendSlot mail_backend = model.services[1].backends[0].slot;
  workers_.backend(1, mail_backend).active.set(1);
  workers_.service(1, model.services[1].slot).active.set(1);
  apply(web_with(2, "10.1.0.1"));
  let_go();
  EXPECT_EQ(slots_.departed_backends(), (std::vector<BackendSlot>{mail_backend}));
  ASSERT_EQ(slots_.departed_services().size(), 1u);
  EXPECT_EQ(slots_.departed_services()[0]->name, "mail");
  workers_.backend(1, mail_backend).active.set(0);
  workers_.service(1, model.services[1].slot).active.set(0);
  let_go();
  EXPECT_TRUE(slots_.departed_backends().empty());
  EXPECT_TRUE(slots_.departed_services().empty());
}

TEST_F(SlotTable_reclaim, a_service_goes_after_its_backends) {
  const DesiredModel model = apply(both(1));
  workers_.backend(0, model.services[1].backends[0].slot).active.set(1);
  apply(web_with(2, "10.1.0.1"));
  let_go();
  EXPECT_EQ(slots_.departed_services().size(), 1u);
}

TEST_F(SlotTable_assign, a_new_service_starts_at_zero) {
  for (uint16_t slot = 0; slot < 8; ++slot)
    for (Counter* counter :
         {&workers_.service(1, ServiceSlot{slot}).no_backend, &workers_.service(1, ServiceSlot{slot}).refused,
          &workers_.service(1, ServiceSlot{slot}).syn_floods, &workers_.service(1, ServiceSlot{slot}).denied,
          &workers_.service(1, ServiceSlot{slot}).evicted, &workers_.service(1, ServiceSlot{slot}).limited})
      counter->set(7);
  const ServiceSlot slot = apply(both(1)).services[0].slot;
  ASSERT_LT(raw(slot), 8);
  EXPECT_EQ(workers_.service(1, slot).no_backend.read(), 0u);
  EXPECT_EQ(workers_.service(1, slot).refused.read(), 0u);
  EXPECT_EQ(workers_.service(1, slot).syn_floods.read(), 0u);
  EXPECT_EQ(workers_.service(1, slot).denied.read(), 0u);
  EXPECT_EQ(workers_.service(1, slot).evicted.read(), 0u);
  EXPECT_EQ(workers_.service(1, slot).limited.read(), 0u);
}

TEST_F(SlotTable_reclaim, a_slot_used_again_starts_at_zero) {
  BackendSlot first = apply(web_with(1, "10.1.0.1")).services[0].backends[0].slot;
  workers_.backend(0, first).connections.set(7);
  workers_.backend(1, first).forward_bytes.set(7);
  // The free list is a queue: go once around it.
  for (uint32_t i = 0; i < kBackendMax; ++i) {
    const std::string addr =
        "10." + std::to_string(2 + i / 65536) + "." + std::to_string(i / 256 % 256) + "." + std::to_string(i % 256);
    const BackendSlot slot = apply(web_with(2 + i, addr)).services[0].backends[0].slot;
    if (slot == first) {
      EXPECT_EQ(workers_.backend(0, slot).connections.read(), 0u);
      EXPECT_EQ(workers_.backend(1, slot).forward_bytes.read(), 0u);
      return;
    }
    if (i % 64 == 0) let_go();
  }
  FAIL() << "the slot never came again";
}

TEST_F(SlotTable_abandon, gives_new_slots_back_and_keeps_the_old_ones) {
  DesiredModel applied = apply(web_with(1, "10.1.0.1"));
  DesiredModel refused = both(2);
  ASSERT_TRUE(slots_.assign(refused));
  slots_.abandon(applied);
  EXPECT_TRUE(slots_.departed_services().empty());
  EXPECT_TRUE(slots_.departed_backends().empty());
  const DesiredModel next = apply(both(3));
  EXPECT_EQ(next.services[0].slot, applied.services[0].slot);
  EXPECT_EQ(raw(next.services[1].slot), raw(refused.services[1].slot));
}

TEST_F(SlotTable_assign, says_when_no_slot_is_free) {
  // All but one of the backends of 15 full services and a rest stay busy.
  TestTransaction full = transaction(1);
  uint32_t left = kBackendMax;
  for (uint16_t s = 0; left > 0; ++s) {
    full.service("s" + std::to_string(s));
    left -= std::min(left, kBackendPerServiceMax);
  }
  left = kBackendMax;
  for (uint16_t s = 0; left > 0; ++s)
    for (uint16_t b = 0; b < kBackendPerServiceMax && left > 0; ++b, --left)
      full.backend(s, b, "10.1." + std::to_string(b / 256) + "." + std::to_string(b % 256));
  DesiredModel applied = apply(full.model());
  DesiredModel one_more = web_with(2, "10.9.9.9");
  EXPECT_FALSE(slots_.assign(one_more));
  slots_.abandon(applied);
  EXPECT_TRUE(slots_.departed_backends().empty());
  // Nothing of the refused one stuck: once there is room it goes in.
  apply(transaction(3).model());
  let_go();
  EXPECT_TRUE(slots_.assign(one_more));
}

TEST_F(SlotTable_nat_backends, stay_while_connections_of_the_old_mode_live) {
  const DesiredModel model = apply(both(1));
  EXPECT_EQ(slots_.nat_backends(),
            (std::vector<VipKey>{{.addr = ip("10.1.0.1"), .port = port(80), .proto = Proto::tcp}}));
  workers_.backend(0, model.services[1].backends[0].slot).active.set(1);
  apply(transaction(2).service("mail").backend(0, 0, "10.1.0.1").model());
  EXPECT_EQ(slots_.nat_backends().size(), 1u);
  apply(transaction(3).model());
  let_go();
  EXPECT_EQ(slots_.nat_backends().size(), 1u);
  workers_.backend(0, model.services[1].backends[0].slot).active.set(0);
  let_go();
  EXPECT_TRUE(slots_.nat_backends().empty());
}

}  // namespace
}  // namespace millrace
