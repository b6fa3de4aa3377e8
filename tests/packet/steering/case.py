"""Whose a packet is, and who gets it: by cards that do RSS, and by cards that put each packet anywhere."""
from itertools import islice

import pytest
from scapy.layers.inet import UDP

from harness.flow import FAMILIES, next_id
from harness.owner import owner, ports_in_turn

WORKERS = (2, 4)
HANDED_OVER = {2: (0.3, 0.7), 4: (0, 0)}  # of the packets that come in at random, and by RSS
both_families = pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)


def datagram():
    return UDP() / next_id().to_bytes(4, "big")


def of_ports(bench, name):
    return sum(port[name] for port in bench.balancer.get("/v1/steering")["ports"])


@both_families
def test_the_packet_alone_says_whose_it_is(bench, family, workers):
    for _ in range(12):
        for flow, layer in ((tcp := bench.tcp(family, 80), tcp.syn()), (bench.udp(family, 53), datagram())):
            flow.forward(layer)
            [row] = bench.connections(flow)
            assert row["worker"] == owner(family, flow.client_port, flow.port, workers)


@both_families
def test_fullnat_needs_no_handover_where_there_is_rss(bench, family, workers):
    """The clients' packets by their hash, the backends' by SNAT ports whose replies hash to the same worker."""
    handed_before, came_before = of_ports(bench, "handed_over"), of_ports(bench, "rx_packets")
    opened_before = [worker["connections_opened"] for worker in bench.balancer.workers()]
    for tcp_port, udp_port in islice(zip(ports_in_turn(family, 80, workers), ports_in_turn(family, 53, workers)), 16):
        bench.tcp(family, 80, client_port=tcp_port).open().close()
        flow = bench.udp(family, 53, client_port=udp_port)
        flow.forward(datagram())
        flow.reverse(datagram())
    opened = [now["connections_opened"] - then for now, then in zip(bench.balancer.workers(), opened_before)]
    assert opened == [2 * 16 / workers] * workers
    handed = of_ports(bench, "handed_over") - handed_before
    least, most = HANDED_OVER[workers]
    assert least <= handed / (of_ports(bench, "rx_packets") - came_before) <= most


def test_it_is_told(bench, workers):
    """These cards say that they do RSS, also the one that does not."""
    for port in bench.balancer.get("/v1/steering")["ports"]:
        assert (port["steering"], port["queues"], port["workers_with_queue"]) == ("rss", workers, workers), port
