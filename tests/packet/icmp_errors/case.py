"""ICMP errors about connections reach the other side, as if they were about what that side sent."""
import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import ICMPv6DestUnreach, ICMPv6PacketTooBig, ICMPv6TimeExceeded, IPv6
from scapy.layers.l2 import Ether

from harness.flow import CLIENT_MAC, TTL, V4, V6, assert_same, host_mac, next_id
from harness.network import BACK_MAC, FRONT_MAC

ROUTER4, ROUTER6 = "10.72.9.9", "fd72::99"        # between the balancer and the backends
FAR4, FAR6 = "203.0.113.99", "2001:db8:10::99"    # between the balancer and the client
ERRORS = {
    V4: [ICMP(type=3, code=3), ICMP(type=3, code=4, nexthopmtu=1280), ICMP(type=11, code=0)],
    V6: [ICMPv6DestUnreach(code=4), ICMPv6PacketTooBig(mtu=1280), ICMPv6TimeExceeded(code=0)],
}
every_error = pytest.mark.parametrize(
    "family,error", [(family, error) for family, errors in ERRORS.items() for error in errors],
    ids=lambda value: value.name if hasattr(value, "vip") else value.summary().replace(" ", "_"))
TCP_MODES = {"fullnat": {"port": 80}, "nat": {"port": 8080, "mode": "nat", "backend_port": 80}}
UDP_MODES = {"fullnat": {"port": 53}, "nat": {"port": 5353, "mode": "nat", "backend_port": 53}}
every_mode = pytest.mark.parametrize("mode", ["fullnat", "nat"])


def outer(family, source, target, ttl):
    if family is V4:
        return IP(src=source, dst=target, ttl=ttl, id=3)
    return IPv6(src=source, dst=target, hlim=ttl)


def error_kinds(frame):
    """ICMP errors; neighbour discovery is no business of this case."""
    if ICMP in frame:
        return frame[ICMP].type in (3, 11)
    return any(kind in frame for kind in (ICMPv6DestUnreach, ICMPv6PacketTooBig, ICMPv6TimeExceeded))


def quote(frame):
    """The packet as a router quotes it: whole, TTL as it came."""
    return Ether(frame.original)[1]


def raw_quote(packet):
    return bytes(packet.original if getattr(packet, "original", b"") else packet)


@every_mode
@every_error
def test_from_a_router_behind_us(bench, family, error, mode):
    """About what the client sent: the client gets it, about the very packet that it sent."""
    flow = bench.tcp(family, **TCP_MODES[mode]).open()
    segment = flow.client_segment("PA", b"request")
    at_backend = flow.forward(segment)
    router = ROUTER4 if family is V4 else ROUTER6
    bench.backend.send(Ether(src=host_mac(flow.backend), dst=BACK_MAC) / outer(family, router, flow.source, TTL) /
                       error / raw_quote(quote(at_backend)))
    got = bench.client.take(error_kinds)
    # The quoted TTL is what arrived there; everything else is the client's own packet again.
    own = flow.client_frame(segment, ttl=TTL - 1)[1]
    shown = family.vip if mode == "fullnat" else router
    assert_same(got, Ether(src=FRONT_MAC, dst=CLIENT_MAC) / outer(family, shown, family.client, TTL - 1) / error /
                bytes(own), "at the client")


@every_mode
@every_error
def test_from_the_backend_itself(bench, family, error, mode):
    flow = bench.udp(family, **UDP_MODES[mode])
    datagram = UDP() / next_id().to_bytes(4, "big")
    at_backend = flow.forward(datagram)
    bench.backend.send(Ether(src=host_mac(flow.backend), dst=BACK_MAC) /
                       outer(family, flow.backend, flow.source, TTL) / error / raw_quote(quote(at_backend)))
    got = bench.client.take(error_kinds)
    own = flow.client_frame(datagram, ttl=TTL - 1)[1]
    assert_same(got, Ether(src=FRONT_MAC, dst=CLIENT_MAC) / outer(family, family.vip, family.client, TTL - 1) /
                error / bytes(own), "at the client")


@every_mode
@every_error
def test_from_the_client_side(bench, family, error, mode):
    """About what the backend answered: the backend gets it, about its own packet."""
    flow = bench.tcp(family, **TCP_MODES[mode]).open()
    segment = flow.backend_segment("PA", b"answer")
    at_client = flow.reverse(segment)
    far = FAR4 if family is V4 else FAR6
    bench.client.send(Ether(src=CLIENT_MAC, dst=FRONT_MAC) / outer(family, far, family.vip, TTL) / error /
                      raw_quote(quote(at_client)))
    got = bench.backend.take(error_kinds)
    own = flow.backend_frame(segment, ttl=TTL - 1)[1]
    shown = flow.source if mode == "fullnat" else far
    assert_same(got, Ether(src=BACK_MAC, dst=host_mac(flow.backend)) /
                outer(family, shown, flow.backend, TTL - 1) / error / bytes(own), "at the backend")


def test_quote_of_eight_bytes(bench):
    """All that RFC 792 asks a router to quote: ports and sequence number, no checksum to correct."""
    flow = bench.tcp(V4, 80).open()
    segment = flow.client_segment("PA", b"request")
    cut = raw_quote(quote(flow.forward(segment)))[:28]
    bench.backend.send(Ether(src=host_mac(flow.backend), dst=BACK_MAC) / outer(V4, ROUTER4, flow.source, TTL) /
                       ICMP(type=3, code=1) / cut)
    got = bench.client.take(error_kinds)
    own = bytes(flow.client_frame(segment, ttl=TTL - 1)[1])[:28]
    assert_same(got, Ether(src=FRONT_MAC, dst=CLIENT_MAC) / outer(V4, V4.vip, V4.client, TTL - 1) /
                ICMP(type=3, code=1) / own, "at the client")


def test_about_nothing_of_ours(bench):
    flow = bench.tcp(V4, 80).open()
    stranger = IP(src=flow.source, dst=flow.backend) / TCP(sport=flow.source_port, dport=9)
    bench.backend.send(Ether(src=host_mac(flow.backend), dst=BACK_MAC) / outer(V4, ROUTER4, flow.source, TTL) /
                       ICMP(type=3, code=1) / stranger)
    bench.expect_drops("icmp_unknown_flow")
    bench.wait_drops()
    bench.nothing_for_client(error_kinds)


def test_quote_cut_short(bench):
    flow = bench.tcp(V4, 80).open()
    own = raw_quote(quote(flow.forward(flow.client_segment("PA", b"request"))))
    for length in (0, 10, 20, 27):
        bench.backend.send(Ether(src=host_mac(flow.backend), dst=BACK_MAC) /
                           outer(V4, ROUTER4, flow.source, TTL) / ICMP(type=3, code=1) / own[:length])
        bench.expect_drops("icmp_malformed")
    bench.wait_drops()
    bench.nothing_for_client(error_kinds)
