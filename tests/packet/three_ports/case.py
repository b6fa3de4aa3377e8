"""Three ports: a packet leaves by the port of the route to its destination, whichever port it or the other direction of its
connection came in by."""
import copy
import time
from dataclasses import replace

import pytest
from scapy.layers.l2 import ARP, Ether

from harness.flow import CLIENT_MAC, FAMILIES, TTL, V4, V6, Flow, TcpFlow, assert_same, same_segment, with_ports
from harness.network import CLIENT, LB, ip
from harness.wire import Wire
from tcp_life import case as tcp_life
from udp_exchange import case as udp_exchange
from udp_exchange.case import datagram

WORKERS = (1, 2, 4)
SIDE_MAC, SIDE_CLIENT_MAC = "02:00:00:00:03:01", "02:00:00:00:03:02"
SIDE4 = replace(V4, client="192.0.2.2")
SIDE6 = replace(V6, client="2001:db8:30::2")
AWAY = {"v4": "198.51.100.9", "v6": "2001:db8:99::9"}  # behind no port of its own: where its routes lead
both_families = pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
both_side_families = pytest.mark.parametrize("family", (SIDE4, SIDE6), ids=lambda family: family.name)


class FromSide:
    """A flow whose client is behind the side port."""

    def client_frame(self, layer, ttl=TTL, **fields):
        return (Ether(src=SIDE_CLIENT_MAC, dst=SIDE_MAC) / self.family.ip(self.family.client, self.family.vip, ttl, **fields)
                / with_ports(layer, self.client_port, self.port))

    def arrives_at_client(self, layer):
        return arrives(self, self.bench.client, layer, SIDE_MAC, SIDE_CLIENT_MAC)


class SideTcp(FromSide, TcpFlow):
    pass


class SideUdp(FromSide, Flow):
    pass


def arrives(flow, wire, layer, source_mac, client_mac):
    got = wire.take(lambda frame: same_segment(frame, layer))
    expected = (Ether(src=source_mac, dst=client_mac) / flow.family.ip(flow.family.vip, flow.family.client, TTL - 1)
                / with_ports(layer, flow.port, flow.client_port))
    assert_same(got, expected, "at the client")
    return got


@pytest.fixture
def side_wire(bench):
    """One a bench."""
    if not hasattr(bench, "side_wire"):
        bench.side_wire = Wire(CLIENT, "sidewire")
        bench.at_end.append(bench.side_wire.close)
        for family in (SIDE4, SIDE6):
            bench.side_wire.hosts[family.client] = SIDE_CLIENT_MAC
    return bench.side_wire


@pytest.fixture
def side(bench, side_wire):
    """The bench for clients behind the side port."""
    made = copy.copy(bench)
    made.client = side_wire
    made.tcp = lambda family, port, **options: SideTcp(made, family, port, **options)
    made.udp = lambda family, port, **options: SideUdp(made, family, port, **options)
    side_wire.clear()
    return made


@both_side_families
@pytest.mark.parametrize("mode", tcp_life.MODES)
def test_tcp_from_the_second_client_port(side, family, mode):
    tcp_life.test_life(side, family, mode)


@both_side_families
@pytest.mark.parametrize("mode", udp_exchange.MODES)
def test_udp_from_the_second_client_port(side, family, mode):
    udp_exchange.test_exchange(side, family, mode)


@pytest.mark.parametrize("families", [(V4, SIDE4), (V6, SIDE6)], ids=["v4", "v6"])
def test_clients_behind_both_ports_at_once(bench, side, families):
    flows = [bench.tcp(families[0], 80).open(), side.tcp(families[1], 80).open(),
             bench.tcp(families[0], 80).open(), side.tcp(families[1], 80).open()]
    for flow in flows * 2:
        flow.client_sends(b"GET / HTTP/1.0\r\n\r\n")
        flow.backend_sends(b"answer")


@both_families
def test_backends_reply_by_another_port(bench, side, family):
    """Asymmetric routes behind the balancer: what a backend sends may come in anywhere."""
    flow = bench.tcp(family, 80).open()
    reply = flow.backend_segment("PA", b"by the side")
    frame = flow.backend_frame(reply)
    frame.dst = SIDE_MAC
    side.client.send(frame)
    flow.arrives_at_client(reply)


@pytest.fixture
def away(bench, side_wire, family):
    """A client whose packets come in by the front port and whose route leads by the side port."""
    address, router = AWAY[family.name], (SIDE4 if family is V4 else SIDE6).client
    ip("-n", LB, "route", "add", address, "via", router, "dev", "side")
    side_wire.clear()
    time.sleep(0.5)  # what the kernel knows reaches the balancer
    yield replace(family, client=address)
    ip("-n", LB, "route", "del", address)


@both_families
def test_client_enters_by_one_port_and_is_answered_by_another(bench, side_wire, family, away):
    """TCP and UDP, the way back is the route's (RFC 1812 section 5.2.4.3)."""
    asked, answer = datagram(), datagram(b"answer")
    udp = bench.udp(away, 53)
    udp.forward(asked)
    bench.backend.send(udp.backend_frame(answer))
    arrives(udp, side_wire, answer, SIDE_MAC, SIDE_CLIENT_MAC)
    tcp = bench.tcp(away, 80)
    tcp.forward(tcp.syn())
    tcp.client_seq += 1
    syn_ack = tcp.syn()
    syn_ack.flags, syn_ack.seq, syn_ack.ack = "SA", tcp.backend_seq, tcp.client_seq
    bench.backend.send(tcp.backend_frame(syn_ack))
    arrives(tcp, side_wire, syn_ack, SIDE_MAC, SIDE_CLIENT_MAC)
    assert not bench.client.take_all(lambda frame: Ether in frame and frame.dst == CLIENT_MAC and ARP not in frame)
