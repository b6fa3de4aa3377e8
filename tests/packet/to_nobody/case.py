"""Packets to a VIP or SNAT address that no service or connection wants: dropped in silence, under their reason."""
import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether

from harness.flow import CLIENT_MAC, FAMILIES, V4, V6, host_mac, next_id
from harness.network import BACK_MAC, FRONT_MAC

WORKERS = (1, 2, 4)
CARDS = False  # by af_packet the kernel keeps fragments to itself
both_families = pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)


def silent(frame):
    return TCP in frame or UDP in frame or ICMP in frame


@both_families
def test_port_without_service(bench, family):
    bench.client.send(bench.tcp(family, 4711).client_frame(TCP(flags="S", seq=next_id())),
                      bench.udp(family, 4711).client_frame(UDP() / b"query"))
    bench.expect_drops("no_service", 2)
    bench.wait_drops()
    bench.nothing_for_client(silent)


@both_families
def test_service_of_the_other_protocol(bench, family):
    bench.client.send(bench.udp(family, 80).client_frame(UDP() / b"query"),
                      bench.tcp(family, 53).client_frame(TCP(flags="S", seq=next_id())))
    bench.expect_drops("no_service", 2)


@both_families
def test_snat_address(bench, family):
    backend = family.backends[0]
    bench.backend.send(Ether(src=host_mac(backend), dst=BACK_MAC) / family.ip(backend, family.snat[0]) /
                       TCP(sport=80, dport=9, flags="S"))
    bench.expect_drops("no_service")
    bench.wait_drops()
    assert not bench.backend.take_all(silent)


def test_protocols(bench):
    for packet, reason in [(IP(src=V4.client, dst=V4.vip, proto=47) / bytes(20), "unknown_proto"),
                           (IPv6(src=V6.client, dst=V6.vip, nh=132) / bytes(20), "unknown_proto"),
                           (IP(src=V4.client, dst=V4.vip, frag=10, proto=47) / bytes(16), "unknown_proto")]:
        bench.client.send(Ether(src=CLIENT_MAC, dst=FRONT_MAC) / packet)
        bench.expect_drops(reason)
    bench.wait_drops()
    bench.nothing_for_client(silent)
