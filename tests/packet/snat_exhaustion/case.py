"""A pool of four ports: each serves once per backend at a time, and again after a life. Of several workers each has the ports
whose replies hash to it, as many as the others; clients come to all in turn."""
from itertools import islice

import pytest
from scapy.layers.inet import TCP

from harness.flow import FAMILIES
from harness.owner import ports_in_turn, ports_of_one

WORKERS = (1, 2, 4)
PORTS = {2000, 2001, 2002, 2003}
BACKENDS = 2


def pool_use(bench, family):
    return next(row for row in bench.balancer.get("/v1/snat")["pools"] if row["family"] == f"ip{family.name}")


def open_flows(bench, family, client_ports):
    return [bench.tcp(family, 80, client_port=client_port).open() for client_port in client_ports]


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_exhausted_and_free_again(bench, family, workers):
    flows = open_flows(bench, family, islice(ports_in_turn(family, 80, workers), BACKENDS * len(PORTS)))
    for backend in family.backends[:BACKENDS]:
        assert {flow.source_port for flow in flows if flow.backend == backend} == PORTS

    for _ in range(3):
        late = bench.tcp(family, 80)
        bench.client.send(late.client_frame(late.syn()))
        bench.expect_drops("no_snat_port")
    bench.wait_drops()
    bench.nothing_for_client(lambda frame: TCP in frame)

    bench.wait_for(lambda: pool_use(bench, family)["connections"] == BACKENDS * len(PORTS))  # read once a second
    use = pool_use(bench, family)
    assert (use["ports"], use["share"], use["level"]) == (len(PORTS), 1, "nearly_full")
    assert use["fullest"]["in_use"] == len(PORTS)

    for flow in flows:  # what is open is not hurt
        flow.client_sends(b"request")
        flow.backend_sends(b"answer")
    ended = flows[::workers][:BACKENDS]  # of one worker
    living = [flow for flow in flows if flow not in ended]
    for flow in ended:
        flow.client_sends(b"", "R")
    for flow in ended:
        bench.wait_for(lambda: not bench.connections(flow))
    fresh = open_flows(bench, family, islice(ports_of_one(family, 80, workers), len(ended)))
    assert ({(flow.backend, flow.source_port) for flow in fresh} == {(flow.backend, flow.source_port) for flow in ended})
    for flow in living + fresh:
        flow.backend_sends(b"", "RA")
