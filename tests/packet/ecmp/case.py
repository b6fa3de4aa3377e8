"""Equal-cost routes of the kernel (RFC 2992): flows spread over the routers, keep theirs, and leave one that is gone."""
import time
from collections import Counter

import pytest
from scapy.layers.inet import TCP

from harness.flow import FAMILIES, host_mac
from harness.network import LB, inside, ip

WORKERS = (1, 2, 4)
FAR = {"v4": "10.99.0.0/24", "v6": "fd99::/64"}
ROUTERS = {"v4": ("10.72.0.61", "10.72.0.62", "10.72.0.63"), "v6": ("fd72::61", "fd72::62", "fd72::63")}
FLOWS = 60
both_families = pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)


def has_mac(address):
    """Known to the kernel, which nobody but the balancer makes ask."""
    shown = inside(LB, "ip", "neigh", "show", "to", address, "dev", "back", capture_output=True, text=True).stdout
    return "lladdr" in shown


@pytest.fixture
def routers(bench, family):
    """routers(*hops): the kernel's route leads to these, (index of a router, weight) each, and the balancer knows it."""
    addresses = ROUTERS[family.name]
    for address in addresses:
        bench.backend.hosts[address] = host_mac(address)

    def change(*hops):
        words = [word for index, weight in hops
                 for word in ("nexthop", "via", addresses[index], "dev", "back", "weight", str(weight))]
        ip("-n", LB, "route", "replace", FAR[family.name], *words)
        for index, _ in hops:
            bench.wait_for(lambda: has_mac(addresses[index]))
        time.sleep(0.5)  # what the kernel knows reaches the balancer

    yield change
    ip("-n", LB, "route", "del", FAR[family.name])
    for address in addresses:
        bench.backend.hosts.pop(address, None)
        ip("-n", LB, "neigh", "flush", "to", address, "dev", "back")


def routers_of(bench, family, flows):
    """For each flow the router, by index, that its packet is sent to."""
    macs = [host_mac(address) for address in ROUTERS[family.name]]
    chosen = []
    for flow, segment in flows:
        bench.client.send(flow.client_frame(segment))
        got = bench.backend.take(lambda frame: TCP in frame and frame[TCP].seq == segment.seq)
        chosen.append(macs.index(got.dst))
    return chosen


def new_flows(bench, family):
    flows = [bench.tcp(family, 80) for _ in range(FLOWS)]
    return [(flow, flow.syn()) for flow in flows]


@both_families
def test_flows_spread_by_weight_and_keep_their_router(bench, family, routers):
    routers((0, 1), (1, 3))
    flows = new_flows(bench, family)
    chosen = routers_of(bench, family, flows)
    assert 5 <= Counter(chosen)[0] <= 27 and Counter(chosen)[2] == 0, chosen
    assert routers_of(bench, family, flows) == chosen


@both_families
def test_what_must_not_move_stays_when_routes_change(bench, family, routers):
    routers((0, 1), (1, 1))
    flows = new_flows(bench, family)
    before = routers_of(bench, family, flows)
    routers((0, 1), (1, 1), (2, 1))
    joined = routers_of(bench, family, flows)
    assert 5 <= Counter(joined)[2] <= 40
    assert all(now in (was, 2) for was, now in zip(before, joined))
    routers((1, 1), (2, 1))
    left = routers_of(bench, family, flows)
    assert all(now == was for was, now in zip(joined, left) if was != 0)
    assert Counter(left)[0] == 0


@both_families
def test_a_router_that_does_not_answer_is_left_out(bench, family, routers):
    routers((0, 1), (1, 1))
    flows = new_flows(bench, family)
    before = routers_of(bench, family, flows)
    address = ROUTERS[family.name][0]
    mac = bench.backend.hosts.pop(address)
    ip("-n", LB, "neigh", "flush", "to", address, "dev", "back")
    time.sleep(0.5)
    assert set(routers_of(bench, family, flows)) == {1}
    bench.backend.hosts[address] = mac
    bench.wait_for(lambda: 0 in routers_of(bench, family, new_flows(bench, family)[:20]), seconds=20)
    assert set(routers_of(bench, family, flows)) == {1}, "what has moved need not move again"
    assert Counter(before)[0] > 5
