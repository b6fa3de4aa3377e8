"""ICMP errors about connections reach the other side, as if they were about what that side sent."""
import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import (ICMPv6DestUnreach, ICMPv6PacketTooBig, ICMPv6ParamProblem, ICMPv6TimeExceeded, IPv6,
                                IPv6ExtHdrDestOpt)
from scapy.layers.l2 import Ether

from harness.flow import CLIENT_MAC, TTL, V4, V6, assert_same, host_mac, next_id
from harness.network import BACK_MAC, FRONT_MAC

WORKERS = (1, 2, 4)
ROUTER4, ROUTER6 = "10.72.9.9", "fd72::99"        # between the balancer and the backends
FAR4, FAR6 = "203.0.113.99", "2001:db8:10::99"    # between the balancer and the client
ERRORS = {
    V4: [ICMP(type=3, code=3), ICMP(type=3, code=4, nexthopmtu=1280), ICMP(type=11, code=0)],
    V6: [ICMPv6DestUnreach(code=4), ICMPv6PacketTooBig(mtu=1280), ICMPv6TimeExceeded(code=0)],
}
every_error = pytest.mark.parametrize(
    "family,error", [(family, error) for family, errors in ERRORS.items() for error in errors],
    ids=lambda value: value.name if hasattr(value, "vip") else value.summary().replace(" ", "_"))
# Every code that is assigned, of every type that is about a packet.
ALL_ERRORS = {
    V4: [ICMP(type=3, code=code, **({"nexthopmtu": 1280} if code == 4 else {})) for code in range(16)] +
        [ICMP(type=11, code=code) for code in (0, 1)] + [ICMP(type=12, code=code, ptr=9) for code in (0, 1, 2)],
    V6: [ICMPv6DestUnreach(code=code) for code in range(8)] + [ICMPv6PacketTooBig(mtu=1280)] +
        [ICMPv6TimeExceeded(code=code) for code in (0, 1)] + [ICMPv6ParamProblem(code=code, ptr=6) for code in range(4)],
}
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
        return frame[ICMP].type in (3, 11, 12)
    return any(kind in frame for kind in (ICMPv6DestUnreach, ICMPv6PacketTooBig, ICMPv6TimeExceeded, ICMPv6ParamProblem))


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


@every_mode
@pytest.mark.parametrize("family", [V4, V6], ids=lambda family: family.name)
def test_rfc5508_every_type_and_code(bench, family, mode):
    """Both ways, about the packets of one connection; what an error says besides the packet stays as it is."""
    flow = bench.tcp(family, **TCP_MODES[mode]).open()
    segments = flow.client_segment("PA", b"request"), flow.backend_segment("PA", b"answer")
    at_backend, at_client = flow.forward(segments[0]), flow.reverse(segments[1])
    router, far = (ROUTER4, FAR4) if family is V4 else (ROUTER6, FAR6)
    hidden = mode == "fullnat"
    for error in ALL_ERRORS[family]:
        bench.backend.send(Ether(src=host_mac(flow.backend), dst=BACK_MAC) / outer(family, router, flow.source, TTL) /
                           error / raw_quote(quote(at_backend)))
        assert_same(bench.client.take(error_kinds), Ether(src=FRONT_MAC, dst=CLIENT_MAC) /
                    outer(family, family.vip if hidden else router, family.client, TTL - 1) / error /
                    bytes(flow.client_frame(segments[0], ttl=TTL - 1)[1]), "at the client")
        bench.client.send(Ether(src=CLIENT_MAC, dst=FRONT_MAC) / outer(family, far, family.vip, TTL) / error /
                          raw_quote(quote(at_client)))
        assert_same(bench.backend.take(error_kinds), Ether(src=BACK_MAC, dst=host_mac(flow.backend)) /
                    outer(family, flow.source if hidden else far, flow.backend, TTL - 1) / error /
                    bytes(flow.backend_frame(segments[1], ttl=TTL - 1)[1]), "at the backend")


def test_rfc4884_extensions_are_kept(bench):
    """An MPLS label stack (RFC 4950) behind a quote of 128 bytes, whose length the error tells."""
    flow = bench.tcp(V4, 80).open()
    segment = flow.client_segment("PA", b"request")
    extension = b"\x20\0\0\0\0\x08\x01\x01\x00\x01\x01\xff"
    error = ICMP(type=11, code=0, length=32)
    bench.backend.send(Ether(src=host_mac(flow.backend), dst=BACK_MAC) / outer(V4, ROUTER4, flow.source, TTL) /
                       error / (raw_quote(quote(flow.forward(segment))).ljust(128, b"\0") + extension))
    own = bytes(flow.client_frame(segment, ttl=TTL - 1)[1]).ljust(128, b"\0")
    assert_same(bench.client.take(error_kinds), Ether(src=FRONT_MAC, dst=CLIENT_MAC) /
                outer(V4, V4.vip, V4.client, TTL - 1) / error / (own + extension), "at the client")


def test_quote_with_ipv4_options(bench):
    flow = bench.udp(V4, 53)
    alert = b"\x94\x04\0\0"
    sent = flow.client_frame(UDP() / next_id().to_bytes(4, "big"), options=alert)
    bench.client.send(sent)
    there = bench.backend.take(lambda frame: UDP in frame)
    bench.backend.send(Ether(src=there.dst, dst=BACK_MAC) / outer(V4, ROUTER4, there[IP].src, TTL) /
                       ICMP(type=3, code=1) / raw_quote(quote(there)))
    sent[IP].ttl = TTL - 1
    assert_same(bench.client.take(error_kinds), Ether(src=FRONT_MAC, dst=CLIENT_MAC) /
                outer(V4, V4.vip, V4.client, TTL - 1) / ICMP(type=3, code=1) / bytes(sent[IP]), "at the client")


def test_quote_with_extension_headers(bench):
    flow = bench.udp(V6, 53)
    sent = flow.client_frame(UDP() / next_id().to_bytes(4, "big"))
    sent = Ether(bytes(sent)[:14]) / V6.ip(V6.client, V6.vip) / IPv6ExtHdrDestOpt() / sent[UDP]
    bench.client.send(sent)
    there = bench.backend.take(lambda frame: UDP in frame)
    bench.backend.send(Ether(src=there.dst, dst=BACK_MAC) / outer(V6, ROUTER6, there[IPv6].src, TTL) /
                       ICMPv6DestUnreach(code=4) / raw_quote(quote(there)))
    sent[IPv6].hlim = TTL - 1
    assert_same(bench.client.take(error_kinds), Ether(src=FRONT_MAC, dst=CLIENT_MAC) /
                outer(V6, V6.vip, V6.client, TTL - 1) / ICMPv6DestUnreach(code=4) / bytes(sent[IPv6]), "at the client")


@pytest.mark.parametrize("message", [ICMP(type=4), ICMP(type=5, code=1, gw=FAR4)], ids=["source quench", "redirect"])
def test_rfc6633_quench_and_redirect_go_no_further(bench, message):
    flow = bench.tcp(V4, 80).open()
    at_client = flow.reverse(flow.backend_segment("PA", b"answer"))
    bench.client.send(Ether(src=CLIENT_MAC, dst=FRONT_MAC) / outer(V4, FAR4, V4.vip, TTL) / message /
                      raw_quote(quote(at_client)))
    bench.expect_drops("icmp_unsupported")
    bench.wait_drops()
    assert not bench.backend.take_all(lambda frame: ICMP in frame)


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
