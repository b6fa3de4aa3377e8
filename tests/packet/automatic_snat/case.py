"""Without [snat]: connections to a backend come from the address of this host that its kernel would use to reach it."""
import copy
import socket

import pytest
from scapy.layers.inet import TCP
from scapy.layers.l2 import Ether

from harness.flow import FAMILIES, V4, V6, host_mac
from harness.network import BACK4, BACK6, LB, in_namespace, ip
from udp_exchange.case import datagram

WORKERS = (1, 2, 4)
CARDS = False  # by af_packet the kernel would answer, too
OTHER4 = "10.72.0.2"
FIRST_PORT = 61000  # behind net.ipv4.ip_local_port_range
both_families = pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)


@pytest.fixture
def own(bench):
    """The bench, which knows what the sources are."""
    bench = copy.copy(bench)
    bench.snat_addresses = [BACK4, BACK6, OTHER4]
    return bench


def backends(bench):
    return {row["backend"]: row for row in bench.balancer.get("/v1/backends?service=web")["backends"]}


def pools(bench):
    return {(row["pool"], row["family"]): row for row in bench.balancer.get("/v1/snat")["pools"]}


@pytest.fixture
def other_source(own):
    """The kernel would reach 10.72.1.2 from a second address."""
    ip("-n", LB, "address", "add", f"{OTHER4}/16", "dev", "back")
    ip("-n", LB, "route", "add", "10.72.1.2/32", "dev", "back", "src", OTHER4)
    own.balancer.millctl("reload")
    yield own
    ip("-n", LB, "route", "del", "10.72.1.2/32")
    ip("-n", LB, "address", "del", f"{OTHER4}/16", "dev", "back")
    own.balancer.millctl("reload")


@both_families
def test_tcp(own, family):
    flow = own.tcp(family, 80).open()
    assert flow.source in (BACK4, BACK6) and flow.source_port >= FIRST_PORT
    flow.client_sends(b"request")
    flow.backend_sends(b"answer")
    flow.close()


@both_families
def test_udp(own, family):
    flow = own.udp(family, 53)
    flow.forward(datagram())
    assert flow.source in (BACK4, BACK6) and flow.source_port >= FIRST_PORT
    flow.reverse(datagram())


def test_hosts_own_connection(own):
    """Its ports lie below those of the pool, so answers reach its kernel."""
    caller = in_namespace(LB, socket.socket)
    caller.bind((BACK4, 0))
    assert caller.getsockname()[1] < FIRST_PORT
    caller.setblocking(False)
    caller.connect_ex(("10.72.1.1", 443))
    syn = own.backend.take(lambda frame: TCP in frame and frame[TCP].dport == 443)
    own.backend.send(Ether(src=host_mac("10.72.1.1"), dst=own.back_mac) / V4.ip("10.72.1.1", BACK4) /
                     TCP(sport=443, dport=syn[TCP].sport, flags="SA", seq=1, ack=syn[TCP].seq + 1))
    assert own.backend.take(lambda frame: TCP in frame and frame[TCP].dport == 443 and frame[TCP].ack == 2)
    caller.close()


def test_each_backend_has_the_source_of_its_route(other_source):
    before = {"10.72.1.1": BACK4, "10.72.1.2": OTHER4}
    for _ in range(4):
        flow = other_source.tcp(V4, 80).open()
        assert flow.source == before[flow.backend]
        flow.close()


def test_a_connection_outlives_the_change_of_its_source(own, request):
    flows = [own.tcp(V4, 80).open() for _ in range(2)]
    request.getfixturevalue("other_source")
    for flow in flows:
        flow.client_sends(b"request")
        flow.backend_sends(b"answer")
        flow.close()


def test_pools_are_shown(other_source):
    wanted = {(f"auto-{BACK4}", "ipv4"), (f"auto-{OTHER4}", "ipv4"), (f"auto-{BACK6}", "ipv6")}
    other_source.wait_for(lambda: set(pools(other_source)) == wanted, 5)
    rows = pools(other_source)
    assert rows[f"auto-{BACK4}", "ipv4"]["services"] == ["web", "dns"]
    assert rows[f"auto-{OTHER4}", "ipv4"]["services"] == ["web"]
    for row in rows.values():
        assert (row["automatic"], row["addresses"], row["ports"]) == (True, 1, 65536 - FIRST_PORT)


def test_a_backend_without_a_way_gets_nothing(own):
    """And is named; what is found later is taken without a reload."""
    ip("-n", LB, "route", "add", "unreachable", "10.72.1.2/32")
    try:
        own.wait_for(lambda: backends(own)["10.72.1.2:80"]["health"] == "down", 15)
        assert backends(own)["10.72.1.2:80"]["cause"] == "no address of this host leads there"
        for _ in range(3):
            flow = own.tcp(V4, 80).open()
            assert flow.backend == "10.72.1.1"
            flow.close()
    finally:
        ip("-n", LB, "route", "del", "unreachable", "10.72.1.2/32")
    own.wait_for(lambda: backends(own)["10.72.1.2:80"]["health"] == "up", 15)
    own.wait_for(lambda: own.tcp(V4, 80).open().backend == "10.72.1.2", 5)
