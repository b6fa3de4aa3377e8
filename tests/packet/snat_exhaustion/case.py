"""A pool of four ports: each serves once per backend at a time, and again after a life."""
import pytest
from scapy.layers.inet import TCP

from harness.flow import FAMILIES

PORTS = {2000, 2001, 2002, 2003}
BACKENDS = 2


def pool_use(bench, family):
    return next(row for row in bench.balancer.get("/v1/snat")["pools"] if row["family"] == f"ip{family.name}")


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_exhausted_and_free_again(bench, family):
    flows = [bench.tcp(family, 80).open() for _ in range(BACKENDS * len(PORTS))]
    for backend in family.backends[:BACKENDS]:
        assert {flow.source_port for flow in flows if flow.backend == backend} == PORTS

    for _ in range(3):
        late = bench.tcp(family, 80)
        bench.client.send(late.client_frame(late.syn()))
        bench.expect_drops("no_snat_port")
    bench.wait_drops()
    bench.nothing_for_client(lambda frame: TCP in frame)

    bench.wait_for(lambda: pool_use(bench, family)["share"] == 1)
    use = pool_use(bench, family)
    assert (use["ports"], use["connections"], use["level"]) == (len(PORTS), BACKENDS * len(PORTS), "nearly_full")
    assert use["fullest"]["in_use"] == len(PORTS)

    for flow in flows:  # what is open is not hurt
        flow.client_sends(b"request")
        flow.backend_sends(b"answer")
    ended, living = flows[:BACKENDS], flows[BACKENDS:]
    for flow in ended:
        flow.client_sends(b"", "R")
    for flow in ended:
        bench.wait_for(lambda: not bench.connections(flow))
    fresh = [bench.tcp(family, 80).open() for _ in ended]
    assert ({(flow.backend, flow.source_port) for flow in fresh} == {(flow.backend, flow.source_port) for flow in ended})
    for flow in living + fresh:
        flow.backend_sends(b"", "RA")
