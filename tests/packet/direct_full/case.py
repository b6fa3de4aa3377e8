"""More flows than the slab has entries: none of them is lost, each goes where an entry would have sent it."""
from scapy.layers.inet import TCP

from harness.direct import WAYS, DirectFlow
from harness.flow import V4, next_id

SLAB = 1024
IP4 = next(way for way in WAYS if way.name == "ip4")


def syn():
    return TCP(flags="S", seq=next_id())


def test_full_slab(bench):
    sample = [DirectFlow(bench, V4, IP4) for _ in range(10)]
    for flow in sample:
        flow.forward(syn())
        flow.forward(TCP(flags="RA", seq=next_id()))
    bench.wait_for(lambda: not any(bench.connections(flow) for flow in sample))
    for _ in range(SLAB):
        DirectFlow(bench, V4, IP4).forward(syn())
    before = bench.balancer.total("unrecorded")
    for flow in sample:
        flow.forward(syn())  # the backend that it learnt, and the same path
        assert not bench.connections(flow)
    assert bench.balancer.total("unrecorded") == before + len(sample)
    bench.wait_for(lambda: bench.balancer.get("/v1/connections?count=1")["count"] == 0, seconds=20)
    sample[0].forward(syn())
    assert bench.connections(sample[0])
