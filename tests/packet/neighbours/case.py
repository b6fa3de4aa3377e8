"""Packets to a next hop whose MAC is not known yet: held, then sent; or dropped when nobody answers."""
import pytest
from scapy.layers.inet import ICMP, TCP

from harness.flow import FAMILIES, host_mac

WORKERS = (1, 2, 4)
LATE = {"v4": "10.72.1.50", "v6": "fd72::50"}
ABSENT = {"v4": "10.72.1.51", "v6": "fd72::51"}
both_families = pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)


@both_families
def test_held_until_resolved(bench, family):
    address = LATE[family.name]
    flows = [bench.tcp(family, 81) for _ in range(3)]
    for flow in flows:
        bench.client.send(flow.client_frame(flow.syn()))
    bench.backend.wait_asked(address)
    bench.wait_for(lambda: bench.balancer.total("held") == len(flows), seconds=2)
    assert not bench.backend.take_all(lambda frame: TCP in frame)

    bench.backend.hosts[address] = host_mac(address)  # the machine is there now and answers the next question
    for flow in flows:
        flow.arrives_at_backend(flow.syn())
    assert bench.balancer.total("held") == 0


@both_families
def test_given_up(bench, family):
    flow = bench.tcp(family, 82)
    bench.client.send(flow.client_frame(flow.syn()))
    bench.backend.wait_asked(ABSENT[family.name])
    bench.expect_drops("neighbour_timeout")
    bench.wait_drops()
    bench.nothing_for_client(lambda frame: TCP in frame or ICMP in frame)


@both_families
def test_machine_with_a_new_mac(bench, family):
    """A backend's address moves to another machine: its announcement is enough."""
    flow = bench.tcp(family, 80).open()
    old = bench.backend.hosts[flow.backend]
    moved = old[:-2] + "f0"
    try:
        bench.announce(flow.backend, moved)
        arrives_by_mac(bench, flow, moved)
    finally:
        bench.announce(flow.backend, old)
        arrives_by_mac(bench, flow, old)


def arrives_by_mac(bench, flow, mac):
    frame = flow.client_frame(flow.client_segment("PA", b"where are you"))
    bench.backend.take(lambda got: got.dst == mac and TCP in got, while_doing=lambda: bench.client.send(frame))
