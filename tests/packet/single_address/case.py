"""A service on the host's only address: its port and the SNAT ports leave the kernel, everything else stays."""
import dataclasses
import socket

import pytest
from scapy.layers.inet import ICMP, IP, TCP
from scapy.layers.inet6 import ICMPv6EchoReply, ICMPv6EchoRequest
from scapy.layers.l2 import Ether

from harness.flow import CLIENT_MAC, V4, V6, host_mac, next_id
from harness.network import FRONT4, FRONT6, FRONT_MAC, LB, in_namespace
from harness.pieces import gather, pieces

WORKERS = (1, 2, 4)
CARDS = False  # by af_packet the kernel would answer, too
# Clients and backends share the one wire.
HOST4 = dataclasses.replace(V4, vip=FRONT4, backends=("203.0.113.21", "203.0.113.22"), snat=(FRONT4,))
HOST6 = dataclasses.replace(V6, vip=FRONT6, backends=("2001:db8:10::21", "2001:db8:10::22"), snat=(FRONT6,))
both_families = pytest.mark.parametrize("family", [HOST4, HOST6], ids=lambda family: family.name)


@pytest.fixture
def one_wire(bench):
    """The bench with backends on the client's wire."""
    return bench.with_backends_in_front((HOST4, HOST6))


@both_families
def test_life(one_wire, family):
    flow = one_wire.tcp(family, 3000, backend_port=80).open()
    assert 40000 <= flow.source_port <= 49999
    flow.client_sends(b"request")
    flow.backend_sends(b"answer")
    flow.close()


@both_families
def test_other_port_is_the_hosts(one_wire, family):
    server = in_namespace(LB, lambda: socket.create_server(("::", 22), family=socket.AF_INET6, dualstack_ipv6=True))
    try:
        for port, flags in ((22, "SA"), (3001, "RA")):
            number = next_id()
            one_wire.client.send(Ether(src=CLIENT_MAC, dst=FRONT_MAC) / family.ip(family.client, family.vip) /
                                 TCP(sport=6000, dport=port, flags="S", seq=number))
            got = one_wire.client.take(lambda frame: TCP in frame and frame[TCP].ack == number + 1)
            assert got[TCP].flags == flags
    finally:
        server.close()


@both_families
def test_fragments_follow_their_first_one(one_wire, family):
    """In order; they show no port, and both the service and the host have datagrams here."""
    flow = one_wire.tcp(family, 3000, backend_port=80).open()
    for segment, frame, arrives in ((flow.client_segment("PA", b"x" * 1200), flow.client_frame, flow.arrives_at_backend),
                                    (flow.backend_segment("PA", b"y" * 1200), flow.backend_frame, flow.arrives_at_client)):
        frames = pieces(frame(segment))
        one_wire.client.send(*frames)
        gather(one_wire.client, len(frames))
        arrives(segment)
    ping = ICMP(id=5) if family.layer is IP else ICMPv6EchoRequest(id=5)
    frames = pieces(Ether(src=CLIENT_MAC, dst=FRONT_MAC) / family.ip(family.client, family.vip) / ping / bytes(1200))
    one_wire.client.send(*frames)
    one_wire.client.take(lambda got: got.haslayer(ICMPv6EchoReply) or (ICMP in got and got[ICMP].type == 0))


def test_hosts_own_connection(one_wire):
    """The host as a client: its own ports lie outside the SNAT range, so answers reach its kernel."""
    peer, peer_mac = "203.0.113.21", host_mac("203.0.113.21")
    caller = in_namespace(LB, socket.socket)
    caller.bind((FRONT4, 35000))
    caller.setblocking(False)
    caller.connect_ex((peer, 443))
    syn = one_wire.client.take(lambda frame: TCP in frame and frame[TCP].dport == 443)
    one_wire.client.send(Ether(src=peer_mac, dst=FRONT_MAC) / HOST4.ip(peer, FRONT4) /
                         TCP(sport=443, dport=syn[TCP].sport, flags="SA", seq=1, ack=syn[TCP].seq + 1))
    ack = one_wire.client.take(lambda frame: TCP in frame and frame[TCP].dport == 443 and frame[TCP].ack == 2)
    assert ack[TCP].flags == "A"
    caller.close()


def test_ping_is_the_kernels(one_wire):
    number = next_id() & 0xffff
    one_wire.client.send(Ether(src=CLIENT_MAC, dst=FRONT_MAC) / HOST4.ip(V4.client, FRONT4) / ICMP(id=4, seq=number))
    one_wire.client.take(lambda frame: ICMP in frame and frame[ICMP].type == 0 and frame[ICMP].seq == number)
    assert one_wire.balancer.total("echo_answered") == 0
