"""The cases of one worker again, with two: the client's packets come in at one of them, the backends' at the other, and
either may own a datagram, and either its connection."""
from fragments.case import *  # noqa: F403


def test_both_had_work(bench):
    for family in FAMILIES:  # noqa: F405
        for _ in range(20):
            flow = bench.udp(family, **UDP_MODES["fullnat"])  # noqa: F405
            forward(flow, datagram(1200))  # noqa: F405
            reverse(flow, datagram(1200))  # noqa: F405
    for worker in bench.balancer.settled_workers():
        assert worker["handed_in"] > 0 and worker["handed_out"] > 0 and worker["fragments_followed"] > 0, worker
