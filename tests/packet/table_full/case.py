"""Every entry of the slab is in use: who makes room for a newcomer, and who never does."""
import time

import pytest

from harness.flow import FAMILIES

SLAB = 1024
ESTABLISHED = 10
QUIET_SECONDS = 1.1  # dataplane/stages/evict.h, kQuietMs
families = pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)


def in_use(bench):
    return bench.balancer.total("connections_opened") - bench.balancer.total("connections_closed")


def evicted(bench):
    return next(row["evicted"] for row in bench.balancer.get("/v1/services")["services"] if row["service"] == "web")


def flood(bench, family, count):
    """SYNs of clients that are never heard of again."""
    for _ in range(count):
        late = bench.tcp(family, 80)
        bench.client.send(late.client_frame(late.syn()))


@families
def test_syn_flood(bench, family):
    """Twice what the slab holds: established connections with traffic stay, and a real client still gets in."""
    flows = [bench.tcp(family, 80).open() for _ in range(ESTABLISHED)]
    flood(bench, family, SLAB - in_use(bench))
    bench.wait_for(lambda: in_use(bench) == SLAB)
    time.sleep(QUIET_SECONDS)
    before = evicted(bench)
    flood(bench, family, SLAB // 2)
    bench.wait_for(lambda: evicted(bench) == before + SLAB // 2)
    for flow in flows:
        flow.client_sends(b"still there")
        flow.backend_sends(b"still here")
    time.sleep(QUIET_SECONDS)
    newcomer = bench.tcp(family, 80).open()
    newcomer.client_sends(b"request")
    assert in_use(bench) == SLAB
    for flow in [*flows, newcomer]:
        flow.close()


@families
def test_nobody_can_go(bench, family):
    """All have had a packet within a second: the newcomer is dropped, and comes in when its SYN is said again."""
    time.sleep(QUIET_SECONDS)
    flood(bench, family, SLAB)
    bench.wait_for(lambda: in_use(bench) == SLAB)
    time.sleep(QUIET_SECONDS)
    late = [bench.tcp(family, 80) for _ in range(SLAB + 8)]
    frames = [bytes(flow.client_frame(flow.syn())) for flow in late]
    before = bench.balancer.total("connections_opened")
    bench.client.send(*frames)
    bench.expect_drops("slab_full", 8)
    bench.wait_drops()
    assert bench.balancer.total("connections_opened") == before + SLAB
    time.sleep(QUIET_SECONDS)
    late[-1].open().close()
