"""Connections that fall silent end by themselves, each state after its own time, and their ports are free again. State by
state with one worker; with two and four in all states at once, since all that these cases do is wait."""
import time
from itertools import islice

import pytest

from harness.flow import FAMILIES
from harness.owner import ports_in_turn
from udp_exchange.case import datagram

both_families = pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)


def syn_sent(flow):
    flow.forward(flow.syn())


def syn_received(flow):
    flow.forward(flow.syn())
    flow.client_seq += 1
    flow.reverse(flow.backend_segment("SA"))


def established(flow):
    flow.open()


def half_closed(flow):
    flow.open().client_sends(b"", "FA")


def closed_by_both(flow):
    flow.open().close()


def reset(flow):
    flow.open().client_sends(b"", "R")


STATES = [syn_sent, syn_received, established, half_closed, closed_by_both, reset]


@both_families
@pytest.mark.parametrize("bring_to", STATES)
def test_tcp_state_ends(bench, family, bring_to):
    flow = bench.tcp(family, 80)
    expired = bench.balancer.total("connections_expired")
    bring_to(flow)
    assert bench.connections(flow)
    bench.wait_for(lambda: not bench.connections(flow), seconds=8)
    assert bench.balancer.total("connections_expired") > expired


@both_families
def test_traffic_keeps_it(bench, family):
    flow = bench.tcp(family, 80).open()
    for _ in range(6):
        time.sleep(0.6)
        flow.client_sends(b"still")
        flow.backend_sends(b"here")
    assert bench.connections(flow)


@both_families
def test_udp_flow_ends(bench, family):
    flow = bench.udp(family, 53)
    flow.forward(datagram())
    flow.reverse(datagram())
    assert bench.connections(flow)
    bench.wait_for(lambda: not bench.connections(flow), seconds=8)


@both_families
@pytest.mark.parametrize("workers", [2, 4], ids=["2workers", "4workers"])
def test_each_worker_ends_its_own(bench, family, workers):
    expired = [worker["connections_expired"] for worker in bench.balancer.workers()]
    flows = []
    for bring_to in STATES:
        for client_port in islice(ports_in_turn(family, 80, workers), workers):
            flows.append(bench.tcp(family, 80, client_port=client_port))
            bring_to(flows[-1])
            assert bench.connections(flows[-1])
    bench.wait_for(lambda: not any(bench.connections(flow) for flow in flows), seconds=8)
    more = [worker["connections_expired"] - before for worker, before in zip(bench.balancer.workers(), expired)]
    assert more == [len(STATES)] * workers
