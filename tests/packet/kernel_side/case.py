"""What is not ours is the kernel's: its own addresses go on working on the very same interfaces."""
import socket

import pytest
from scapy.layers.inet import ICMP, TCP
from scapy.layers.inet6 import ICMPv6EchoReply, ICMPv6EchoRequest
from scapy.layers.l2 import Ether

from harness.flow import CLIENT_MAC, FAMILIES, V4, V6, next_id
from harness.network import FRONT4, FRONT6, FRONT_MAC, LB, in_namespace

WORKERS = (1, 2, 4)
LB_ADDRESS = {V4: FRONT4, V6: FRONT6}
ETHER = Ether(src=CLIENT_MAC, dst=FRONT_MAC)
both_families = pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)


@pytest.fixture
def ssh():
    """A TCP server of the host itself."""
    server = in_namespace(LB, lambda: socket.create_server(("::", 22), family=socket.AF_INET6, dualstack_ipv6=True))
    yield server
    server.close()


def to_host(family, layer):
    return ETHER / family.ip(family.client, LB_ADDRESS[family]) / layer


def test_ping(bench):
    number = next_id() & 0xffff
    bench.client.send(to_host(V4, ICMP(id=5, seq=number)), to_host(V6, ICMPv6EchoRequest(id=5, seq=number)))
    bench.client.take(lambda frame: ICMP in frame and frame[ICMP].type == 0 and frame[ICMP].seq == number)
    bench.client.take(lambda frame: ICMPv6EchoReply in frame and frame[ICMPv6EchoReply].seq == number)


@both_families
def test_server_of_the_host(bench, ssh, family):
    number = next_id()
    bench.client.send(to_host(family, TCP(sport=5000, dport=22, flags="S", seq=number)))
    got = bench.client.take(lambda frame: TCP in frame and frame[TCP].ack == number + 1)
    assert got[TCP].flags == "SA" and got[TCP].sport == 22


@both_families
def test_service_port_on_the_hosts_address(bench, family):
    """Port 80 of the VIP is ours, port 80 of the host is not: its kernel refuses, as without us."""
    number = next_id()
    bench.client.send(to_host(family, TCP(sport=5001, dport=80, flags="S", seq=number)))
    got = bench.client.take(lambda frame: TCP in frame and frame[TCP].ack == number + 1)
    assert got[TCP].flags == "RA"


def test_odd_frames_pass(bench):
    """LLDP, VLAN tags: none of our business, and no reason to count a drop."""
    bench.client.send(Ether(src=CLIENT_MAC, dst="01:80:c2:00:00:0e", type=0x88cc) / bytes(50),
                      Ether(src=CLIENT_MAC, dst=FRONT_MAC, type=0x8100) / bytes(50))
    bench.check_traffic()
