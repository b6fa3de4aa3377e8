"""The cases of one worker again, with four, whose packets the cards bring to their owners."""
import pytest

from harness.flow import FAMILIES
from icmp_errors.case import *  # noqa: F403
from tcp_life.case import *     # noqa: F403
from udp_exchange.case import *  # noqa: F403


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_roundrobin(bench, family):  # noqa: F811  each worker deals its own connections in turn
    chosen = [bench.tcp(family, 80).open().backend for _ in range(60)]
    for backend in family.backends:
        assert 16 <= chosen.count(backend) <= 24


def handed_over(bench):
    return [port["handed_over"] for port in bench.balancer.get("/v1/steering")["ports"]]


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_fullnat_needs_no_handover(bench, family):
    """The clients' packets by their hash, the backends' by SNAT ports whose replies hash to the same worker."""
    before = handed_over(bench)
    opened_before = [worker["connections_opened"] for worker in bench.balancer.workers()]
    for _ in range(40):
        bench.tcp(family, 80).open().close()
        flow = bench.udp(family, 53)
        flow.forward(datagram())  # noqa: F405
        flow.reverse(datagram())  # noqa: F405
    opened = [now["connections_opened"] - then for now, then in zip(bench.balancer.workers(), opened_before)]
    assert sum(opened) == 80 and min(opened) > 5, opened
    assert handed_over(bench) == before


def test_steering_is_told(bench):
    for port in bench.balancer.get("/v1/steering")["ports"]:
        assert (port["steering"], port["queues"], port["workers_with_queue"]) == ("rss", 4, 4), port
