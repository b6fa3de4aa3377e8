"""The cases of TCP, UDP and ICMP errors by the queues that af_packet has itself: the kernel deals packets to the workers by
a hash of its own. Both must have work, whoever receives a packet."""
from harness.flow import FAMILIES
from icmp_errors.case import *  # noqa: F403
from tcp_life.case import *     # noqa: F403
from udp_exchange.case import *  # noqa: F403

WORKERS = ()  # config.toml says how many


def test_both_own_connections(bench):
    before = [worker["connections_opened"] for worker in bench.balancer.workers()]
    for family in FAMILIES:
        for _ in range(30):
            bench.tcp(family, 80).open().close()
            bench.udp(family, 53).forward(datagram())  # noqa: F405
    after = [worker["connections_opened"] for worker in bench.balancer.workers()]
    opened = [now - then for then, now in zip(before, after)]
    assert sum(opened) == 120 and min(opened) > 20, opened
    assert all(worker["handed_in"] > 0 for worker in bench.balancer.workers())
