"""Connections that fall silent end by themselves, each state after its own time, and their ports are free again."""
import time

import pytest

from harness.flow import FAMILIES
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


@both_families
@pytest.mark.parametrize("bring_to", [syn_sent, syn_received, established, half_closed, closed_by_both, reset])
def test_tcp_state_ends(bench, family, bring_to):
    flow = bench.tcp(family, 80)
    expired = bench.balancer.total("connections_expired")
    bring_to(flow)
    assert bench.connections(flow)
    bench.wait_for(lambda: not bench.connections(flow), seconds=4)
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
    bench.wait_for(lambda: not bench.connections(flow), seconds=4)
