"""More flows than the slab has entries: none of them is lost, each goes where an entry would have sent it."""
from itertools import islice

from scapy.layers.inet import TCP

from harness.direct import WAYS, DirectFlow
from harness.flow import V4, next_id
from harness.owner import ports_in_turn

WORKERS = (1, 4)  # two would show no more, and all these cases do is wait
SLAB = 1024
IP4 = next(way for way in WAYS if way.name == "ip4")


def newcomers(bench, workers, count):
    """Of all workers in turn, so that all parts of the slab are full at once."""
    return [DirectFlow(bench, V4, IP4, client_port=client_port)
            for client_port in islice(ports_in_turn(V4, IP4.port, workers), count)]


def syn():
    return TCP(flags="S", seq=next_id())


def in_use(bench):
    return bench.balancer.get("/v1/connections?count=1")["count"]


def test_full_slab(bench, workers):
    sample = newcomers(bench, workers, 12)
    for flow in sample:
        flow.forward(syn())
        flow.forward(TCP(flags="RA", seq=next_id()))
    bench.wait_for(lambda: not any(bench.connections(flow) for flow in sample))
    bench.client.send(*[bytes(flow.client_frame(syn())) for flow in newcomers(bench, workers, SLAB)])
    bench.wait_for(lambda: in_use(bench) == SLAB)
    bench.backend.clear()
    before = bench.balancer.total("unrecorded")
    for flow in sample:
        flow.forward(syn())  # the backend that it learnt, and the same path
        assert not bench.connections(flow)
    assert bench.balancer.total("unrecorded") == before + len(sample)
    bench.wait_for(lambda: in_use(bench) == 0, seconds=20)
    sample[0].forward(syn())
    assert bench.connections(sample[0])
