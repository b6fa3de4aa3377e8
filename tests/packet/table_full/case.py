"""Every entry of the slab is in use: who makes room for a newcomer, and who never does. Workers have equal parts of it, and
clients come to all in turn, so that all parts are full at once."""
import time
from itertools import islice

import pytest

from harness.flow import FAMILIES
from harness.owner import ports_in_turn

WORKERS = (1, 2, 4)
SLAB = 1024
ESTABLISHED = 12
QUIET_SECONDS = 1.1  # dataplane/stages/evict.h, kQuietMs
families = pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)


def in_use(bench):
    return bench.balancer.total("connections_opened") - bench.balancer.total("connections_closed")


def evicted(bench):
    return next(row["evicted"] for row in bench.balancer.get("/v1/services")["services"] if row["service"] == "web")


def newcomers(bench, family, workers, count):
    return [bench.tcp(family, 80, client_port=port) for port in islice(ports_in_turn(family, 80, workers), count)]


def flood(bench, family, workers, count):
    """SYNs of clients that are never heard of again."""
    for late in newcomers(bench, family, workers, count):
        bench.client.send(late.client_frame(late.syn()))


@families
def test_syn_flood(bench, family, workers):
    """Twice what the slab holds: established connections with traffic stay, and a real client still gets in."""
    flows = [flow.open() for flow in newcomers(bench, family, workers, ESTABLISHED)]
    flood(bench, family, workers, SLAB - in_use(bench))
    bench.wait_for(lambda: in_use(bench) == SLAB)
    time.sleep(QUIET_SECONDS)
    before = evicted(bench)
    flood(bench, family, workers, SLAB // 2)
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
def test_nobody_can_go(bench, family, workers):
    """All have had a packet within a second: the newcomer is dropped, and comes in when its SYN is said again."""
    time.sleep(QUIET_SECONDS)
    flood(bench, family, workers, SLAB)
    bench.wait_for(lambda: in_use(bench) == SLAB)
    time.sleep(QUIET_SECONDS)
    late = newcomers(bench, family, workers, SLAB + 8)
    frames = [bytes(flow.client_frame(flow.syn())) for flow in late]
    before = bench.balancer.total("connections_opened")
    bench.client.send(*frames)
    bench.expect_drops("slab_full", 8)
    bench.wait_drops()
    assert bench.balancer.total("connections_opened") == before + SLAB
    time.sleep(QUIET_SECONDS)
    late[-1].open().close()
